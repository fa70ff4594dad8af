package poll_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap/zapcore"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// notFoundFault is a 404 in the API's form. The simulator answers that for
// incidents that do not exist; here it answers so for ones that do.
const notFoundFault = "404"

// halfWorking is a day on which one endpoint of the API fails for a while.
type halfWorking struct {
	list   bool // the endpoint is the list; else that of single incidents
	scope  int  // how many incidents fail; 0: all
	faults []string
	// from and until are when the fault begins and ends, by the time since the
	// start.
	from, until time.Duration
	// on is for how long the fault lasts each time, with pauses as long; 0: it
	// lasts without a pause.
	on time.Duration
}

// halfWorkingIncidents is how many incidents there are. Each changes once in
// two hours.
const halfWorkingIncidents = 10

func (c halfWorking) endpoint() string {
	if c.list {
		return "list"
	}
	return "incident"
}

func (c halfWorking) scopeName() string {
	switch c.scope {
	case 0:
		return "all"
	case 1:
		return "one"
	}
	return fmt.Sprintf("%d of %d", c.scope, halfWorkingIncidents)
}

func (c halfWorking) String() string {
	name := fmt.Sprintf("%s/%s/%s/%v-%v", c.endpoint(), c.scopeName(), strings.Join(c.faults, "+"), c.from, c.until)
	if c.on > 0 {
		name += fmt.Sprintf(" each %v", 2*c.on)
	}
	return name
}

// targets are what the simulated API gets the fault set for.
func (c halfWorking) targets(ids []int64) []int64 {
	switch {
	case c.list:
		return []int64{defendersim.ListRequests}
	case c.scope == 0:
		return []int64{defendersim.AllIncidents}
	}
	return ids[:c.scope]
}

// failing are the incidents that cannot be polled while the fault lasts.
func (c halfWorking) failing(ids []int64) []int64 {
	switch {
	case c.list:
		return nil
	case c.scope == 0:
		return ids
	}
	return ids[:c.scope]
}

// faultAt is the fault at a time since the start; empty: none.
func (c halfWorking) faultAt(at time.Duration) string {
	if at < c.from || at >= c.until {
		return ""
	}
	if c.on == 0 {
		return c.faults[0]
	}
	turn := int((at - c.from) / c.on)
	if turn%2 == 1 {
		return ""
	}
	return c.faults[turn/2%len(c.faults)]
}

// afterwards is for how long a day goes on after the fault has ended at its end.
const afterwards = 2 * time.Hour

// halfWorkingDay is what was seen of such a day.
type halfWorkingDay struct {
	c                 halfWorking
	warnings, lines   int // log lines: warnings and errors; all but debug
	messages          []string
	statuses          []string
	failing           []time.Duration // when the status was sampled and was an error
	requests          []defendersim.Request
	began             time.Time
	ids               []int64
	records           []proof.Record
	delay, stragglers time.Duration
	problems          []string
}

// keeper keeps when each record was delivered.
type keeper struct {
	next consumer.Logs

	mu   sync.Mutex
	seen map[int64][]delivery // of incidents
}

func (k *keeper) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (k *keeper) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	k.mu.Lock()
	for _, r := range proof.Records(logs) {
		if r.Alert == "" {
			k.seen[r.Incident] = append(k.seen[r.Incident], delivery{at: time.Now(), version: r.Time})
		}
	}
	k.mu.Unlock()
	return k.next.ConsumeLogs(ctx, logs)
}

// runHalfWorking runs a day, in a synctest bubble.
func runHalfWorking(t *testing.T, c halfWorking) *halfWorkingDay {
	t.Helper()
	h := harness.New(t, harness.OneAlert(halfWorkingIncidents), harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.Interval = 2 * time.Minute }),
		func(cfg *receiver.Config) { cfg.CollectionInterval = 15 * time.Minute })
	h.Auth.Use(notFoundInstead)
	d := &halfWorkingDay{c: c, ids: h.Sim.IDs(), began: time.Now()}
	k := &keeper{next: h.Sink, seen: map[int64][]delivery{}}
	length := max(24*time.Hour, c.until+afterwards)
	fault := ""
	for at := time.Duration(0); at < length; at += time.Minute {
		if now := c.faultAt(at); now != fault {
			h.Sim.ClearFaults()
			fault = now
			for _, id := range c.targets(d.ids) {
				if fault != "" {
					h.Fail(id, strings.Replace(fault, notFoundFault, "404-html", 1))
				}
			}
		}
		if at == 0 {
			h.StartWith(k)
		}
		d.step(h, at, length)
		time.Sleep(time.Minute)
	}
	h.Stop()
	d.collect(h, k)
	return d
}

// step does what happens at a minute of a day.
func (d *halfWorkingDay) step(h *harness.Harness, at, length time.Duration) {
	const each = 2 * time.Hour / halfWorkingIncidents
	if at%each == each/2 && at < length-afterwards/2 {
		h.Assign(d.ids[int(at/each)%halfWorkingIncidents])
	}
	if s := h.Host.Statuses(); len(s) > 0 && s[len(s)-1] != "StatusOK" {
		d.failing = append(d.failing, at)
	}
}

// notFoundInstead answers in the API's form where the simulated API answers 404
// with an HTML page.
func notFoundInstead(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusNotFound {
		return response, err
	}
	_ = response.Body.Close()
	body := []byte(`{"error":{"code":"ResourceNotFound","message":"Incident was not found."}}`)
	response.Header.Set("Content-Type", "application/json")
	response.Header.Del("Content-Length")
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, nil
}

func (d *halfWorkingDay) collect(h *harness.Harness, k *keeper) {
	for _, entry := range h.Logs.All() {
		switch {
		case entry.Level >= zapcore.WarnLevel:
			d.warnings++
			d.lines++
		case entry.Level == zapcore.InfoLevel:
			d.lines++
		}
		d.messages = append(d.messages, fmt.Sprintf("%v %s %s %v", entry.Time.Sub(d.began).Round(time.Second), entry.Level, entry.Message, entry.ContextMap()["incident"]))
	}
	d.statuses, d.requests, d.records = h.Host.Statuses(), h.Sim.Journal(), h.Sink.Records()
	d.problems = append(proof.Behind(h.Sim, d.ids, d.records, time.Hour/2), d.repeated()...)
	d.problems = append(d.problems, d.late(h.Sim, k)...)
	limits := map[string]receiver.RateLimitConfig{
		defendersim.EndpointIncident: h.Config.RateLimit, defendersim.EndpointList: h.Config.ChangeFeed.Get().RateLimit,
	}
	for endpoint, limit := range limits {
		if n := h.Sim.MaxInWindowOf(endpoint, time.Minute); n > limit.RequestsPerMinute {
			d.problems = append(d.problems, fmt.Sprintf("%d requests in a minute: %s", n, endpoint))
		}
		if n := h.Sim.MaxInWindowOf(endpoint, time.Hour); n > limit.RequestsPerHour {
			d.problems = append(d.problems, fmt.Sprintf("%d requests in an hour: %s", n, endpoint))
		}
	}
}

// repeated lists what was emitted twice. An incident that was emitted as not
// found is emitted anew when it is found again.
func (d *halfWorkingDay) repeated() []string {
	var repeated []string
	for _, id := range d.ids {
		var since []proof.Record
		for _, r := range d.records {
			if r.Incident != id {
				continue
			}
			if r.Change == "not_found" {
				repeated, since = append(repeated, proof.Twice(since)...), nil
				continue
			}
			since = append(since, r)
		}
		repeated = append(repeated, proof.Twice(since)...)
	}
	if n := proof.Repeats(d.records); n > 0 {
		repeated = append(repeated, fmt.Sprintf("%d records with the log.record.uid of another", n))
	}
	return repeated
}

// late lists the changes that were not emitted in time: within patience, or, if
// their incident could not be polled then, of the end of the fault. Since each
// state stands for two hours, it is that state that was emitted, and no later
// one.
func (d *halfWorkingDay) late(sim *defendersim.Sim, k *keeper) []string {
	const patience = 20 * time.Minute
	var late []string
	for _, id := range d.ids {
		states, _ := sim.History(id)
		for i, state := range states {
			at := max(0, state.From.Sub(d.began))
			ends := at
			if slices.Contains(d.c.failing(d.ids), id) && at >= d.c.from && at < d.c.until {
				ends = d.c.until
			}
			emitted, ok := emittedAt(k.seen[id], state)
			after := emitted.Sub(d.began)
			if ok && i > 0 {
				d.delay = max(d.delay, after-at)
			}
			if ok && i > 0 && ends > at {
				d.stragglers = max(d.stragglers, after-ends)
			}
			superseded := !state.Until.IsZero() && state.Until.Sub(d.began) < ends+patience
			if !superseded && (!ok || after-ends > patience) {
				late = append(late, fmt.Sprintf("incident %d: its change of %v was emitted %v (%v)", id, at, after, ok))
			}
		}
	}
	return late
}

// emittedAt is when a state was emitted.
func emittedAt(all []delivery, state defendersim.State) (time.Time, bool) {
	for _, one := range all {
		if one.version.Equal(state.LastUpdate) {
			return one.at, true
		}
	}
	return time.Time{}, false
}

// count counts requests while the fault lasts, of some incidents or, with nil,
// for the list.
func (d *halfWorkingDay) count(from, until time.Duration, ids []int64) int {
	n := 0
	for _, r := range d.requests {
		if at := r.Time.Sub(d.began); at < from || at >= until {
			continue
		}
		if ids == nil && r.Endpoint == defendersim.EndpointList || r.Endpoint == defendersim.EndpointIncident && slices.Contains(ids, r.ID) {
			n++
		}
	}
	return n
}

var halfWorkingFaults = []string{"400", "401", "403", notFoundFault, "429", "500", "503", "hang", "reset", "html", "redirect"}

// halfWorkingCells is the whole matrix.
func halfWorkingCells() []halfWorking {
	phases := []halfWorking{{until: 24 * time.Hour}, {from: 6 * time.Hour, until: 12 * time.Hour}, {until: 6 * time.Hour}}
	var cells []halfWorking
	for _, endpoint := range []halfWorking{{}, {scope: 3}, {scope: 1}, {list: true}} {
		for _, fault := range halfWorkingFaults {
			for _, phase := range phases {
				phase.list, phase.scope, phase.faults = endpoint.list, endpoint.scope, []string{fault}
				cells = append(cells, phase)
			}
			endpoint := endpoint
			endpoint.faults, endpoint.from, endpoint.until, endpoint.on = []string{fault}, time.Hour, 2*time.Hour, 2*time.Minute
			cells = append(cells, endpoint)
		}
		for seed := range uint64(3) {
			endpoint.faults = slices.Clone(halfWorkingFaults)
			rand.New(rand.NewPCG(seed, 0)).Shuffle(len(endpoint.faults), func(i, j int) {
				endpoint.faults[i], endpoint.faults[j] = endpoint.faults[j], endpoint.faults[i]
			})
			endpoint.from, endpoint.until, endpoint.on = time.Hour, 2*time.Hour, 2*time.Minute
			cells = append(cells, endpoint)
		}
	}
	return cells
}

func TestProbe(t *testing.T) {
	var mu sync.Mutex
	var normal *halfWorkingDay
	t.Run("normal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			normal = runHalfWorking(t, halfWorking{})
			fmt.Println("normal", normal.warnings, normal.lines, normal.problems, normal.count(0, 24*time.Hour, nil), normal.count(0, 24*time.Hour, normal.ids), normal.delay)
		})
	})
	t.Run("cells", func(t *testing.T) {
		for _, c := range halfWorkingCells() {
			t.Run(c.String(), func(t *testing.T) {
				harness.Run(t, func(t *testing.T) {
					d := runHalfWorking(t, c)
					mu.Lock()
					defer mu.Unlock()
					healthy := d.ids[len(c.failing(d.ids)):]
					own, base := d.count(c.from, c.until, healthy), normal.count(c.from, c.until, healthy)
					if c.list || c.scope > 0 {
					} else {
						own, base = d.count(c.from, c.until, nil), normal.count(c.from, c.until, nil)
					}
					first, last := time.Duration(-1), time.Duration(-1)
					if len(d.failing) > 0 {
						first, last = d.failing[0], d.failing[len(d.failing)-1]
					}
					fmt.Printf("%-45s warn %3d lines %3d status %2d gets %5d lists %4d healthy %.2f delay %v stragglers %v status err %v..%v (%d min) problems %d\n", c, d.warnings, d.lines, len(d.statuses),
						d.count(0, 48*time.Hour, d.ids), d.count(0, 48*time.Hour, nil), float64(own)/float64(base), d.delay.Round(time.Second), d.stragglers.Round(time.Second), first, last, len(d.failing), len(d.problems))
					for _, p := range d.problems[:min(len(d.problems), 4)] {
						fmt.Println("      ", p)
					}
					if d.warnings > 15 || len(d.statuses) > 4 || len(d.problems) > 0 {
						for _, m := range d.messages[:min(len(d.messages), 40)] {
							fmt.Println("          ", m)
						}
					}
				})
			})
		}
	})
	require.NotNil(t, normal)
}

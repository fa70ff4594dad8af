// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
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

const (
	// halfWorkingIncidents is the number of incidents, halfWorkingCycle how often each
	// is polled, and halfWorkingChange how often each changes. Changes alternate: of
	// the incident, which the list shows, and of its alert, which only a poll shows.
	halfWorkingIncidents = 10
	halfWorkingCycle     = 15 * time.Minute
	halfWorkingChange    = 2 * time.Hour
)

// halfWorkingDay is what was observed on a day on which one endpoint of the API
// failed for a while. Times are relative to the start.
type halfWorkingDay struct {
	c               halfWorking
	ids             []int64
	began           time.Time
	length          time.Duration
	requests        []defendersim.Request
	tokens          *tokens
	warnings, lines int // log lines: warnings and errors; all but debug
	messages        []string
	statuses        []string
	errorAt         map[time.Duration]bool // the minutes in which the status was an error
	catchUp         time.Duration          // from the end of the fault to the last record of a change that the fault had hidden
	problems        []string
}

// runHalfWorking runs a day, in a synctest bubble.
func runHalfWorking(t *testing.T, c halfWorking, length time.Duration) *halfWorkingDay {
	t.Helper()
	h := harness.New(t, harness.OneAlert(halfWorkingIncidents),
		harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.Interval = 2 * time.Minute }),
		func(cfg *receiver.Config) { cfg.CollectionInterval = halfWorkingCycle })
	tokens := &tokens{}
	h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if err := tokens.next(r); err != nil {
			return nil, err
		}
		return notFoundInstead(next, r)
	})
	k := &keeper{next: h.Sink, seen: map[element][]delivery{}}
	d := &halfWorkingDay{c: c, ids: h.Sim.IDs(), length: length, tokens: tokens, errorAt: map[time.Duration]bool{}}
	before := c.faultAt(0)
	d.set(h, before)
	h.StartWith(k)
	harness.Sleep(20 * time.Second) // so that nothing changes at the moment of a poll
	d.began = time.Now()
	for at := time.Duration(0); at < length; at += time.Minute {
		if fault := c.faultAt(at); fault != before {
			d.set(h, fault)
			before = fault
		}
		d.change(t, h, at)
		statuses := h.Host.Statuses()
		d.errorAt[at] = len(statuses) > 0 && statuses[len(statuses)-1] != "StatusOK"
		harness.Sleep(time.Minute)
	}
	h.Stop()
	d.collect(h, k)
	return d
}

// set makes requests fail from now on; empty: they work.
func (d *halfWorkingDay) set(h *harness.Harness, fault string) {
	h.Sim.ClearFaults()
	if d.c.part == signInFails {
		d.tokens.fail(fault, d.c.scope)
		return
	}
	if fault == "" {
		return
	}
	for _, id := range d.c.targets(d.ids) {
		h.Fail(id, strings.Replace(fault, notFoundFault, "404-html", 1))
	}
}

// change changes the next incident in turn. The last hour has no changes, so that
// all can be emitted.
func (d *halfWorkingDay) change(t *testing.T, h *harness.Harness, at time.Duration) {
	t.Helper()
	const each = halfWorkingChange / halfWorkingIncidents
	if at%each != each/2 || at >= d.length-time.Hour {
		return
	}
	turn := int(at / each)
	id := d.ids[turn%halfWorkingIncidents]
	if (turn+turn/halfWorkingIncidents)%2 == 0 {
		h.Assign(id)
		return
	}
	incident, err := h.Sim.Incident(id)
	require.NoError(t, err)
	require.NoError(t, h.Sim.UpdateAlert(id, incident.Alerts[0].ID, func(a *defendersim.Alert) { a.InvestigationState += "+" }))
}

// notFoundInstead returns a 404 in the API's form instead of the simulated API's
// 404 with an HTML page, since the simulator has no such fault.
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

// keeper records when each record is delivered.
type keeper struct {
	next consumer.Logs

	mu   sync.Mutex
	seen map[element][]delivery
}

func (k *keeper) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (k *keeper) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	k.mu.Lock()
	for _, r := range proof.Records(logs) {
		e := element{r.Incident, r.Alert}
		k.seen[e] = append(k.seen[e], delivery{at: time.Now(), version: r.Time})
	}
	k.mu.Unlock()
	return k.next.ConsumeLogs(ctx, logs)
}

// collect evaluates the day.
func (d *halfWorkingDay) collect(h *harness.Harness, k *keeper) {
	for _, entry := range h.Logs.All() {
		if entry.Level < zapcore.InfoLevel {
			continue
		}
		d.lines++
		if entry.Level >= zapcore.WarnLevel {
			d.warnings++
		}
		d.messages = append(d.messages, fmt.Sprintf("%v %s %v", entry.Time.Sub(d.began).Round(time.Second), entry.Message, entry.ContextMap()["incident"]))
	}
	d.statuses, d.requests = h.Host.Statuses(), h.Sim.Journal()
	records := h.Sink.Records()
	d.problems = slices.Concat(proof.Behind(h.Sim, d.ids, records, time.Hour/2), repeated(d.ids, records), d.late(h.Sim, k))
	for endpoint, limit := range map[string]receiver.RateLimitConfig{
		defendersim.EndpointIncident: h.Config.RateLimit, defendersim.EndpointList: h.Config.ChangeFeed.Get().RateLimit,
	} {
		for window, most := range map[time.Duration]int{time.Minute: limit.RequestsPerMinute, time.Hour: limit.RequestsPerHour} {
			if n := h.Sim.MaxInWindowOf(endpoint, window); n > most {
				d.problems = append(d.problems, fmt.Sprintf("%s: %d requests within %v", endpoint, n, window))
			}
		}
	}
}

// repeated lists what was emitted twice. An incident that was emitted as not found
// may be emitted again once it is found.
func repeated(ids []int64, records []proof.Record) (problems []string) {
	for _, id := range ids {
		var since []proof.Record
		for _, r := range records {
			if r.Incident == id && r.Change == "not_found" {
				problems, since = append(problems, proof.Twice(since)...), nil
			} else if r.Incident == id {
				since = append(since, r)
			}
		}
		problems = append(problems, proof.Twice(since)...)
	}
	if n := proof.Repeats(records); n > 0 {
		problems = append(problems, fmt.Sprintf("%d records have the log.record.uid of another", n))
	}
	return problems
}

// late lists the changes that were not emitted in time. A change may have no record
// of its own only if the next change replaced it before that time.
func (d *halfWorkingDay) late(sim *defendersim.Sim, k *keeper) (problems []string) {
	for _, id := range d.ids {
		states, _ := sim.History(id)
		for i, state := range states {
			e, version, listed := element{incident: id}, state.LastUpdate, true
			if i > 0 && state.LastUpdate.Equal(states[i-1].LastUpdate) {
				alert := changedAlert(states[i-1], state)
				e, version, listed = element{id, alert.ID}, alert.LastUpdated, false
			}
			changed := max(0, state.From.Sub(d.began))
			visible, patience := d.c.visible(id, changed, listed && i > 0, d.ids)
			emitted, ok := emittedAt(k.seen[e], version)
			if after := emitted.Sub(d.began) - visible; ok && visible > changed {
				d.catchUp = max(d.catchUp, after)
			}
			replaced := !state.Until.IsZero() && state.Until.Sub(d.began) <= visible+patience
			if late := !ok || emitted.Sub(d.began) > visible+patience; late && !replaced {
				problems = append(problems, fmt.Sprintf("incident %d, change at %v: not emitted by %v", id, changed, visible+patience))
			}
		}
	}
	return problems
}

// emittedAt returns when a version was first emitted.
func emittedAt(all []delivery, version time.Time) (time.Time, bool) {
	i := slices.IndexFunc(all, func(d delivery) bool { return d.version.Equal(version) })
	if i < 0 {
		return time.Time{}, false
	}
	return all[i].at, true
}

// count counts the requests between two times for some incidents, or for the list
// if incidents is nil.
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

func TestIncidentsThatFailBeforeAnOutageIsKnownAreDueWhenItEnds(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(halfWorkingIncidents), func(cfg *receiver.Config) {
			cfg.CollectionInterval, cfg.MaxConcurrentRequests = 6*time.Hour, 1
		})
		h.Fail(defendersim.AllIncidents, "400") // each of the first ones backs off for hours
		h.Start()
		harness.Sleep(4 * time.Minute)
		h.Sim.ClearFaults()
		harness.Sleep(10 * time.Minute)
		require.Len(t, h.Sink.Changes(), 2*halfWorkingIncidents)
	})
}

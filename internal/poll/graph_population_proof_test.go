// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// The ways besides Gets in which a receiver sees incidents under Graph.
const (
	byBothLists   = "both lists"
	byOneList     = "list of incidents"    // the tenant has not granted SecurityAlert.Read.All
	byFirstPasses = "first pass and lists" // which a kill interrupts
)

// graphWorld is a combination under Graph in which things go wrong at random.
type graphWorld struct {
	combination
	lists string
	dice  *rand.Rand
}

func graphWorlds() (all []graphWorld) {
	for _, c := range everyCombination() {
		if c.api != receiver.APIGraph || c.shown != byFeed {
			continue
		}
		for _, lists := range []string{byBothLists, byOneList, byFirstPasses} {
			all = append(all, graphWorld{c, lists, rand.New(rand.NewPCG(*seed, uint64(len(all))))})
		}
	}
	return all
}

func (w graphWorld) String() string {
	return fmt.Sprintf("alerts %s, emit %s, %s", w.alerts, w.emit, w.lists)
}

func (w graphWorld) either() bool { return w.dice.IntN(2) == 0 }

func (w graphWorld) upTo(d time.Duration) time.Duration {
	return time.Duration(w.dice.Int64N(int64(d)))
}

func (w graphWorld) population() defendersim.Config {
	p := w.combination.population(w.dice)
	if w.either() {
		p.ListDelay, p.ListLag = w.upTo(40*time.Second), w.upTo(15*time.Second)
	}
	p.QuietAlertMoves, p.SilentAlertMoves = false, false
	switch w.dice.IntN(3) {
	case 0:
		p.QuietAlertMoves = true
	case 1:
		p.SilentAlertMoves = true
	}
	p.Weights[defendersim.ChangeMerge] = 3
	p.GraphNoCount, p.GraphOrderByAlone, p.GraphNoUpperBounds, p.GraphSkipToken = w.either(), w.either(), w.either(), w.either()
	if w.either() {
		p.ClockSkew = w.upTo(4*time.Minute) - 2*time.Minute
	}
	p.NoAlertRole = w.lists == byOneList
	if w.lists == byFirstPasses {
		p.Incidents = 135 // more than a page of them, and more than firstPassFrom are configured
	}
	return p
}

// configured returns the IDs to configure. One incident in eight is left out, and
// alerts move between these and the others.
func (w graphWorld) configured(all []int64) (ids []int64) {
	for i, id := range all {
		if i%8 != 5 {
			ids = append(ids, id)
		}
	}
	return ids
}

// otherCase makes the lists write the determination of incidents and alerts in
// another case than Gets do.
func otherCase(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil || r.URL.Path != "/v1.0/security/incidents" && r.URL.Path != "/v1.0/security/alerts_v2" {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	body = regexp.MustCompile(`"determination":"[a-z]`).ReplaceAllFunc(body, bytes.ToUpper)
	body = bytes.ReplaceAll(body, []byte(`"DETERMINATION":`), []byte(`"determination":`))
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return response, nil
}

// changeMany changes each incident that is not merged, and an alert of each.
func changeMany(t *testing.T, h *harness.Harness) {
	t.Helper()
	for _, id := range h.Sim.IDs() {
		now, err := h.Sim.Incident(id)
		require.NoError(t, err)
		if now.RedirectID != 0 {
			continue
		}
		h.Assign(id)
		if len(now.Alerts) > 0 {
			require.NoError(t, h.Sim.UpdateAlert(id, now.Alerts[0].ID, func(a *defendersim.Alert) { a.InvestigationState += "+" }))
		}
	}
}

// limitBetweenPages now and then returns 429 for the second page of a list.
func limitBetweenPages(t *testing.T, h *harness.Harness) {
	t.Helper()
	for _, list := range []int64{defendersim.ListRequests, defendersim.AlertListRequests} {
		rule := harness.Rule(t, "429-retry-after=90s")
		rule.OnSkip, rule.Every = true, 4*time.Minute
		require.NoError(t, h.Sim.SetFault(list, rule))
	}
}

// run kills a receiver twice and shuts it down once before its last start. Now and
// then everything changes at once, lists return 429 between two pages, and the
// pipeline refuses records. run returns what is wrong with the records.
func (w graphWorld) run(t *testing.T) []string {
	t.Helper()
	population := w.population()
	h := harness.NewUnder(t, w.api, population, w.configure, harness.WithLimits(150, 0))
	if w.either() {
		h.Config.CollectionInterval = time.Hour // so that the lists show everything else first
	}
	h.Config.IncidentIDs = w.configured(h.Sim.IDs())
	tracked := h.Config.IncidentIDs
	var send harness.Middleware
	if w.either() {
		population.ListDiffers, send = true, otherCase
	} else {
		population.ListDiffers = false
	}
	refuses := rand.New(rand.NewPCG(w.dice.Uint64(), 0))
	h.Sink.Refuse = func(context.Context) error {
		if refuses.IntN(15) == 0 {
			return errUnavailable
		}
		return nil
	}
	limitBetweenPages(t, h)

	began := time.Now()
	least, within := 3*time.Minute, 7*time.Minute
	if w.lists == byFirstPasses {
		least, within = 2*time.Second, 15*time.Minute // each incident may need requests by ID, which are slow
	}
	if population.ListDelay+population.ListLag > 55*time.Second {
		within += 35 * time.Minute // only a re-read finds rows that appear later than feeds look back
	}
	if w.lists == byOneList || population.SilentAlertMoves {
		within += h.Config.CollectionInterval // only a Get shows some changes
	}
	var kills []time.Time
	for range 2 {
		kills = append(kills, runAndKill(h, send, least+w.upTo(3*time.Minute), w.either()))
		harness.Sleep(w.upTo(2 * time.Minute))
		changeMany(t, h)
		harness.Sleep(w.upTo(time.Minute))
	}
	h.Auth.Use(send)
	h.Start()
	harness.Sleep(w.upTo(4 * time.Minute))
	changeMany(t, h)
	harness.Sleep(w.upTo(time.Minute))
	h.Stop()
	h.Start()
	harness.Sleep(h.Config.CollectionInterval + within)
	h.Stop()
	h.Auth.Use(nil)

	w.requireShown(t, h)
	run := h.Run()
	run.Kills, run.Renderings = kills, population.ListDiffers
	run.Unlisted = h.Config.CollectionInterval
	run.ByTime = population.QuietAlertMoves || population.SilentAlertMoves
	problems := slices.Concat(run.Problems(), run.Late(tracked, began, within), tooManyOfAll(h))
	if w.emit == receiver.EmitSnapshots {
		problems = append(problems, run.Silent(tracked, began, 2*h.Config.CollectionInterval+within)...)
	}
	return problems
}

// tooManyOfAll lists Graph's limits that were exceeded.
func tooManyOfAll(h *harness.Harness) (problems []string) {
	if n := h.Sim.MaxInWindowOfAPI(defendersim.APIGraph, time.Minute); n > h.Config.RateLimit.RequestsPerMinute {
		problems = append(problems, fmt.Sprintf("%d requests within a minute", n))
	}
	for _, r := range h.Sim.Journal() {
		if r.Status == http.StatusTooManyRequests && r.Fault == "" {
			problems = append(problems, "rate limited: "+r.Path)
		}
	}
	return problems
}

// requireShown requires that the lists were read. Otherwise the run proves little.
func (w graphWorld) requireShown(t *testing.T, h *harness.Harness) {
	t.Helper()
	incidents, alerts, passed, limited, forbidden := 0, 0, 0, 0, 0
	for _, r := range h.Sim.Journal() {
		incidents += len(r.Rows)
		alerts += len(r.AlertRows)
		if strings.Contains(r.Query, "createdDateTime") && len(r.Rows)+len(r.AlertRows) > 0 {
			passed++
		}
		if r.Fault != "" {
			limited++
		}
		if r.Endpoint == defendersim.EndpointAlertList && r.Status == http.StatusForbidden {
			forbidden++
		}
	}
	t.Logf("%d rows of incidents, %d of alerts, %d pages by creation, %d limited, %d forbidden", incidents, alerts, passed, limited, forbidden)
	require.Greater(t, incidents, 200)
	switch {
	case w.alerts == receiver.AlertsNone:
		require.Zero(t, alerts)
	case w.lists == byOneList:
		require.Positive(t, forbidden)
		require.Zero(t, alerts)
	default:
		require.Greater(t, alerts, 200)
	}
}

func TestPopulationIsDeliveredUnderGraphWhateverGoesWrong(t *testing.T) {
	for _, w := range graphWorlds() {
		t.Run(w.String(), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				problems := w.run(t)
				require.Empty(t, problems, strings.Join(problems, "\n"))
			})
		})
	}
}

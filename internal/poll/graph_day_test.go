// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// graphDay says how a population was tracked under Graph.
type graphDay struct {
	incidents, alerts int           // at the start
	cold              time.Duration // until each of them was delivered
	day                             // of all incidents
	changes           int
	lists, gets       int // requests while the day lasted
	because           int // of the requests by ID: those within the interval after a change of the incident
	twice, older      int
	refused           int // requests beyond a limit
}

// TestADayUnderGraph prints the figures of docs/sizing.md for 10,000 incidents under Microsoft Graph.
func TestADayUnderGraph(t *testing.T) {
	if !*simulate {
		return
	}
	t.Parallel()
	for name, c := range map[string]struct {
		alerts receiver.AlertsMode
		late   time.Duration
		hours  int
		// The most that each may be.
		cold, mean, p95 time.Duration
		pages, requests float64
	}{
		"split":                  {receiver.AlertsSplit, 20 * time.Second, 3, 4 * time.Minute, 30 * time.Second, 48 * time.Second, .2, 1.1},
		"split, rows never late": {receiver.AlertsSplit, 0, 1, 4 * time.Minute, 20 * time.Second, 35 * time.Second, .2, 1.1}, // of some 350 changes of alerts, the mean varies by a second and more
		"none":                   {receiver.AlertsNone, 20 * time.Second, 1, 4 * time.Minute, 30 * time.Second, 48 * time.Second, .2, .2},
		"embedded":               {receiver.AlertsEmbedded, 20 * time.Second, 1, 95 * time.Minute, time.Minute, 3 * time.Minute, .25, 1.5}, // each change costs a request
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			population := workingDay(t, 10_000)
			population.ListDelay = c.late
			d := runGraphDay(t, population, c.alerts, time.Duration(c.hours)*time.Hour)
			t.Logf("cold start of %d incidents with %d alerts: %v", d.incidents, d.alerts, d.cold)
			t.Logf("changes that move the incident: %s", d.listed.row())
			t.Logf("changes of alerts alone: %s", d.unlisted.row())
			perChange := func(requests int) float64 { return float64(requests) / float64(d.changes) }
			t.Logf("for %d changes %d pages (%.2f a change), %d requests by ID because of a change, %d others by ID",
				d.changes, d.lists, perChange(d.lists), d.because, d.gets-d.because)
			t.Logf("%d beyond a limit; %d changes of what was gone before it was seen, %d lost, %d twice, %d older after newer",
				d.refused, d.gone, d.lost, d.twice, d.older)
			require.Less(t, d.cold, c.cold)
			for _, delays := range []delays{d.listed, d.unlisted} {
				if len(delays) > 0 {
					require.Less(t, mean(delays), c.mean)
					require.Less(t, delays[len(delays)*95/100], c.p95)
				}
			}
			require.Less(t, perChange(d.lists), c.pages)
			require.Less(t, perChange(d.lists+d.because), c.requests)
			require.Zero(t, d.lost)
			require.Zero(t, d.twice)
			require.Zero(t, d.older)
			require.Zero(t, d.refused)
		})
	}
}

// elementsAtStart returns the incidents, and their alerts if these are emitted.
func elementsAtStart(sim *defendersim.Sim, ids []int64, alerts receiver.AlertsMode) (all []element) {
	for _, id := range ids {
		all = append(all, element{incident: id})
		states, _ := sim.History(id)
		for _, a := range states[0].Alerts {
			if alerts == receiver.AlertsSplit {
				all = append(all, element{id, a.ID})
			}
		}
	}
	return all
}

// missed returns the elements that the API still shows and that were not delivered yet.
func (r *recorder) missed(sim *defendersim.Sim, elements []element) []element {
	r.mu.Lock()
	defer r.mu.Unlock()
	elements = slices.DeleteFunc(elements, func(e element) bool { return r.deliveries[e] != nil })
	if len(elements) > 100 {
		return elements
	}
	return slices.DeleteFunc(elements, func(e element) bool {
		states, _ := sim.History(e.incident)
		return isGone(states[len(states)-1], e)
	})
}

// soonAfterChanges counts the requests that are the first for their incident within ten minutes after one of its changes.
func soonAfterChanges(sim *defendersim.Sim, id int64, gets []time.Time, from, until time.Time) (n int) {
	states, _ := sim.History(id)
	for i, at := range gets {
		if at.Before(from) || !at.Before(until) {
			continue
		}
		if slices.ContainsFunc(states[1:], func(s defendersim.State) bool {
			return s.From.Before(at) && at.Sub(s.From) <= 10*time.Minute && (i == 0 || gets[i-1].Before(s.From))
		}) {
			n++
		}
	}
	return n
}

// runGraphDay tracks the incidents of a population that were not merged at its start. It measures from an hour after the last of them and of
// their alerts was delivered.
func runGraphDay(t *testing.T, population defendersim.Config, alerts receiver.AlertsMode, lasting time.Duration) (d graphDay) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		population.PerMinute, population.PerHour = 150, 0
		h := harness.NewUnder(t, receiver.APIGraph, population, harness.WithFeed(), harness.WithLimits(150, 0))
		h.Config.Alerts = alerts
		h.Config.IncidentIDs = unmerged(h.Sim)
		r := &recorder{deliveries: map[element][]delivery{}}
		began := time.Now()
		h.StartWith(r)
		elements := elementsAtStart(h.Sim, h.Config.IncidentIDs, alerts)
		for elements = r.missed(h.Sim, elements); len(elements) > 0; elements = r.missed(h.Sim, elements) {
			require.Less(t, time.Since(began), 24*time.Hour)
			time.Sleep(time.Second)
		}
		d.cold = time.Since(began)
		time.Sleep(20 * time.Minute)
		fault := harness.Rule(t, "429-retry-after=90s")
		fault.Every = time.Hour
		require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, fault))
		time.Sleep(40 * time.Minute)
		from := time.Now()
		time.Sleep(lasting)
		until := time.Now()
		time.Sleep(time.Hour) // so that the last changes are delivered, too
		h.Stop()

		d.withoutAlerts = alerts != receiver.AlertsSplit
		gets := map[int64][]time.Time{}
		for _, request := range h.Sim.Journal() {
			if request.Endpoint == defendersim.EndpointIncident {
				gets[request.ID] = append(gets[request.ID], request.Time)
			}
		}
		for _, id := range h.Config.IncidentIDs {
			d.add(h.Sim, r, id, from, until)
			d.because += soonAfterChanges(h.Sim, id, gets[id], from, until)
			states, _ := h.Sim.History(id)
			d.alerts += len(states[0].Alerts)
		}
		d.incidents = len(h.Config.IncidentIDs)
		d.changes = len(d.listed) + len(d.unlisted)
		slices.Sort(d.listed)
		slices.Sort(d.unlisted)
		d.twice, d.older = r.again()
		if alerts == receiver.AlertsEmbedded {
			d.twice = 0 // an alert that changes does not change the incident's time
		}
		for _, request := range h.Sim.Journal() {
			during := !request.Time.Before(from) && request.Time.Before(until)
			switch {
			case request.Status == http.StatusTooManyRequests && request.Fault == "":
				d.refused++
			case !during:
			case request.Endpoint == defendersim.EndpointIncident:
				d.gets++
			default:
				d.lists++
			}
		}
	})
	return d
}

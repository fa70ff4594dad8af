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

// graphDay is how a population was followed under Graph.
type graphDay struct {
	cold         time.Duration // until each incident and each of its alerts was delivered
	day                        // of all incidents
	changes      int
	lists, gets  int // requests while the day lasted
	twice, older int
	refused      int // requests beyond a limit
}

// TestADayUnderGraph prints the figures of docs/sizing.md for 10,000 incidents under Microsoft Graph.
func TestADayUnderGraph(t *testing.T) {
	if !*simulate {
		return
	}
	t.Parallel()
	for name, c := range map[string]struct {
		alerts receiver.AlertsMode
		lag    time.Duration
		hours  int
		n      int
	}{
		"split, rows up to 20 s late": {receiver.AlertsSplit, 20 * time.Second, 1, 1_500},
		"split, rows never late":      {receiver.AlertsSplit, 0, 1, 1_500},
		"none, rows up to 20 s late":  {receiver.AlertsNone, 20 * time.Second, 1, 1_500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			population := workingDay(t, c.n)
			population.ListDelay = c.lag
			d := runGraphDay(t, population, c.alerts, time.Duration(c.hours)*time.Hour)
			t.Logf("cold start %v", d.cold)
			t.Logf("changes that move the incident: %s", d.listed.row())
			t.Logf("changes of alerts alone: %s", d.unlisted.row())
			t.Logf("%d requests by ID, %d pages for %d changes: %.2f pages a change, %.2f requests in all", d.gets, d.lists, d.changes,
				float64(d.lists)/float64(d.changes), float64(d.lists+d.gets)/float64(d.changes))
			t.Logf("%d beyond a limit; %d changes of what was gone before it was seen, %d lost, %d twice, %d older after newer",
				d.refused, d.gone, d.lost, d.twice, d.older)
		})
	}
}

// elementsAtStart are the incidents, and their alerts if these are emitted.
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

// missesAny says whether one of the elements was not delivered yet.
func (r *recorder) missesAny(elements []element) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.deliveries) < len(elements) || slices.ContainsFunc(elements, func(e element) bool { return r.deliveries[e] == nil })
}

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
		for r.missesAny(elements) {
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
		time.Sleep(6 * time.Hour)
		h.Stop()

		for _, id := range h.Config.IncidentIDs {
			d.add(h.Sim, r, id, from, until)
		}
		d.changes = len(d.listed) + len(d.unlisted)
		slices.Sort(d.listed)
		slices.Sort(d.unlisted)
		d.twice, d.older = r.again()
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

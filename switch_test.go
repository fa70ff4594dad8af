package defenderincidentsreceiver

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// switchTo has the next start ask another API.
func (w *world) switchTo(api API) {
	w.cfg.API, w.cfg.HTTP.Endpoint = api, defaultEndpoint(api)
	w.auth().api = api
}

// bothWays runs a test from each API to the other.
func bothWays(t *testing.T, test func(t *testing.T, from, to API)) {
	t.Helper()
	underEachAPI(t, func(t *testing.T, from API) {
		to := APIGraph
		if from == APIGraph {
			to = APIDefenderXDR
		}
		test(t, from, to)
	})
}

func TestASwitchOfTheAPITellsNothingThatBothShowAlike(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"alerts split":      func(*Config) {},
		"alerts embedded":   func(cfg *Config) { cfg.Alerts = AlertsEmbedded },
		"alerts left out":   func(cfg *Config) { cfg.Alerts = AlertsNone },
		"with the feed":     feeding(),
		"alerts, some gone": func(cfg *Config) { cfg.IgnoreChanges = []string{"comments"} },
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, from, to API) {
				population := quiet(10)
				population.MergedShare, population.GraphCoarseTimes = 0.2, true
				w := newWorldUnder(t, from, population, change)
				w.cfg.IncidentIDs = append(w.cfg.IncidentIDs, 9999) // there is no such
				w.haveRun()
				for _, api := range []API{to, from, to} {
					w.switchTo(api)
					time.Sleep(time.Hour)
					before := w.requests(0)
					w.start()
					time.Sleep(20 * time.Minute)
					w.stop()
					require.Empty(t, w.sink.changes())
					require.Greater(t, w.requests(0), before+10)
				}
				require.Len(t, w.logs.FilterMessage("api has changed: incidents that it shows as they were told are taken over without a record").All(), 3)
			})
		})
	}
}

func TestWhatChangedDuringASwitchIsToldOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, from, to API) {
		population := oneAlert(8)
		population.AlertsPerIncident, population.GraphCoarseTimes = 2, true
		w := newWorldUnder(t, from, population)
		w.haveRun()

		alerts := func(id int64) []defendersim.Alert {
			i, err := w.sim.Incident(id)
			require.NoError(t, err)
			return i.Alerts
		}
		set := func(id int64, change func(*defendersim.Incident)) { require.NoError(t, w.sim.Update(id, change)) }
		set(1001, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
		set(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved })
		require.NoError(t, w.sim.UpdateAlert(1003, alerts(1003)[0].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusInProgress }))
		_, err := w.sim.AddAlert(1004)
		require.NoError(t, err)
		require.NoError(t, w.sim.RemoveAlert(1005, alerts(1005)[1].ID))
		require.NoError(t, w.sim.Merge(1006, 1007))
		require.NoError(t, w.sim.Remove(1008))
		moved := len(alerts(1007)) - 2

		w.switchTo(to)
		time.Sleep(time.Hour)
		w.start()
		time.Sleep(20 * time.Minute)
		told := w.sink.changes()
		want := []string{
			"1001 updated", "1002 resolved", "1003 alert updated", "1004 updated", "1004 alert first_seen", "1005 updated", "1005 alert removed",
			"1006 merged", "1007 updated", "1008 not_found",
		}
		want = append(want, slices.Repeat([]string{"1007 alert first_seen"}, moved)...)
		require.ElementsMatch(t, want, told)

		set(1001, func(i *defendersim.Incident) { i.AssignedTo = "" })
		time.Sleep(10 * time.Minute)
		require.Equal(t, updated(1001), w.sink.changes())
	})
}

func TestASwitchThatIsKilledHalfwayTellsNothingTwice(t *testing.T) {
	bothWays(t, func(t *testing.T, from, to API) {
		w := newWorldUnder(t, from, oneAlert(60), func(cfg *Config) { cfg.RateLimit = RateLimitConfig{RequestsPerMinute: 10} })
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		w.start()
		time.Sleep(30 * time.Minute)
		w.stop()
		w.sink.Reset()
		for range 3 {
			w.switchTo(to)
			w.start()
			time.Sleep(3 * time.Minute) // a part of a round
			synctest.Wait()
			kept.kill()
			w.stop()
		}
		w.start()
		time.Sleep(time.Hour)
		require.Empty(t, w.sink.changes())
	})
}

// Each API has quotas of its own: a wait under one neither holds up the other
// nor is it forgotten.
func TestAWaitUnderOneAPIIsNotThatOfTheOther(t *testing.T) {
	bothWays(t, func(t *testing.T, from, to API) {
		w := newWorldUnder(t, from, oneAlert(3))
		require.NoError(t, w.sim.SetFault(0, rule(t, "429-retry-after=45m")))
		w.start()
		time.Sleep(time.Minute)
		w.stop()
		w.sim.ClearFaults()
		before := w.requests(0)

		w.switchTo(to)
		w.start()
		time.Sleep(time.Minute)
		w.stop()
		require.Equal(t, before+3, w.requests(0))

		w.switchTo(from)
		w.start()
		time.Sleep(40 * time.Minute)
		require.Equal(t, before+3, w.requests(0))
		time.Sleep(10 * time.Minute)
		require.Greater(t, w.requests(0), before+3)
	})
}

func TestALivelyPopulationIsToldOnceHoweverOftenTheAPIChanges(t *testing.T) {
	for name, change := range map[string]func(*Config){"by the round": func(*Config) {}, "with the feed": feeding()} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, from, to API) {
				population := oneAlert(30)
				population.ChangesPerHour, population.MergedShare = 600, 0.1
				w := newWorldUnder(t, from, population, change)
				for i := range 3 {
					w.switchTo([]API{from, to}[i%2])
					w.start()
					time.Sleep(20*time.Minute + 7*time.Second)
					w.stop()
				}
				records := w.sink.records()
				require.Greater(t, len(records), 300)
				require.Empty(t, proof.Twice(records))
				require.Empty(t, proof.Behind(w.sim, w.sim.IDs(), records, 10*time.Minute))
				if w.cfg.ChangeFeed.Get() == nil {
					w.requireProof()
				}
			})
		})
	}
}

package defenderincidentsreceiver

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// oneAlert makes populations whose incidents have one alert each.
func oneAlert(n int) defendersim.Config {
	cfg := quiet(n)
	cfg.AlertsPerIncident = 1
	return cfg
}

func TestEachIncidentIsEmittedOnceAndThenOnlyItsChanges(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2))
		w.start()
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"1001 first_seen", "1001 alert first_seen", "1002 first_seen", "1002 alert first_seen"}, w.sink.changes())

		time.Sleep(time.Hour)
		require.Empty(t, w.sink.changes(), "nothing changed")
		require.Equal(t, 2*13, w.requests(0), "every five minutes")

		require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		time.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1002 resolved"}, w.sink.changes())

		require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusActive }))
		time.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1002 reopened"}, w.sink.changes())
		require.Empty(t, w.complaints())
	})
}

func TestAnAlertThatChangesAloneIsEmittedAlone(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		w.start()
		time.Sleep(time.Minute)
		w.sink.Reset()

		before, err := w.sim.Incident(1001)
		require.NoError(t, err)
		require.NoError(t, w.sim.UpdateAlert(1001, before.Alerts[0].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusResolved }))
		after, err := w.sim.Incident(1001)
		require.NoError(t, err)
		require.Equal(t, before.LastUpdate, after.LastUpdate, "the incident's time stands still")

		time.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1001 alert updated"}, w.sink.changes())
	})
}

func TestAMergedIncidentLeadsToItsSuccessor(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), func(cfg *Config) { cfg.IncidentIDs = []int64{1001} })
		w.start()
		time.Sleep(time.Minute)
		w.sink.Reset()

		require.NoError(t, w.sim.Merge(1001, 1002))
		time.Sleep(6 * time.Minute)
		require.Equal(t, []string{"1001 merged", "1002 first_seen", "1002 alert first_seen", "1002 alert first_seen"}, w.sink.changes())
		asked := w.requests(1001)

		require.NoError(t, w.sim.Merge(1002, 1003))
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1002 merged", "1003 first_seen"}, w.sink.changes()[:2])
		require.Equal(t, asked, w.requests(1001), "what was merged away is not fetched any more")

		w.stop()
		w.start()
		require.NoError(t, w.sim.Update(1003, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
		time.Sleep(6 * time.Minute)
		require.Equal(t, []string{"1003 updated"}, w.sink.changes(), "a restart goes on with the last of the chain")
		require.Equal(t, asked, w.requests(1001))
	})
}

func TestAnUnknownIncidentIsSaidOnceAndLookedForSeldom(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1), func(cfg *Config) { cfg.IncidentIDs = []int64{9999} })
		w.start()
		time.Sleep(6 * time.Hour)
		require.Equal(t, []string{"9999 not_found"}, w.sink.changes())
		require.Len(t, w.complaints(), 1)
		require.Less(t, w.requests(9999), 20)

		w.stop()
		w.start()
		time.Sleep(2 * time.Hour)
		require.Empty(t, w.sink.changes(), "nor is it said again after a restart")
	})
}

func TestAnIncidentThatComesBackIsSeenForTheFirstTime(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		w.start()
		time.Sleep(time.Minute)
		require.NoError(t, w.sim.Remove(1001))
		time.Sleep(5 * time.Minute)
		require.NoError(t, w.sim.Restore(1001))
		time.Sleep(2 * time.Hour)
		require.Equal(t, []string{
			"1001 first_seen", "1001 alert first_seen", "1001 not_found", "1001 first_seen", "1001 alert first_seen",
		}, w.sink.changes())
	})
}

func TestALivelyPopulationIsToldWithoutALossOrARepeat(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		population := defendersim.DefaultConfig()
		population.Incidents, population.ChangesPerHour, population.NoCompression = 40, 240, true
		w := newWorldUnder(t, api, population, func(cfg *Config) {
			cfg.IncidentIDs = append(cfg.IncidentIDs, 9999)
		})
		began := time.Now()
		w.start()
		time.Sleep(2*time.Hour + time.Second) // not at a moment of polling
		w.stop()
		require.Greater(t, len(w.sink.records()), 400)
		w.requireProof()
		require.Empty(t, proof.Unseen(w.sim, w.sim.IDs(), began, 10*time.Minute))
	})
}

func TestRandomFaultsLoseAndRepeatNothing(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		population := defendersim.DefaultConfig()
		population.Incidents, population.ChangesPerHour, population.NoCompression = 40, 240, true
		w := newWorldUnder(t, api, population, func(cfg *Config) { cfg.MaxResponseBodySize = 1 << 20 })
		kinds := slices.DeleteFunc(defendersim.FaultKinds(), func(k defendersim.FaultKind) bool {
			return k.Name == "big-number" // a sound answer, though not the incident's own
		})
		for i, id := range w.sim.IDs() {
			fault := rule(t, kinds[i%len(kinds)].Name)
			fault.Probability = 0.3
			require.NoError(t, w.sim.SetFault(id, fault))
		}
		w.start()
		time.Sleep(3*time.Hour + time.Second) // not at a moment of polling
		w.stop()
		struck := map[string]bool{}
		for _, r := range w.sim.Journal() {
			struck[r.Fault] = true
		}
		require.Greater(t, len(struck), len(kinds)*3/4, "else this shows little")
		require.Greater(t, len(w.sink.records()), 200)
		w.requireProof()
	})
}

func TestEveryFaultEndsAndHoldsUpNobody(t *testing.T) {
	for _, kind := range defendersim.FaultKinds() {
		t.Run(kind.Name, func(t *testing.T) {
			fault, err := defendersim.ParseFault(kind.Name)
			require.NoError(t, err)
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(3), func(cfg *Config) { cfg.MaxResponseBodySize = 1 << 20 })
				require.NoError(t, w.sim.SetFault(1001, defendersim.Rule{Fault: fault}))
				w.start()
				time.Sleep(30 * time.Minute)
				require.NoError(t, w.sim.Update(1003, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" }))
				time.Sleep(15 * time.Minute)
				changes := w.sink.changes()
				require.Contains(t, changes, "1002 first_seen")
				require.Contains(t, changes, "1003 updated")
				require.LessOrEqual(t, len(w.complaints()), 1, "the same trouble is said once: %v", w.complaints())

				w.sim.ClearFaults()
				time.Sleep(70 * time.Minute)
				if !slices.Contains(changes, "1001 first_seen") {
					require.Contains(t, w.sink.changes(), "1001 first_seen", "it recovers by itself")
				}
				require.NotContains(t, w.sim.Journal()[0].Path, "?")
			})
		})
	}
}

func TestWithoutATokenEverythingWaitsAndNothingIsCounted(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3))
		signIn := w.auth()
		signIn.fail(errors.New(`oauth2: "invalid_client" "AADSTS7000215: Invalid client secret hunter2"`))
		w.start()
		time.Sleep(time.Hour)
		require.Zero(t, w.requests(0))
		require.Len(t, w.complaints(), 1)
		for _, entry := range w.logs.All() {
			for _, field := range entry.Context {
				require.NotContains(t, field.String, "hunter2")
			}
		}

		signIn.fail(nil)
		time.Sleep(6 * time.Minute)
		require.Len(t, w.sink.changes(), 6, "it recovers by itself")
	})
}

func TestWhatIsWrongWithAllIsNotSaidForEach(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		page, err := defendersim.ParseFault("html")
		require.NoError(t, err)
		w := newWorldUnder(t, api, oneAlert(2*mostNamed))
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, defendersim.Rule{Fault: page}))
		w.start()
		time.Sleep(time.Hour)
		require.Len(t, w.complaints(), mostNamed+1)
		require.Equal(t, "many incidents have this trouble: further ones are not named", w.complaints()[mostNamed])

		w.sim.ClearFaults()
		time.Sleep(time.Hour)
		require.Len(t, w.sink.changes(), 4*mostNamed)
		require.NoError(t, w.sim.SetFault(1001, defendersim.Rule{Fault: page}))
		time.Sleep(time.Hour)
		require.Len(t, w.complaints(), mostNamed+2, "after it has gone away it is said again")
	})
}

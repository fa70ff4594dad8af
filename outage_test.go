package defenderincidentsreceiver

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func rule(t *testing.T, fault string) defendersim.Rule {
	t.Helper()
	parsed, err := defendersim.ParseFault(fault)
	require.NoError(t, err)
	return defendersim.Rule{Fault: parsed}
}

func TestWhatIsEverybodysTroubleMakesAllWait(t *testing.T) {
	for fault, test := range map[string]struct {
		atOnce int    // requests before all wait
		said   string // then
	}{
		"401":   {atOnce: 2, said: "nothing can be fetched: " + whatATokenNeeds},
		"403":   {atOnce: 2, said: "nothing can be fetched: " + whatATokenNeeds},
		"500":   {atOnce: 5, said: "the API does not answer: everything waits"},
		"reset": {atOnce: 5, said: "the API does not answer: everything waits"},
	} {
		t.Run(fault, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(50), func(cfg *Config) { cfg.MaxConcurrentRequests = 1 })
				require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, rule(t, fault)))
				w.start()
				time.Sleep(2 * time.Second)
				require.Equal(t, test.atOnce, w.requests(0))
				require.Len(t, w.complaints(), test.atOnce, "one for each but the last, and one for all")
				require.Equal(t, test.said, w.complaints()[test.atOnce-1])

				time.Sleep(2 * time.Hour)
				require.Less(t, w.requests(0), 60, "all wait, longer each time")
				require.Len(t, w.complaints(), test.atOnce, "said once")

				w.sim.ClearFaults()
				time.Sleep(11 * time.Minute)
				require.Len(t, w.sink.changes(), 100, "it recovers by itself")
				require.True(t, slices.ContainsFunc(w.logs.All(), func(e observer.LoggedEntry) bool {
					return e.Message == "the API answers again" && e.ContextMap()["after"].(time.Duration) > 2*time.Hour
				}))
			})
		})
	}
}

func TestWhatTheAPIRejectsIsAskedForSeldomAndSaidAsAnError(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(10))
		require.NoError(t, w.sim.SetFault(1001, rule(t, "400")))
		w.start()
		time.Sleep(10 * time.Hour)
		require.Less(t, w.requests(1001), 30)
		require.Greater(t, w.requests(1001), 8)
		said := w.logs.FilterLevelExact(zap.ErrorLevel).All()
		require.Len(t, said, 1)
		require.Contains(t, said[0].ContextMap()["error"], "The request is invalid.")
	})
}

func TestAnotherTroubleOfAnIncidentIsSaidToo(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(10))
		require.NoError(t, w.sim.SetFault(1001, rule(t, "500")))
		w.start()
		time.Sleep(time.Hour)
		require.NoError(t, w.sim.SetFault(1001, rule(t, "nested")))
		time.Sleep(time.Hour)
		said := w.logs.FilterMessage("incident cannot be fetched: it is tried again from time to time").All()
		require.Len(t, said, 2)
		require.Contains(t, said[0].ContextMap()["error"], "server error")
		require.Contains(t, said[1].ContextMap()["error"], "malformed answer")
	})
}

func TestARefusalOfOneIncidentIsItsOwn(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(10))
		require.NoError(t, w.sim.SetFault(1001, rule(t, "403")))
		w.start()
		time.Sleep(time.Hour + time.Second)
		require.Equal(t, 9*13, w.requests(0)-w.requests(1001), "the others keep their pace")
		require.Less(t, w.requests(1001), 30)
		require.Equal(t, []string{whatATokenNeeds}, w.complaints())
	})
}

func TestTheOnlyIncidentThatIsRefusedTwiceWaitsForAll(t *testing.T) {
	var o outage
	now := time.Now()
	require.False(t, o.failed(1001, accessDenied, 1, now))
	require.True(t, o.failed(1001, accessDenied, 1, now))

	o = outage{}
	require.False(t, o.failed(1001, accessDenied, 2, now))
	require.False(t, o.failed(1001, accessDenied, 2, now), "with others it takes one of those")
	require.True(t, o.failed(1002, accessDenied, 2, now))
}

func TestAFailureOfAnotherKindBeginsARowOfItsOwn(t *testing.T) {
	var o outage
	now := time.Now()
	for id := range int64(4) {
		require.False(t, o.failed(id, serviceFailed, 10, now))
		require.False(t, o.failed(id, serviceFailed, 10, now), "the same incident again adds nothing")
	}
	require.False(t, o.failed(5, accessDenied, 10, now))
	require.False(t, o.failed(6, serviceFailed, 10, now))
}

func TestNoWaitIsLongerThanItsLongest(t *testing.T) {
	b := newBackoff(10*time.Second, 5*time.Minute)
	last := time.Duration(0)
	for range 1000 {
		last = b.NextBackOff()
		require.LessOrEqual(t, last, 5*time.Minute)
		require.Positive(t, last)
	}
	require.Greater(t, last, time.Minute, "it has grown")
}

func TestIncidentsThatAreAllGoneAfterAStartAreAskedForInTheWrongPlace(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(20), func(cfg *Config) { cfg.MaxConcurrentRequests = 1 })
		w.haveRun()
		for _, id := range w.sim.IDs() {
			require.NoError(t, w.sim.Remove(id))
		}
		time.Sleep(time.Hour)
		w.cfg.IncidentIDs = append(w.cfg.IncidentIDs, 9999) // never delivered: it says nothing of the others
		asked := w.requests(0)
		w.start()
		time.Sleep(time.Second)
		require.Equal(t, asked+1+enough, w.requests(0), "then all wait")
		time.Sleep(time.Hour)
		require.Equal(t, []string{"9999 not_found"}, w.sink.changes(), "of what was delivered nothing is told")
		require.Len(t, w.complaints(), 2, "one for 9999, one for all")

		for _, id := range w.sim.IDs()[1:] {
			require.NoError(t, w.sim.Restore(id))
		}
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1001 not_found"}, w.sink.changes(), "as soon as one is found, the others are believed")
	})
}

func TestIncidentsThatAreGoneAfterAStartAreToldOnceAnotherIsFound(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(8))
		w.haveRun()
		for _, id := range w.sim.IDs()[:4] {
			require.NoError(t, w.sim.Remove(id))
		}
		time.Sleep(time.Hour)
		w.start()
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"1001 not_found", "1002 not_found", "1003 not_found", "1004 not_found"}, w.sink.changes())
	})
}

func TestWithFewDeliveredBeforeANotFoundIsBelieved(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(enough-1))
		w.haveRun()
		for _, id := range w.sim.IDs() {
			require.NoError(t, w.sim.Remove(id))
		}
		time.Sleep(time.Hour)
		w.start()
		time.Sleep(time.Minute)
		require.Len(t, w.sink.changes(), enough-1)
	})
}

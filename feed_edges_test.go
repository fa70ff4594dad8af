package defenderincidentsreceiver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// discovering follows whatever the list shows, and nothing else.
func discovering(change ...func(*ChangeFeedConfig)) func(*Config) {
	return func(cfg *Config) {
		feeding(append(change, func(f *ChangeFeedConfig) { f.Discover = true })...)(cfg)
		cfg.IncidentIDs = nil
	}
}

func TestWhatWasLetGoIsNotToldAgainThoughTheListStillShowsIt(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), discovering(func(f *ChangeFeedConfig) { f.ForgetAfter = 2 * time.Hour }))
		require.NoError(t, w.sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		w.start()
		time.Sleep(4 * time.Hour)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, w.sink.changes())
	})
}

func TestAListThatLagsDoesNotReviveWhatIsGone(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		population := oneAlert(3)
		population.ListLag = 2 * time.Minute
		w := newWorldUnder(t, api, population, feeding())
		w.start()
		time.Sleep(9 * time.Minute)
		w.sink.Reset()
		assign(t, w, 1002)
		time.Sleep(59 * time.Second)
		require.NoError(t, w.sim.Remove(1002))
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1002 not_found"}, w.sink.changes())

		require.NoError(t, w.sim.Restore(1002))
		assign(t, w, 1002)
		time.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, w.sink.changes(), "it is back")
	})
}

func TestTheCallForTheServicesTimeTellsNothing(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), discovering())
		time.Sleep(30 * 24 * time.Hour)
		w.start()
		time.Sleep(time.Minute)
		require.Empty(t, w.sink.changes(), "it is far older than the lookback")
	})
}

func TestACallForTheServicesTimeThatIsTooLargeBringsItAllTheSame(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), feeding(), func(cfg *Config) { cfg.MaxResponseBodySize = 128 << 10 })
		require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, "padded=200KiB")))
		w.start()
		time.Sleep(10 * time.Minute)
		require.Less(t, len(w.lists()), 25)
		w.sim.ClearFaults()
		w.sink.Reset()
		assign(t, w, 1003)
		time.Sleep(31 * time.Second)
		require.Equal(t, updated(1003), w.sink.changes())
	})
}

func TestATimeInTheFutureDoesNotSilenceTheFeed(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), feeding())
		w.start()
		time.Sleep(4 * time.Minute)
		require.NoError(t, w.sim.Update(1003, func(i *defendersim.Incident) { i.LastUpdate = time.Now().Add(24 * time.Hour) }))
		time.Sleep(2 * time.Minute)
		w.sink.Reset()
		assign(t, w, 1002)
		time.Sleep(31 * time.Second)
		require.Equal(t, updated(1002), w.sink.changes())
	})
}

func TestANamedIncidentThatCannotBeFetchedKeepsItsBackoff(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		population := oneAlert(3)
		if api == APIDefenderXDR {
			population.AlertsPerIncident = 150 // so that it is named only, as Graph's are anyway
		}
		w := newWorldUnder(t, api, population, feeding())
		w.start()
		time.Sleep(4 * time.Minute)
		require.NoError(t, w.sim.SetFault(1002, rule(t, "503")))
		assign(t, w, 1002)
		before := w.requests(1002)
		time.Sleep(time.Hour) // in which the list shows it 120 times
		require.Less(t, w.requests(1002)-before, 30)
		w.sim.ClearFaults()
		w.sink.Reset()
		time.Sleep(6 * time.Minute)
		require.Equal(t, updated(1002), w.sink.changes())
	})
}

func TestADiscoveredIncidentThatWasNamedOnlySurvivesAKill(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		population := oneAlert(3)
		if api == APIDefenderXDR {
			population.AlertsPerIncident = 150 // so that it is named only, as Graph's are anyway
		}
		w := newWorldUnder(t, api, population, discovering())
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		time.Sleep(48 * time.Hour)
		w.start()
		time.Sleep(time.Minute)
		require.NoError(t, w.sim.SetFault(1002, rule(t, "503")))
		assign(t, w, 1002)
		time.Sleep(time.Minute)
		assign(t, w, 1001) // so that the list goes on from here
		time.Sleep(5 * time.Minute)
		assign(t, w, 1001)
		time.Sleep(time.Minute)
		synctest.Wait()
		kept.kill()
		w.stop()
		w.sink.Reset()
		w.sim.ClearFaults()
		w.start()
		time.Sleep(5 * time.Second)
		require.Contains(t, w.sink.changes(), "1002 first_seen")
	})
}

func TestRowsOfAnIncidentThatWasDroppedWhileThePipelineRefusedDoNotBringItBack(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newFileWorld(t, api, 2, "1001", "1002")
		feeding()(w.cfg)
		var refusing atomic.Bool
		w.sink.refuse = func(context.Context) error {
			if refusing.Load() {
				return errUnavailable
			}
			return nil
		}
		w.start()
		time.Sleep(time.Minute)
		refusing.Store(true)
		assign(t, w.world, 1002)
		time.Sleep(35 * time.Second)
		w.list("1001")
		time.Sleep(time.Minute)
		refusing.Store(false)
		before := w.requests(1002)
		time.Sleep(time.Hour)
		require.Equal(t, before, w.requests(1002))
		require.Empty(t, w.disk.entry("v1/incident/1002"))
	})
}

func TestAFeedThatGoesOnFailingAfterAnOutageIsSaid(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), feeding())
		w.auth().fail(errors.New("AADSTS7000215"))
		require.NoError(t, w.sim.SetFault(defendersim.ListRequests, rule(t, "value-missing")))
		w.start()
		time.Sleep(time.Hour)
		w.auth().fail(nil)
		time.Sleep(time.Hour)
		require.Len(t, w.logs.FilterMessage("change feed fails: changes are found by the round only").All(), 1)
	})
}

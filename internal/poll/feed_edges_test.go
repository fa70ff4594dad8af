// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestForgottenIncidentIsNotEmittedAgainWhileListStillShowsIt(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithDiscovery(func(f *receiver.ChangeFeedConfig) { f.ForgetAfter = 2 * time.Hour }))
		require.NoError(t, h.Sim.Update(1002, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		h.Start()
		harness.Sleep(4 * time.Hour)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes())
	})
}

func TestLaggingListDoesNotReviveRemovedIncident(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := harness.OneAlert(3)
		population.ListLag = 2 * time.Minute
		h := harness.NewUnder(t, api, population, harness.WithFeed())
		h.Start()
		harness.Sleep(9 * time.Minute)
		h.Sink.Reset()
		h.Assign(1002)
		harness.Sleep(59 * time.Second)
		require.NoError(t, h.Sim.Remove(1002))
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1002 not_found"}, h.Sink.Changes())

		require.NoError(t, h.Sim.Restore(1002))
		h.Assign(1002)
		harness.Sleep(5 * time.Minute)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes(), "it is back")
	})
}

func TestRequestForServerTimeEmitsNothing(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithDiscovery())
		harness.Sleep(30 * 24 * time.Hour)
		h.Start()
		harness.Sleep(time.Minute)
		require.Empty(t, h.Sink.Changes(), "its only row is far older than the lookback")
	})
}

func TestTooLargeResponseStillGivesServerTime(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) { cfg.MaxResponseBodySize = 128 << 10 })
		h.Fail(defendersim.ListRequests, "padded=200KiB")
		h.Start()
		harness.Sleep(10 * time.Minute)
		require.Less(t, len(h.Lists()), 25)
		h.Sim.ClearFaults()
		h.Sink.Reset()
		h.Assign(1003)
		harness.Sleep(31 * time.Second)
		require.Equal(t, updated(1003), h.Sink.Changes())
	})
}

func TestFutureTimeDoesNotSilenceFeed(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed())
		h.Start()
		harness.Sleep(4 * time.Minute)
		require.NoError(t, h.Sim.Update(1003, func(i *defendersim.Incident) { i.LastUpdate = time.Now().Add(24 * time.Hour) }))
		harness.Sleep(2 * time.Minute)
		h.Sink.Reset()
		h.Assign(1002)
		harness.Sleep(31 * time.Second)
		require.Equal(t, updated(1002), h.Sink.Changes())
	})
}

func TestPendingChangeThatCannotBeFetchedKeepsItsBackoff(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := harness.OneAlert(3)
		if api == receiver.APIDefenderXDR {
			population.AlertsPerIncident = 150 // so that the row cannot be used, as under Graph
		}
		h := harness.NewUnder(t, api, population, harness.WithFeed(), withUnusableRows)
		h.Start()
		harness.Sleep(4 * time.Minute)
		h.Fail(1002, "503")
		h.Assign(1002)
		before := h.Polls(1002)
		harness.Sleep(20 * time.Minute) // the list shows it 40 times
		require.Less(t, h.Polls(1002)-before, 15)
		h.Sim.ClearFaults()
		h.Sink.Reset()
		harness.Sleep(6 * time.Minute)
		require.Equal(t, updated(1002), h.Sink.Changes())
	})
}

func TestAlertsOfAChangeThatCannotBeFetchedKeepTheirBackoff(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(3), harness.WithFeed(), withoutAlertFeed, func(cfg *receiver.Config) {
			cfg.CollectionInterval = time.Hour // the backoff begins with a tenth of it
		})
		h.Start()
		harness.Sleep(4 * time.Minute)
		h.Sink.Reset()
		h.Fail(1002, "503")
		second, err := h.Sim.Incident(1002)
		require.NoError(t, err)
		require.NoError(t, h.Sim.UpdateAlert(1002, second.Alerts[0].ID, func(a *defendersim.Alert) { a.InvestigationState += "+" }))
		before := h.Polls(1002)
		var rows []int64
		for range 20 {
			h.Assign(1002)
			rows = append(rows, 1002)
			harness.Sleep(time.Minute)
		}
		require.Equal(t, updated(rows...), h.Sink.Changes(), "by its rows")
		polls := h.Polls(1002) - before
		require.Greater(t, polls, 1)
		require.Less(t, polls, 8)
		h.Sim.ClearFaults()
		harness.Sleep(30 * time.Minute)
		require.Equal(t, []string{"1002 alert updated"}, h.Sink.Changes())
		require.Equal(t, polls+1, h.Polls(1002)-before, "nothing is pending any more")
	})
}

func TestDiscoveredIncidentWithPendingChangeSurvivesKill(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		population := harness.OneAlert(3)
		if api == receiver.APIDefenderXDR {
			population.AlertsPerIncident = 150 // so that the row cannot be used, as under Graph
		}
		h := harness.NewUnder(t, api, population, harness.WithDiscovery())
		harness.Sleep(48 * time.Hour)
		h.Start()
		harness.Sleep(time.Minute)
		h.Fail(1002, "503")
		h.Assign(1002)
		harness.Sleep(time.Minute)
		h.Assign(1001) // moves the boundary of the feed
		harness.Sleep(5 * time.Minute)
		h.Assign(1001)
		harness.Sleep(time.Minute)
		synctest.Wait()
		h.Disk.Kill()
		h.Stop()
		before := h.Sink.Changes()
		h.Sim.ClearFaults()
		h.Start()
		harness.Sleep(5 * time.Second)
		after := h.Sink.Changes()
		if api == receiver.APIDefenderXDR {
			require.NotContains(t, before, "1002 first_seen")
			require.Contains(t, after, "1002 first_seen")
			return
		}
		require.Contains(t, before, "1002 first_seen", "by its row")
		require.Equal(t, []string{"1002 alert first_seen"}, after, "what is left")
	})
}

func TestRowsOfRemovedIncidentAreIgnoredWhilePipelineRefuses(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "1001", "1002")
		h := harness.New(t, harness.OneAlert(2), file.only, harness.WithFeed())
		var refusing atomic.Bool
		h.Sink.Refuse = func(context.Context) error {
			if refusing.Load() {
				return errUnavailable
			}
			return nil
		}
		h.Start()
		harness.Sleep(time.Minute)
		refusing.Store(true)
		h.Assign(1002)
		harness.Sleep(35 * time.Second)
		file.write("1001")
		harness.Sleep(time.Minute)
		refusing.Store(false)
		before := h.Polls(1002)
		harness.Sleep(time.Hour)
		require.Equal(t, before, h.Polls(1002))
		require.Empty(t, h.Disk.Entry("v1/incident/1002"))
	})
}

func TestFeedThatKeepsFailingAfterOutageIsLogged(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed())
		h.Auth.Fail(errors.New("AADSTS7000215"))
		h.Fail(defendersim.ListRequests, "value-missing")
		h.Start()
		harness.Sleep(time.Hour)
		h.Auth.Fail(nil)
		harness.Sleep(time.Hour)
		require.Len(t, h.Logs.FilterMessage(msgFeedFails).All(), 1)
	})
}

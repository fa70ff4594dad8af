// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestOutagePausesAllRequests(t *testing.T) {
	for fault, test := range map[string]struct{ began, end string }{ // the messages of the pause
		"401":      {began: msgDenied, end: msgGranted},
		"403":      {began: msgDenied, end: msgGranted},
		"500":      {began: msgUnavailable, end: msgRecovered},
		"reset":    {began: msgUnavailable, end: msgRecovered},
		"html":     {began: msgMisconfigured, end: msgUsable},
		"redirect": {began: msgMisconfigured, end: msgUsable},
	} {
		t.Run(fault, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(50), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
				h.Fail(defendersim.AllIncidents, fault)
				h.Start()
				harness.Sleep(2 * time.Second)
				require.Equal(t, 5, h.Polls(0), "none after the fifth")
				require.Equal(t, []string{test.began}, h.Warnings(), "one for all incidents")

				harness.Sleep(2 * time.Hour)
				if test.began == msgUnavailable {
					require.Less(t, h.Polls(0), 240, "the backoff grows to a minute")
				} else {
					require.Less(t, h.Polls(0), 60, "the backoff grows to five minutes")
				}
				require.Len(t, h.Warnings(), 1, "logged once")

				h.Sim.ClearFaults()
				harness.Sleep(11 * time.Minute)
				require.Len(t, h.Sink.Changes(), 100, "it recovers by itself")
				ended := h.Logs.FilterMessage(test.end).All()
				require.Len(t, ended, 1)
				require.Greater(t, durationOf(t, ended[0], "duration"), 2*time.Hour)
			})
		})
	}
}

func TestRejectedRequestIsRetriedRarelyAndLoggedAsError(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		h.Fail(1001, "400")
		h.Start()
		harness.Sleep(10 * time.Hour)
		require.Less(t, h.Polls(1001), 30)
		require.Greater(t, h.Polls(1001), 8)
		lines := h.Logs.FilterLevelExact(zap.ErrorLevel).All()
		require.Len(t, lines, 1)
		require.Contains(t, lines[0].ContextMap()["error"], "The request is invalid.")
	})
}

func TestAnotherFailureOfTheSameIncidentIsLoggedToo(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(10))
		h.Fail(1001, "500")
		h.Start()
		harness.Sleep(time.Hour)
		h.Fail(1001, "nested")
		harness.Sleep(time.Hour)
		lines := h.Logs.FilterMessage(msgFetchFailed).All()
		require.Len(t, lines, 2)
		require.Contains(t, lines[0].ContextMap()["error"], "server error")
		require.Contains(t, lines[1].ContextMap()["error"], "malformed response")
	})
}

func TestForbiddenIncidentDoesNotDelayTheOthers(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(10))
		h.Fail(1001, "403")
		h.Start()
		harness.Sleep(time.Hour + time.Second)
		require.Equal(t, 9*13, h.Polls(0)-h.Polls(1001), "the others are polled as before")
		require.Less(t, h.Polls(1001), 30)
		require.Equal(t, []string{msgFetchDenied}, h.Warnings())
	})
}

func TestAllIncidentsMissingAfterStartMeansWrongTarget(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(20), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
		h.RunOnce()
		for _, id := range h.Sim.IDs() {
			require.NoError(t, h.Sim.Remove(id))
		}
		harness.Sleep(time.Hour)
		h.Config.IncidentIDs = append(h.Config.IncidentIDs, 9999) // never delivered, so it does not count
		before := h.Polls(0)
		h.Start()
		harness.Sleep(time.Second)
		require.Equal(t, before+1+outageAt, h.Polls(0), "then all requests pause")
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"9999 not_found"}, h.Sink.Changes(), "nothing is emitted of what was delivered before")
		require.Equal(t, []string{msgNotFound, msgWrongTarget}, h.Warnings(), "one for 9999 and one for all others")

		for _, id := range h.Sim.IDs()[1:] {
			require.NoError(t, h.Sim.Restore(id))
		}
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1001 not_found"}, h.Sink.Changes(), "once one is found, the others count as missing")
	})
}

func TestMissingIncidentsAreEmittedOnceAnotherIsFound(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(8))
		h.RunOnce()
		for _, id := range h.Sim.IDs()[:4] {
			require.NoError(t, h.Sim.Remove(id))
		}
		harness.Sleep(time.Hour)
		h.Start()
		harness.Sleep(6 * time.Minute) // until the others are polled again
		require.ElementsMatch(t, []string{"1001 not_found", "1002 not_found", "1003 not_found", "1004 not_found"}, h.Sink.Changes())
	})
}

func TestFewMissingIncidentsAreBelieved(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(outageAt-1))
		h.RunOnce()
		for _, id := range h.Sim.IDs() {
			require.NoError(t, h.Sim.Remove(id))
		}
		harness.Sleep(time.Hour)
		h.Start()
		harness.Sleep(time.Minute)
		require.Len(t, h.Sink.Changes(), outageAt-1)
	})
}

// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestReceiverGetsTheRowsBehindEmptyPagesOfTheList(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		const incidents = 130 // two pages and more
		h := harness.NewUnder(t, api, harness.OneAlert(incidents), harness.WithDiscovery())
		h.Fail(defendersim.ListRequests, "page-empty")
		h.Assign(h.Sim.IDs()...)
		h.Start()
		harness.Sleep(10 * time.Minute)
		require.Len(t, h.Sink.Changes(), 2*incidents, "each with its alert")
		require.Empty(t, h.Warnings())
	})
}

func TestReceiverGetsTheAlertsBehindEmptyPages(t *testing.T) {
	for name, tokens := range map[string]bool{"links with $skip": false, "links with $skiptoken": true} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				population := harness.Quiet(3)
				population.AlertsPerIncident, population.AlertsPage, population.AlertsSkipToken = 5, 2, tokens
				h := harness.NewUnder(t, receiver.APIGraph, population)
				h.Fail(defendersim.AllIncidents, "page-empty")
				h.Fail(defendersim.AlertRequests, "page-empty")
				h.Start()
				harness.Sleep(time.Minute)
				require.Equal(t, 3, h.Polls(0))
				require.Equal(t, 3*5, h.AlertPages(0), "three with alerts, two without")
				require.Len(t, h.Sink.Records(), 3*(1+5))
				require.Empty(t, h.Warnings())
				h.RequireProof()
			})
		})
	}
}

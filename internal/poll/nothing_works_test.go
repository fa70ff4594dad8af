// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

const recoverable = "StatusRecoverableError: "

// requireOneError requires that the status shows one error, which contains the text
// status, and that one log line contains check, the advice on what to check.
func requireOneError(t *testing.T, h *harness.Harness, status, check string) {
	t.Helper()
	require.Len(t, h.Host.Statuses(), 1)
	require.Contains(t, h.Host.Statuses()[0], recoverable)
	require.Contains(t, h.Host.Statuses()[0], status)
	naming := 0
	for _, line := range h.Logs.All() {
		advice, _ := line.ContextMap()["advice"].(string)
		if line.Level >= zapcore.WarnLevel && strings.Contains(line.Message+" "+advice, check) {
			naming++
		}
	}
	require.Equal(t, 1, naming, "lines that name what to check: %v", h.Warnings())
	require.Len(t, h.Warnings(), 1)
}

func TestDiscoveryWithoutPermissionIsAnError(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithDiscovery(func(f *receiver.ChangeFeedConfig) { f.Interval = 5 * time.Minute }))
		h.Auth.Grant(defendersim.Grant{Roles: []string{"Alert.Read.All"}})
		h.Start()
		harness.Sleep(24 * time.Hour)
		requireOneError(t, h, "change feed unavailable", "Incident.Read.All")

		h.Auth.Grant(defendersim.Grant{})
		harness.Sleep(20 * time.Minute)
		require.Len(t, h.Host.Statuses(), 2)
		require.Equal(t, "StatusOK", h.Host.Statuses()[1])
	})
}

func TestDiscoveryFromAnAPIThatIsDownIsAnError(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithDiscovery(func(f *receiver.ChangeFeedConfig) { f.Interval = 5 * time.Minute }))
		h.Fail(defendersim.ListRequests, "503")
		h.Start()
		harness.Sleep(24 * time.Hour)
		requireOneError(t, h, "change feed unavailable", "change feed unavailable")

		h.Sim.ClearFaults()
		harness.Sleep(20 * time.Minute)
		require.Len(t, h.Host.Statuses(), 2)
		require.Equal(t, "StatusOK", h.Host.Statuses()[1])
	})
}

func TestAResponseFromSomethingElseThanTheAPIIsAnError(t *testing.T) {
	harness.Long(t)
	for _, fault := range []string{"html", "404-html", "redirect", "redirect-other", "400"} {
		t.Run(fault, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(10))
				h.Fail(defendersim.AllIncidents, fault)
				h.Start()
				harness.Sleep(24 * time.Hour)
				requireOneError(t, h, "unexpected responses", "check http::endpoint")
				require.Empty(t, h.Sink.Changes())

				h.Sim.ClearFaults()
				harness.Sleep(20 * time.Minute)
				require.Len(t, h.Host.Statuses(), 2)
				require.Equal(t, "StatusOK", h.Host.Statuses()[1])
				require.Len(t, h.Sink.Changes(), 20)
			})
		})
	}
}

func TestMaintenancePageAfterAnOutageIsNoRecovery(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(10))
		h.Fail(defendersim.AllIncidents, "503")
		h.Start()
		harness.Sleep(time.Hour)
		h.Fail(defendersim.AllIncidents, "html")
		harness.Sleep(6 * time.Hour)
		statuses := h.Host.Statuses()
		require.NotContains(t, statuses, "StatusOK")
		require.Len(t, statuses, 2)
		require.Contains(t, statuses[1], "check http::endpoint")
		for _, line := range h.Logs.All() {
			require.NotContains(t, line.Message, "available again")
		}
		require.Len(t, h.Warnings(), 2)

		h.Sim.ClearFaults()
		harness.Sleep(20 * time.Minute)
		require.Equal(t, "StatusOK", h.Host.Statuses()[2])
		require.Len(t, h.Host.Statuses(), 3)
		require.Len(t, h.Sink.Changes(), 20)
	})
}

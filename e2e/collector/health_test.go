// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestHealthCheckShowsTheOutageAndItsEnd(t *testing.T) {
	t.Parallel()
	s := newSetup(t, quiet(3), func(c *harness.Settings) { c.Health = harness.FreeAddress(t) })
	s.start()
	s.awaitRecords(9)
	status, _ := s.health()
	require.Equal(t, http.StatusOK, status)

	forbidden, err := defendersim.ParseFault("403")
	require.NoError(t, err)
	require.NoError(t, s.Sim.SetFault(defendersim.AllIncidents, defendersim.Rule{Fault: forbidden}))
	s.awaitHealth(http.StatusInternalServerError)
	_, body := s.health()
	require.Contains(t, body, "access denied by the API")

	s.Sim.ClearFaults() // an administrator has granted the permission
	s.awaitHealth(http.StatusOK)
	s.stop()
}

// awaitHealth waits until the health check responds with that status. The
// collector logs a change just before the health check shows it.
func (s *setup) awaitHealth(status int) {
	s.T.Helper()
	s.Poll(s.process, fmt.Sprintf("health %d", status), 50*time.Millisecond, func() bool {
		now, _ := s.health()
		return now == status
	})
}

// health returns the response of the health check.
func (s *setup) health() (status int, body string) {
	s.T.Helper()
	request, err := http.NewRequestWithContext(s.Ctx, http.MethodGet, "http://"+s.settings.Health+"/health?verbose", http.NoBody)
	require.NoError(s.T, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.T, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.T, err)
	return response.StatusCode, string(text)
}

//go:build unix

package e2e

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestTheHealthCheckShowsWhyNothingIsFetchedAndThatItIsOver(t *testing.T) {
	t.Parallel()
	s := newStage(t, quiet(3), func(c *settings) { c.Health = freeAddress(t) })
	s.start()
	s.awaitRecords(9)
	status, _ := s.health()
	require.Equal(t, http.StatusOK, status)

	forbidden, err := defendersim.ParseFault("403")
	require.NoError(t, err)
	require.NoError(t, s.sim.SetFault(defendersim.AllIncidents, defendersim.Rule{Fault: forbidden}))
	s.awaitHealth(http.StatusInternalServerError)
	_, body := s.health()
	require.Contains(t, body, "nothing can be fetched: the API refuses the token")

	s.sim.ClearFaults() // the administrator has granted the permission
	s.awaitHealth(http.StatusOK)
	s.stop()
}

// awaitHealth waits until the health check answers so. The collector logs what
// changes it, and that rings the bell, just before the health check knows.
func (s *stage) awaitHealth(status int) {
	s.t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		if now, _ := s.health(); now == status {
			return
		}
		select {
		case <-look.C:
		case <-s.ctx.Done():
			require.FailNow(s.t, "the time is up", "while waiting for health %d", status)
		}
	}
}

// health asks the health check.
func (s *stage) health() (status int, body string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, "http://"+s.settings.Health+"/health?verbose", http.NoBody)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response.StatusCode, string(text)
}

// freeAddress is one of this machine on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

func TestUnderGraphAGetThatLagsRemovesNoAlertThatItsRowHasShown(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.Quiet(3)
		population.AlertsPerIncident, population.QuietAlertMoves = 2, true
		h := underGraph(t, population, harness.WithIDs(1001, 1002), func(cfg *receiver.Config) { cfg.CollectionInterval = 5 * time.Minute })
		var replica lagging
		h.Auth.Use(rewrite("/1002", replica.body))
		h.Start()
		harness.Sleep(9 * time.Minute)
		h.Sink.Reset()
		replica.behind.Store(true)
		alert := alertOf(t, h, 1003)
		require.NoError(t, h.Sim.MoveAlert(1003, alert, 1002))
		polls := h.Polls(1002)
		harness.Sleep(31 * time.Second)
		require.Equal(t, []string{"1002 alert first_seen"}, recordsOf(h, alert))
		require.Equal(t, polls, h.Polls(1002))
		harness.Sleep(3 * time.Minute)
		require.Equal(t, polls+2, h.Polls(1002), "a minute and two minutes after the alert has changed")
		replica.behind.Store(false)
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1002 alert first_seen"}, recordsOf(h, alert))
		require.InDelta(t, polls+2+12, h.Polls(1002), 2, "in its turn again")
	})
}

func TestUnderGraphAnAlertThatComesAndMovesIsRemovedAtOnce(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := underGraph(t, harness.OneAlert(3), harness.WithIDs(1001, 1002))
		h.RunOnce()
		h.Start()
		harness.Sleep(time.Minute)
		alert, err := h.Sim.AddAlert(1001)
		require.NoError(t, err)
		harness.Sleep(40 * time.Second)
		require.Equal(t, []string{"1001 alert first_seen"}, recordsOf(h, alert), "only its row has shown it")
		require.NoError(t, h.Sim.MoveAlert(1001, alert, 1003))
		harness.Sleep(40 * time.Second)
		require.Equal(t, []string{"1001 alert first_seen", "1001 alert removed"}, recordsOf(h, alert))
	})
}

// replicas repeat the previous response for half of all Gets, at random.
type replicas struct {
	mutex   sync.Mutex
	dice    *rand.Rand
	before  map[string][]byte
	lagging int
}

func (l *replicas) send(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(r.URL.Path, "/security/incidents/") {
		return response, err
	}
	now, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	shown := now
	if last := l.before[r.URL.Path]; last != nil && l.dice.IntN(2) == 0 {
		shown = last
		l.lagging++
	}
	l.before[r.URL.Path] = now
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(shown)), int64(len(shown))
	return response, nil
}

// No alert leaves, so no record may say that one did.
func TestPopulationUnderGraphLosesNoAlertToGetsThatLag(t *testing.T) {
	harness.Long(t)
	harness.Run(t, func(t *testing.T) {
		population := busy(900)
		population.AlertsPerIncident, population.Seed = 2, *seed
		population.Weights = defendersim.DefaultWeights()
		population.Weights[defendersim.ChangeAlertLeaves], population.Weights[defendersim.ChangeMerge] = 0, 0
		h := underGraph(t, population, func(cfg *receiver.Config) { cfg.CollectionInterval = time.Minute })
		lags := &replicas{dice: rand.New(rand.NewPCG(*seed, 1)), before: map[string][]byte{}}
		h.Auth.Use(lags.send)
		h.Start()
		harness.Sleep(40 * time.Minute)
		h.Stop()
		h.Start()
		harness.Sleep(20 * time.Minute)
		require.Greater(t, lags.lagging, 500, "else the test shows little")
		came := 0
		for _, r := range h.Sink.Records() {
			require.NotEqual(t, "removed", r.Change, "%s of incident %d", r.Alert, r.Incident)
			if r.Alert != "" && r.Change == "first_seen" {
				came++
			}
		}
		require.Greater(t, came, 2*len(h.Sim.IDs())+50, "else the test shows little")
		require.Empty(t, proof.Twice(h.Sink.Records()))
	})
}

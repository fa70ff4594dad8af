// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// TestStatesGrowLittleWithWhatRecordsSay measures how much of stored states is for the description of incidents and alerts: names, severities,
// owners, addresses, and what shows which fields of an alert have changed. docs/performance.md has the result; go test -v prints it.
func TestStatesGrowLittleWithWhatRecordsSay(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.Quiet(200))
		assigned := h.Sim.IDs()
		h.Assign(assigned[:len(assigned)/2]...)
		h.Start()
		harness.Sleep(10 * time.Minute)
		h.Stop()

		var incidents, alerts, bytes int
		var ofIncidents, ofAlerts size
		for _, id := range h.Sim.IDs() {
			entry := h.Disk.Entry(fmt.Sprintf("v1/incident/%d", id))
			bytes += len(entry)
			var stored struct {
				Description jsontext.Value   `json:"description"`
				Alerts      []map[string]any `json:"alerts"`
			}
			require.NoError(t, json.Unmarshal([]byte(entry[strings.LastIndexByte(entry, '\n')+1:]), &stored))
			require.NotEmpty(t, stored.Description)
			ofIncidents.add(len(`"description":,`) + len(stored.Description))
			incidents++
			for _, alert := range stored.Alerts {
				took := 0
				for _, name := range []string{"t", "v", "f"} {
					require.NotEmpty(t, alert[name])
					text, err := json.Marshal(alert[name])
					require.NoError(t, err)
					took += len(`"":,`) + len(name) + len(text)
				}
				ofAlerts.add(took)
				alerts++
			}
		}
		t.Logf("%d incidents, %d alerts, %d bytes an entry; of an incident %v; of an alert %v", incidents, alerts, bytes/incidents, ofIncidents, ofAlerts)
		require.Greater(t, alerts, 100)
		require.LessOrEqual(t, ofIncidents.average(), 300)
		require.LessOrEqual(t, ofAlerts.average(), 150)
	})
}

// size is what some things take.
type size struct{ n, sum, largest int }

func (s *size) add(bytes int) { s.n, s.sum, s.largest = s.n+1, s.sum+bytes, max(s.largest, bytes) }

func (s size) average() int { return s.sum / s.n }

func (s size) String() string {
	return fmt.Sprintf("%d on average, %d at most", s.average(), s.largest)
}

package defenderincidentsreceiver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
)

// BenchmarkAnswerToRecords measures the work that one answer makes, from its
// bytes to its records, next to the same work with the JSON read by
// encoding/json into any and handed to FromRaw.
func BenchmarkAnswerToRecords(b *testing.B) {
	for _, size := range []struct {
		name          string
		alerts, bytes int
	}{{"3kB", 1, 2500}, {"230kB", 120, 1900}} {
		body := answerOf(b, size.alerts, size.bytes)
		client := clientOf(b, body)
		for name, read := range map[string]func() *incident.Snapshot{
			"jsontext": func() *incident.Snapshot {
				answer := client.Get(b.Context(), 1001)
				require.NoError(b, answer.Err)
				return answer.Snapshot
			},
			"any": func() *incident.Snapshot { return readIntoAny(b, body) },
		} {
			b.Run(fmt.Sprintf("%s/%s", size.name, name), func(b *testing.B) {
				comparer := incident.NewComparer(incident.Split, false, nil)
				records := record.Builder{Alerts: incident.Split, Host: "api.example"}
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					s := read()
					change, after := comparer.Compare(incident.State{}, s)
					logs := records.Logs(record.Observation{ID: s.ID, Snapshot: s, Change: change, After: after})
					if logs.LogRecordCount() != 1+size.alerts {
						b.Fatal("records are missing")
					}
				}
			})
		}
	}
}

// answerOf is the simulator's answer for an incident of about that size.
func answerOf(b *testing.B, alerts, alertBytes int) []byte {
	b.Helper()
	population := quiet(1)
	population.AlertsPerIncident, population.AlertBytes = alerts, alertBytes
	population.AllowAnonymous, population.NoCompression = true, true
	population.Start = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	sim, err := defendersim.New(population)
	require.NoError(b, err)
	client := &http.Client{Transport: sim.RoundTripper()}
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "https://api.example/api/incidents/1001", http.NoBody)
	require.NoError(b, err)
	response, err := client.Do(request)
	require.NoError(b, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	require.NoError(b, response.Body.Close())
	return body
}

// clientOf gives every request the same answer.
func clientOf(b *testing.B, body []byte) *defender.Client {
	b.Helper()
	endpoint, err := url.Parse("https://api.example")
	require.NoError(b, err)
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
		}, nil
	})
	return defender.NewClient(&http.Client{Transport: transport}, defender.Settings{Endpoint: endpoint, MaxBody: 32 << 20})
}

func readIntoAny(b *testing.B, body []byte) *incident.Snapshot {
	b.Helper()
	received, err := io.ReadAll(bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(received, &raw); err != nil {
		b.Fatal(err)
	}
	s := &incident.Snapshot{ID: 1001, Object: pcommon.NewMap(), AlertsField: "alerts"}
	for _, rawAlert := range raw["alerts"].([]any) {
		object := pcommon.NewMap()
		if err := object.FromRaw(rawAlert.(map[string]any)); err != nil {
			b.Fatal(err)
		}
		s.Alerts = append(s.Alerts, incident.Alert{ID: rawAlert.(map[string]any)["alertId"].(string), Object: object})
	}
	delete(raw, "alerts")
	if err := s.Object.FromRaw(raw); err != nil {
		b.Fatal(err)
	}
	return s
}

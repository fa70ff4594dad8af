package poll_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// withoutAlerts has the list show its rows without their alerts.
type withoutAlerts struct{ on atomic.Bool }

func (w *withoutAlerts) answer(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil || !w.on.Load() || !strings.HasSuffix(r.URL.Path, "/incidents") {
		return response, err
	}
	var page map[string]any
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		return nil, err
	}
	for _, row := range page["value"].([]any) {
		row.(map[string]any)["alerts"] = []any{}
	}
	shown, err := json.Marshal(page)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(shown)), int64(len(shown))
	return response, err
}

func TestRowThatLacksAnAlertIsDeliveredAndTheIncidentFetched(t *testing.T) {
	for _, mode := range []receiver.AlertsMode{receiver.AlertsSplit, receiver.AlertsEmbedded} {
		t.Run(string(mode), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, receiver.APIDefenderXDR, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) {
					cfg.CollectionInterval, cfg.Alerts = 6*time.Hour, mode
				})
				var list withoutAlerts
				h.Auth.Use(list.answer)
				h.Start()
				time.Sleep(10 * time.Minute)
				h.Sink.Reset()
				before := h.Polls(1002)
				list.on.Store(true)
				h.Assign(1002)
				time.Sleep(5 * time.Minute)
				require.Equal(t, []string{"1002 updated"}, h.Sink.Changes(), "no alert is removed")
				require.Equal(t, 1, h.Polls(1002)-before)
			})
		})
	}
}

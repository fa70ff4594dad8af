//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// requireAgreement holds the last record of each incident and each alert
// against the simulator's own rendering, wherever that still stands as it was.
func (s *stage) requireAgreement() {
	s.t.Helper()
	incidents, alerts := 0, 0
	for id, last := range s.lastRecords() {
		shown := s.fetch(id)
		for _, each := range shown["alerts"].([]any) {
			alert := each.(map[string]any)
			if r, told := last[alert["alertId"].(string)]; told && at(r).Equal(moment(s, alert["lastUpdatedTime"])) {
				s.requireSame(alert, r)
				s.requireAttributes(alert, r, "microsoft.defender.alert.", map[string]string{
					"id": "alertId", "title": "title", "status": "status", "category": "category",
					"service_source": "serviceSource", "detection_source": "detectionSource",
				})
				alerts++
			}
		}
		count := len(shown["alerts"].([]any))
		delete(shown, "alerts")
		if r, told := last[""]; told && at(r).Equal(moment(s, shown["lastUpdateTime"])) {
			s.requireSame(shown, r)
			s.requireAttributes(shown, r, "microsoft.defender.incident.", map[string]string{
				"id": "incidentId", "name": "incidentName", "status": "status", "classification": "classification",
				"determination": "determination", "assigned_to": "assignedTo", "url": "incidentUri", "redirect_id": "redirectIncidentId",
			})
			told, _ := r.Attributes().Get("microsoft.defender.incident.alert_count")
			require.EqualValues(s.t, count, told.Int())
			incidents++
		}
	}
	s.t.Logf("%d incidents and %d alerts agree", incidents, alerts)
	require.Greater(s.t, incidents, 5, "else this shows little")
	require.Greater(s.t, alerts, 20)
}

// lastRecords are the last records of each incident that show something, by
// alert; its own is under "".
func (s *stage) lastRecords() map[int64]map[string]plog.LogRecord {
	last := map[int64]map[string]plog.LogRecord{}
	for _, logs := range s.sink.deliveries() {
		for _, r := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			id, _ := r.Attributes().Get("microsoft.defender.incident.id")
			if last[id.Int()] == nil {
				last[id.Int()] = map[string]plog.LogRecord{}
			}
			alert := ""
			if r.EventName() == "microsoft.defender.alert" {
				value, _ := r.Attributes().Get("microsoft.defender.alert.id")
				alert = value.Str()
			}
			last[id.Int()][alert] = r
		}
	}
	for id, records := range last {
		if change, _ := records[""].Attributes().Get("microsoft.defender.incident.change"); change.Str() == "not_found" {
			delete(last, id)
		}
	}
	return last
}

// fetch asks the simulator as another application would, whose requests are
// counted apart.
func (s *stage) fetch(id int64) map[string]any {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, fmt.Sprintf("%s/api/incidents/%d", s.settings.API, id), nil)
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+s.sim.TokenFor(defendersim.Grant{ApplicationID: "99999999-0000-0000-0000-000000000000"}))
	client := &http.Client{Transport: s.sim.RoundTripper()}
	response, err := client.Do(r)
	require.NoError(s.t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	require.Equal(s.t, http.StatusOK, response.StatusCode)
	return s.object(string(body))
}

// object reads JSON with its numbers as they are written.
func (s *stage) object(text string) map[string]any {
	s.t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var object map[string]any
	require.NoError(s.t, d.Decode(&object))
	return object
}

func (s *stage) requireSame(shown map[string]any, r plog.LogRecord) {
	s.t.Helper()
	body, err := json.Marshal(r.Body().AsRaw())
	require.NoError(s.t, err)
	require.Equal(s.t, shown, s.object(string(body)))
	require.Equal(s.t, shown["severity"], r.SeverityText())
}

// requireAttributes wants an attribute for each field that has a value, and
// none for the others.
func (s *stage) requireAttributes(shown map[string]any, r plog.LogRecord, prefix string, fields map[string]string) {
	s.t.Helper()
	for name, field := range fields {
		told, found := r.Attributes().Get(prefix + name)
		wanted := shown[field]
		require.Equal(s.t, wanted != nil, found, name)
		if found {
			require.Equal(s.t, fmt.Sprint(wanted), told.AsString(), name)
		}
	}
}

func at(r plog.LogRecord) time.Time { return r.Timestamp().AsTime() }

func moment(s *stage, text any) time.Time {
	s.t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text.(string))
	require.NoError(s.t, err)
	return moment
}

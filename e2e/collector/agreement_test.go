// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// rendering holds the names that an API uses for what the records show.
type rendering struct {
	path            string // of an incident, with its id
	incidentTime    string // when it was last changed
	alertTime       string
	incident, alert map[string]string // fields, by the attributes that show them
}

func renderingOf(api string) rendering {
	if api == defendersim.APIGraph {
		return rendering{
			path: "/v1.0/security/incidents/%d?$expand=alerts", incidentTime: "lastUpdateDateTime", alertTime: "lastUpdateDateTime",
			incident: map[string]string{
				"id": "id", "name": "displayName", "status": "status", "classification": "classification",
				"determination": "determination", "assigned_to": "assignedTo", "url": "incidentWebUrl", "redirect_id": "redirectIncidentId",
			},
			alert: map[string]string{
				"id": "id", "title": "title", "status": "status", "category": "category",
				"service_source": "serviceSource", "detection_source": "detectionSource",
			},
		}
	}
	return rendering{
		path: "/api/incidents/%d", incidentTime: "lastUpdateTime", alertTime: "lastUpdatedTime",
		incident: map[string]string{
			"id": "incidentId", "name": "incidentName", "status": "status", "classification": "classification",
			"determination": "determination", "assigned_to": "assignedTo", "url": "incidentUri", "redirect_id": "redirectIncidentId",
		},
		alert: map[string]string{
			"id": "alertId", "title": "title", "status": "status", "category": "category",
			"service_source": "serviceSource", "detection_source": "detectionSource",
		},
	}
}

// requireAgreement compares the last record of each incident and each alert with
// what the simulator shows, unless that has changed since.
func (s *setup) requireAgreement() {
	s.T.Helper()
	api := renderingOf(s.settings.API)
	incidents, alerts := 0, 0
	for id, last := range s.lastRecords() {
		shown, shownAlerts := s.fetch(id)
		for _, alert := range shownAlerts {
			if r, told := last[alert[api.alert["id"]].(string)]; told && at(r).Equal(moment(s, alert[api.alertTime])) {
				s.requireSame(alert, r)
				s.requireAttributes(alert, r, "microsoft.defender.alert.", api.alert)
				alerts++
			}
		}
		if r, told := last[""]; told && at(r).Equal(moment(s, shown[api.incidentTime])) {
			s.requireSame(shown, r)
			s.requireAttributes(shown, r, "microsoft.defender.incident.", api.incident)
			told, _ := r.Attributes().Get("microsoft.defender.incident.alert_count")
			require.EqualValues(s.T, len(shownAlerts), told.Int())
			incidents++
		}
	}
	s.T.Logf("%d incidents and %d alerts agree", incidents, alerts)
	require.Greater(s.T, incidents, 5, "too few for a meaningful comparison")
	require.Greater(s.T, alerts, 20)
}

// lastRecords are the last records of each incident that show something, by
// alert; its own is under "".
func (s *setup) lastRecords() map[int64]map[string]plog.LogRecord {
	last := map[int64]map[string]plog.LogRecord{}
	for _, logs := range s.sink.Deliveries() {
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

// fetch requests an incident and all its alerts from the simulator, as another
// application would.
func (s *setup) fetch(id int64) (shown map[string]any, alerts []map[string]any) {
	s.T.Helper()
	shown = s.get(s.settings.Endpoint + fmt.Sprintf(renderingOf(s.settings.API).path, id))
	page, link := shown["alerts"], shown["alerts@odata.nextLink"]
	delete(shown, "alerts")
	delete(shown, "alerts@odata.nextLink")
	for {
		for _, alert := range page.([]any) {
			alerts = append(alerts, alert.(map[string]any))
		}
		if link == nil {
			return shown, alerts
		}
		next := s.get(link.(string))
		page, link = next["value"], next["@odata.nextLink"]
	}
}

func (s *setup) get(url string) map[string]any {
	s.T.Helper()
	r, err := http.NewRequestWithContext(s.Ctx, http.MethodGet, url, http.NoBody)
	require.NoError(s.T, err)
	r.Header.Set("Authorization", "Bearer "+s.Sim.TokenFor(defendersim.Grant{
		Audience: strings.TrimSuffix(s.settings.Scope, "/.default"), ApplicationID: "99999999-0000-0000-0000-000000000000",
	}))
	r.Header.Set("Prefer", "include-unknown-enum-members") // only Graph looks at it
	client := &http.Client{Transport: s.Sim.RoundTripper()}
	response, err := client.Do(r)
	require.NoError(s.T, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(s.T, err)
	require.NoError(s.T, response.Body.Close())
	require.Equal(s.T, http.StatusOK, response.StatusCode)
	return harness.Object(s.T, body)
}

func (s *setup) requireSame(shown map[string]any, r plog.LogRecord) {
	s.T.Helper()
	body, err := json.Marshal(r.Body().AsRaw())
	require.NoError(s.T, err)
	require.Equal(s.T, shown, harness.Object(s.T, body))
	require.Equal(s.T, shown["severity"], r.SeverityText())
}

// requireAttributes requires an attribute for each field that has a value, and
// none for the others.
func (s *setup) requireAttributes(shown map[string]any, r plog.LogRecord, prefix string, fields map[string]string) {
	s.T.Helper()
	for name, field := range fields {
		told, found := r.Attributes().Get(prefix + name)
		wanted := shown[field]
		require.Equal(s.T, wanted != nil, found, name)
		if found {
			require.Equal(s.T, fmt.Sprint(wanted), told.AsString(), name)
		}
	}
}

func at(r plog.LogRecord) time.Time { return r.Timestamp().AsTime() }

func moment(s *setup, text any) time.Time {
	s.T.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text.(string))
	require.NoError(s.T, err)
	return moment
}

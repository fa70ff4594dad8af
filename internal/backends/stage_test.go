//go:build unix

package backends

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

const (
	// patience bounds a whole test.
	patience = 3 * time.Minute
	// manyAlerts is how many alerts the large incident has.
	manyAlerts = 86
	// oldAge is how long ago the old incident last changed: as one that is put
	// on the list months later.
	oldAge = 100 * 24 * time.Hour
)

// stage is a simulated API with a collector in front of it.
type stage struct {
	t       *testing.T
	ctx     context.Context // the deadline of the test, whose steps are methods
	bell    *bell
	api     string
	sim     *defendersim.Sim
	address string // of the simulator
	storage string // directory of the collector
	ids     []int64

	// What the population has, by what happens to it.
	large, old, resolved, worked, shrinking, from, into, unknown int64
}

// newStage makes a population of incidents with ids from first on. No collector
// runs yet.
func newStage(t *testing.T, api string, first int64) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s := &stage{t: t, ctx: ctx, bell: newBell(), api: api, storage: filepath.Join(t.TempDir(), "storage")}
	population := defendersim.DefaultConfig()
	population.FirstID, population.Incidents = first, 7
	population.AlertsPerIncident, population.AlertBytes = 2, 2650
	population.MergedShare, population.ChangesPerHour = 0, 0
	population.PerMinute, population.PerHour, population.GraphPerMinute = 6000, 60000, 6000
	population.Observe = func(defendersim.Request) { s.bell.ring() }
	sim, err := defendersim.New(population)
	require.NoError(t, err)
	s.sim = sim
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	s.address = server.URL
	s.populate(first)
	return s
}

// populate says which incident is which, and adds what a population does not
// have by itself.
func (s *stage) populate(first int64) {
	s.t.Helper()
	s.large, s.resolved, s.worked, s.shrinking, s.from, s.into = first, first+1, first+2, first+3, first+4, first+5
	for range manyAlerts - 2 {
		_, err := s.sim.AddAlert(s.large)
		require.NoError(s.t, err)
	}
	s.old, s.unknown = first+100, first+200
	then := time.Now().Add(-oldAge).Truncate(time.Second)
	require.NoError(s.t, s.sim.Add(defendersim.Incident{
		ID: s.old, Name: "An old incident", Created: then.Add(-time.Hour), LastUpdate: then,
		Alerts: []defendersim.Alert{{
			ID: fmt.Sprintf("da%d_1", s.old), Title: "An old alert", Created: then.Add(-time.Hour), LastUpdated: then.Add(-time.Minute),
			Severity: defendersim.SeverityLow, MitreTechniques: []string{"T1078", "T1566"},
		}},
	}))
	s.ids = append(s.sim.IDs(), s.unknown)
}

// addHuge adds an incident that is larger than 4 MiB, and does not compress well.
func (s *stage) addHuge() int64 {
	s.t.Helper()
	huge := defendersim.Incident{ID: s.into + 50, Name: "A huge incident"}
	noise := rand.NewChaCha8([32]byte{})
	for n := range 150 {
		said := make([]byte, 15_000)
		_, _ = noise.Read(said) // never an error
		huge.Alerts = append(huge.Alerts, defendersim.Alert{
			ID: fmt.Sprintf("da%d_%d", huge.ID, n), Description: hex.EncodeToString(said), Created: time.Now().Add(-time.Hour).Truncate(time.Second),
		})
	}
	require.NoError(s.t, s.sim.Add(huge))
	s.ids = append(s.ids, huge.ID)
	return huge.ID
}

// overText is what a test has otherwise than an example: which incidents, where
// the API is, how one signs in there, where files are, and how fast all goes.
const overText = `
extensions:
  oauth2client:
    token_url: {{.Address}}/{{.Tenant}}/oauth2/v2.0/token
    client_id: {{.ClientID}}
    client_secret: {{.ClientSecret}}
    scopes: ["{{.Scope}}"]
  file_storage: {directory: "{{.Storage}}"}
receivers:
  defender_incidents:
    api: {{.API}}
    incident_ids: [{{.IDs}}]
    collection_interval: 1s
    rate_limit: {requests_per_minute: 6000, requests_per_hour: 60000}
    http: {endpoint: "{{.Address}}", auth: {authenticator: oauth2client}}
service:
  extensions: [file_storage, oauth2client]
  telemetry: {metrics: {level: none}}
`

// over is what is laid over an example, with something more that is the
// backend's.
func (s *stage) over(more string) string {
	s.t.Helper()
	ids := make([]string, len(s.ids))
	for i, id := range s.ids {
		ids[i] = strconv.FormatInt(id, 10)
	}
	scope := "https://api.security.microsoft.com/.default"
	if s.api == defendersim.APIGraph {
		scope = "https://graph.microsoft.com/.default"
	}
	c := defendersim.DefaultConfig()
	var text strings.Builder
	require.NoError(s.t, template.Must(template.New("over").Parse(overText)).Execute(&text, map[string]string{
		"Address": s.address, "Tenant": c.TenantID, "ClientID": c.ClientID, "ClientSecret": c.ClientSecret,
		"Scope": scope, "Storage": s.storage, "API": s.api, "IDs": strings.Join(ids, ", "),
	}))
	return text.String() + more
}

// start starts a collector with an example, over which something is laid.
func (s *stage) start(name string, environment map[string]string, more string) *program {
	s.t.Helper()
	e := example{name: name, environment: environment, over: s.over(more)}
	return launch(s.t, s.bell, e.variables(s.t), collector, e.arguments(s.t)...)
}

// play lets a collector see the population, and everything happen to it that
// makes a record. At the end the collector has delivered all of it into its
// pipeline.
func (s *stage) play(p *program) {
	s.t.Helper()
	s.awaitRound(p)
	update := func(id int64, change func(*defendersim.Incident)) { require.NoError(s.t, s.sim.Update(id, change)) }
	update(s.resolved, func(i *defendersim.Incident) {
		i.Status, i.Classification, i.Determination, i.AssignedTo = defendersim.StatusResolved, "TruePositive", "Phishing", ""
	})
	update(s.worked, func(i *defendersim.Incident) {
		i.Status, i.AssignedTo = defendersim.StatusInProgress, "zoë.müller@contoso.example"
		i.Alerts[0].Severity = defendersim.SeverityHigh
	})
	shrinking, err := s.sim.Incident(s.shrinking)
	require.NoError(s.t, err)
	require.NoError(s.t, s.sim.RemoveAlert(s.shrinking, shrinking.Alerts[0].ID))
	require.NoError(s.t, s.sim.UpdateAlert(s.shrinking, shrinking.Alerts[1].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusResolved }))
	require.NoError(s.t, s.sim.Merge(s.from, s.into))
	s.awaitRound(p)
}

// awaitRound waits until each incident was fetched from now on and what that
// brought was dealt with: it is fetched again only then.
func (s *stage) awaitRound(p *program) {
	s.t.Helper()
	before := len(s.sim.Journal())
	s.await(p, "a round", func() bool {
		answered := map[int64]int{}
		for _, r := range s.sim.Journal()[before:] {
			if r.Endpoint == defendersim.EndpointIncident && r.Status == http.StatusOK {
				answered[r.ID]++
			}
		}
		for _, id := range s.ids {
			if gone, err := s.sim.Incident(id); err != nil || gone.RedirectID != 0 {
				continue // asked for rarely, or not again
			}
			if answered[id] < 2 {
				return false
			}
		}
		return true
	})
}

// await waits until a condition holds, which is looked at whenever the bell has
// rung, and while the program runs.
func (s *stage) await(p *program, what string, holds func() bool) {
	s.t.Helper()
	for {
		rung := s.bell.rung()
		if holds() {
			return
		}
		require.False(s.t, p.over(), "%s ended while waiting for %s: %v", p.cmd.Path, what, p.err)
		select {
		case <-rung:
		case <-s.ctx.Done():
			require.FailNow(s.t, "the time is up", "while waiting for %s", what)
		}
	}
}

// sink is a backend's end.
type sink interface {
	// arrived counts the records that came.
	arrived() int
	// problems are what was refused, and why.
	problems() []string
}

// awaitAll waits until as many records have arrived as the answers ask for. None
// may have been refused, nor dropped by the collector.
func (s *stage) awaitAll(p *program, end sink) {
	s.t.Helper()
	const dropped = "Dropping data."
	s.await(p, "all records", func() bool {
		return arrivedAll(s, end) || len(end.problems()) > 0 || strings.Contains(p.log.String(), dropped)
	})
	require.Empty(s.t, end.problems())
	require.False(s.t, strings.Contains(p.log.String(), dropped), "the collector dropped records") //nolint:testifylint // the whole log would be shown
}

func arrivedAll(s *stage, end sink) bool { return end.arrived() >= len(proof.Expected(s.sim)) }

// shown is an incident as the API shows it, and its alerts. It is asked for as
// another application would, whose requests are counted apart; do so when all that
// arrived has been held against what was served.
func (s *stage) shown(id int64) (incident map[string]any, alerts []map[string]any, size int) {
	s.t.Helper()
	path := fmt.Sprintf("/api/incidents/%d", id)
	if s.api == defendersim.APIGraph {
		path = fmt.Sprintf("/v1.0/security/incidents/%d?$expand=alerts", id)
	}
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.address+path, nil)
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+s.sim.TokenOf(s.api))
	r.Header.Set("Prefer", "include-unknown-enum-members") // as the receiver asks Graph
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, answer.Body.Close())
	require.Equal(s.t, http.StatusOK, answer.StatusCode, "%s", body)
	incident = object(s.t, body)
	for _, alert := range incident["alerts"].([]any) {
		alerts = append(alerts, alert.(map[string]any))
	}
	delete(incident, "alerts")
	return incident, alerts, len(body)
}

// object reads JSON with its numbers as they are written.
func object(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var read map[string]any
	require.NoError(t, d.Decode(&read))
	return read
}

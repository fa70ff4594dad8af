// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

const (
	// timeLimit applies to each test.
	timeLimit = 3 * time.Minute
	// manyAlerts is the number of alerts of the large incident.
	manyAlerts = 86
	// oldAge is how long ago the old incident last changed, as one that a user
	// lists months later.
	oldAge = 100 * 24 * time.Hour
)

// setup is a simulated API with a collector in front of it.
type setup struct {
	*harness.Harness
	settings harness.Settings

	// The incidents by what happens to them.
	large, old, resolved, worked, shrinking, from, into, unknown int64
}

// newSetup makes a population whose incident IDs begin with first. No collector
// runs yet.
func newSetup(t *testing.T, api string, first int64) *setup {
	t.Helper()
	population := defendersim.DefaultConfig()
	population.FirstID, population.Incidents = first, 7
	population.AlertsPerIncident, population.AlertBytes = 2, 2650
	population.MergedShare, population.ChangesPerHour = 0, 0
	population.PerMinute, population.PerHour, population.GraphPerMinute = 6000, 60000, 6000
	s := &setup{Harness: harness.New(t, timeLimit, population)}
	s.settings = s.Settings(harness.Serve(t, s.Sim), "")
	s.settings.API, s.settings.Scope, s.settings.Interval = api, harness.ScopeOf(api), time.Second
	s.populate(first)
	return s
}

// populate assigns the incidents their roles and adds an old one.
func (s *setup) populate(first int64) {
	s.T.Helper()
	s.large, s.resolved, s.worked, s.shrinking, s.from, s.into = first, first+1, first+2, first+3, first+4, first+5
	for range manyAlerts - 2 {
		_, err := s.Sim.AddAlert(s.large)
		require.NoError(s.T, err)
	}
	s.old, s.unknown = first+100, first+200
	then := time.Now().Add(-oldAge).Truncate(time.Second)
	require.NoError(s.T, s.Sim.Add(defendersim.Incident{
		ID: s.old, Name: "An old incident", Created: then.Add(-time.Hour), LastUpdate: then,
		Alerts: []defendersim.Alert{{
			ID: fmt.Sprintf("da%d_1", s.old), Title: "An old alert", Created: then.Add(-time.Hour), LastUpdated: then.Add(-time.Minute),
			Severity: defendersim.SeverityLow, MitreTechniques: []string{"T1078", "T1566"},
		}},
	}))
	s.settings.IDs = append(s.Sim.IDs(), s.unknown)
}

// addHuge adds an incident that is larger than 4 MiB, and does not compress well.
func (s *setup) addHuge() int64 {
	s.T.Helper()
	huge := defendersim.Incident{ID: s.into + 50, Name: "A huge incident"}
	noise := rand.NewChaCha8([32]byte{})
	for n := range 150 {
		text := make([]byte, 15_000)
		_, _ = noise.Read(text) // never an error
		huge.Alerts = append(huge.Alerts, defendersim.Alert{
			ID: fmt.Sprintf("da%d_%d", huge.ID, n), Description: hex.EncodeToString(text), Created: time.Now().Add(-time.Hour).Truncate(time.Second),
		})
	}
	require.NoError(s.T, s.Sim.Add(huge))
	s.settings.IDs = append(s.settings.IDs, huge.ID)
	return huge.ID
}

// unhurried is an overlay that has an exporter wait for the answer longer than a
// busy machine may take. Otherwise it would send again what has arrived.
func unhurried(exporter string) string { return "exporters: {" + exporter + ": {timeout: 2m}}" }

// start starts a collector with an example and an overlay; empty: none.
func (s *setup) start(name string, environment map[string]string, overlay string) *harness.Program {
	s.T.Helper()
	return s.launch(harness.Example{Name: name, Env: environment, Overlays: []string{s.settings.Overlay(s.T), overlay}})
}

func (s *setup) launch(e harness.Example) *harness.Program {
	s.T.Helper()
	return harness.Launch(s.Ctx, s.T, s.Notifier, e.Environment(s.T), collector, e.Arguments(s.T)...)
}

// play lets a collector see the population and then changes it in every way that
// makes a record. When it returns, the collector has delivered all of it into its
// pipeline.
func (s *setup) play(p *harness.Program) {
	s.T.Helper()
	s.AwaitCycle(p, s.settings.IDs...)
	update := func(id int64, change func(*defendersim.Incident)) { require.NoError(s.T, s.Sim.Update(id, change)) }
	update(s.resolved, func(i *defendersim.Incident) {
		i.Status, i.Classification, i.Determination, i.AssignedTo = defendersim.StatusResolved, "TruePositive", "Phishing", ""
	})
	update(s.worked, func(i *defendersim.Incident) {
		i.Status, i.AssignedTo = defendersim.StatusInProgress, "zoë.müller@contoso.example"
		i.Alerts[0].Severity = defendersim.SeverityHigh
	})
	shrinking, err := s.Sim.Incident(s.shrinking)
	require.NoError(s.T, err)
	require.NoError(s.T, s.Sim.RemoveAlert(s.shrinking, shrinking.Alerts[0].ID))
	require.NoError(s.T, s.Sim.UpdateAlert(s.shrinking, shrinking.Alerts[1].ID, func(a *defendersim.Alert) { a.Status = defendersim.StatusResolved }))
	require.NoError(s.T, s.Sim.Merge(s.from, s.into))
	s.AwaitCycle(p, s.settings.IDs...)
}

// backend receives records.
type backend interface {
	RecordCount() int
	// Problems returns why requests were rejected.
	Problems() []string
}

// awaitAll waits until all expected records have arrived. The backend must not
// reject any, and the collector must not drop any.
func (s *setup) awaitAll(p *harness.Program, end backend) {
	s.T.Helper()
	const dropped = "Dropping data."
	s.Await(p, "all records", func() bool {
		return arrivedAll(s, end) || len(end.Problems()) > 0 || strings.Contains(p.Log(), dropped)
	})
	require.Empty(s.T, end.Problems())
	require.False(s.T, strings.Contains(p.Log(), dropped), "the collector dropped records") //nolint:testifylint // the whole log would be shown
}

func arrivedAll(s *setup, end backend) bool { return end.RecordCount() >= len(proof.Expected(s.Sim)) }

// shown returns an incident as the API shows it, its alerts, and the size of the
// response in bytes. The request goes into the simulator's journal, so call it
// after comparing what arrived with what was served.
func (s *setup) shown(id int64) (incident map[string]any, alerts []map[string]any, size int) {
	s.T.Helper()
	path := fmt.Sprintf("/api/incidents/%d", id)
	if s.settings.API == defendersim.APIGraph {
		path = fmt.Sprintf("/v1.0/security/incidents/%d?$expand=alerts", id)
	}
	r, err := http.NewRequestWithContext(s.Ctx, http.MethodGet, s.settings.Endpoint+path, nil)
	require.NoError(s.T, err)
	r.Header.Set("Authorization", "Bearer "+s.Sim.TokenOf(s.settings.API))
	r.Header.Set("Prefer", "include-unknown-enum-members") // as the receiver asks Graph
	response, err := http.DefaultClient.Do(r)
	require.NoError(s.T, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(s.T, err)
	require.NoError(s.T, response.Body.Close())
	require.Equal(s.T, http.StatusOK, response.StatusCode, "%s", body)
	incident = harness.Object(s.T, body)
	for _, alert := range incident["alerts"].([]any) {
		alerts = append(alerts, alert.(map[string]any))
	}
	delete(incident, "alerts")
	return incident, alerts, len(body)
}

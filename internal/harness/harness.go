// SPDX-License-Identifier: Apache-2.0

// Package harness runs a receiver, made by its public factory, between a
// simulated API and a sink that keeps what it gets. It uses no socket and no
// file, so a test can run it in a synctest bubble, where hours pass at once.
// Only tests import it.
package harness // import "github.com/seed2514a141/defenderincidentsreceiver/internal/harness"

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/storagetest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// Harness is a receiver with everything around it. A test may change all of it
// before a start, and start and stop the receiver as often as it likes: the
// simulated API, the disk and the sink outlast each run.
type Harness struct {
	Sim    *defendersim.Sim
	Config *defenderincidentsreceiver.Config
	Sink   *Sink
	Disk   *Disk
	Auth   *Auth
	Host   *Host

	Logs      *observer.ObservedLogs // of all levels
	Telemetry *componenttest.Telemetry
	Settings  receiver.Settings

	// BeforeStart, if set, gets each receiver before it is started.
	BeforeStart func(receiver.Logs)
	// Receiver is the one that was started last; nil before the first start.
	Receiver receiver.Logs

	t       *testing.T
	running *receiver.Logs // to stop at the end of the test; nil inside if it is stopped
}

// New makes a harness under the Defender XDR API. The configuration lists all
// incidents of the population; change adjusts it before it is validated.
func New(t *testing.T, population defendersim.Config, change ...func(*defenderincidentsreceiver.Config)) *Harness {
	t.Helper()
	return NewUnder(t, defenderincidentsreceiver.APIDefenderXDR, population, change...)
}

// NewUnder is New under either API. The simulated Graph API has the same limits
// as the simulated Defender XDR API.
func NewUnder(t *testing.T, api defenderincidentsreceiver.API, population defendersim.Config, change ...func(*defenderincidentsreceiver.Config)) *Harness {
	t.Helper()
	if api == defenderincidentsreceiver.APIGraph {
		population.GraphPerMinute, population.GraphPerHour = population.PerMinute, population.PerHour
		population.GraphForeignPerMinute = population.ForeignPerMinute
	}
	sim, err := defendersim.New(population)
	require.NoError(t, err)
	storageID := storagetest.NewStorageID("state")
	cfg := DefaultConfig(api)
	cfg.IncidentIDs, cfg.StorageID = sim.IDs(), &storageID
	for _, f := range change {
		f(cfg)
	}
	require.NoError(t, cfg.Validate())

	h := &Harness{t: t, Sim: sim, Config: cfg, Sink: &Sink{}, Disk: NewDisk(), Auth: &Auth{sim: sim, api: api}}
	h.Host = &Host{Extensions: map[component.ID]component.Component{AuthID(): h.Auth, storageID: h.Disk}}
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	h.Telemetry = telemetry
	core, logs := observer.New(zap.DebugLevel)
	h.Logs = logs
	h.Settings = receivertest.NewNopSettings(defenderincidentsreceiver.NewFactory().Type())
	h.Settings.TelemetrySettings = h.Telemetry.NewTelemetrySettings()
	h.Settings.TracerProvider = noop.NewTracerProvider() // the other one keeps all spans, which no test looks at
	h.Settings.Logger = zap.New(core)
	h.Settings.BuildInfo.Version = "test"
	return h
}

// DefaultConfig is the default configuration for an API, with AuthID as its
// auth extension. It has no incidents and no storage.
func DefaultConfig(api defenderincidentsreceiver.API) *defenderincidentsreceiver.Config {
	cfg := defenderincidentsreceiver.NewFactory().CreateDefaultConfig().(*defenderincidentsreceiver.Config)
	cfg.API, cfg.HTTP.Endpoint = api, endpoint(api)
	cfg.HTTP.Auth = configoptional.Some(configauth.Config{AuthenticatorID: AuthID()})
	return cfg
}

// Start starts a new receiver, which delivers to the sink. The test stops it at
// its end if it is still running.
func (h *Harness) Start() {
	h.t.Helper()
	h.StartWith(h.Sink)
}

// StartWith is Start with another consumer instead of the sink.
func (h *Harness) StartWith(next consumer.Logs) {
	h.t.Helper()
	made, err := defenderincidentsreceiver.NewFactory().CreateLogs(h.t.Context(), h.Settings, h.Config, next)
	require.NoError(h.t, err)
	if h.BeforeStart != nil {
		h.BeforeStart(made)
	}
	require.NoError(h.t, made.Start(h.t.Context(), h.Host))
	h.Receiver, h.running = made, &made
	h.t.Cleanup(func() {
		if made != nil {
			_ = made.Shutdown(context.Background())
		}
	})
}

// Stop shuts the receiver down, which must succeed.
func (h *Harness) Stop() {
	h.t.Helper()
	require.NoError(h.t, h.Receiver.Shutdown(context.Background()))
	*h.running = nil // nothing but the field Receiver holds it any more
}

// RunOnce runs the receiver for a minute and discards the records, so that the
// next start finds a checkpoint.
func (h *Harness) RunOnce() {
	h.t.Helper()
	h.Start()
	Sleep(time.Minute)
	h.Stop()
	h.Sink.Reset()
}

// SwitchAPI makes the next start use another API.
func (h *Harness) SwitchAPI(api defenderincidentsreceiver.API) {
	h.Config.API, h.Config.HTTP.Endpoint = api, endpoint(api)
	h.Auth.use(api)
}

func endpoint(api defenderincidentsreceiver.API) string {
	if api == defenderincidentsreceiver.APIGraph {
		return "https://graph.microsoft.com"
	}
	return "https://api.security.microsoft.com"
}

// Warnings are the messages so far that were logged as warnings or errors.
func (h *Harness) Warnings() []string {
	var messages []string
	for _, entry := range h.Logs.All() {
		if entry.Level >= zapcore.WarnLevel {
			messages = append(messages, entry.Message)
		}
	}
	return messages
}

// RequireProof compares all records with all responses of the simulated API and
// the requests with the configured limits.
func (h *Harness) RequireProof() {
	h.t.Helper()
	mode := proof.Mode{Alerts: string(h.Config.Alerts), Snapshots: h.Config.Emit == defenderincidentsreceiver.EmitSnapshots}
	require.Empty(h.t, mode.Exactly(h.Sim, h.Sink.Records()))
	require.LessOrEqual(h.t, h.Sim.MaxInWindow(time.Minute), h.Config.RateLimit.RequestsPerMinute)
	require.LessOrEqual(h.t, h.Sim.MaxInWindow(time.Hour), h.Config.RateLimit.RequestsPerHour)
}

// Run is what the receiver has delivered so far, for comparison with what the
// simulated API showed by Gets and rows of the list.
func (h *Harness) Run() proof.Run {
	run := proof.Run{Sim: h.Sim, Deliveries: h.Sink.Deliveries(), Alerts: string(h.Config.Alerts)}
	if h.Config.Emit == defenderincidentsreceiver.EmitSnapshots {
		run.Interval = h.Config.CollectionInterval
	}
	return run
}

// Polls counts the requests for one incident so far or, with 0, for all. Further
// pages of alerts do not count.
func (h *Harness) Polls(id int64) int { return h.count(defendersim.EndpointIncident, id) }

// AlertPages counts the requests for further pages of an incident's alerts or,
// with 0, of all incidents.
func (h *Harness) AlertPages(id int64) int { return h.count(defendersim.EndpointAlerts, id) }

func (h *Harness) count(endpoint string, id int64) int {
	n := 0
	for _, r := range h.Sim.Journal() {
		if r.Endpoint == endpoint && (id == 0 || r.ID == id) {
			n++
		}
	}
	return n
}

// Lists are the requests for a page of the list so far.
func (h *Harness) Lists() []defendersim.Request {
	var lists []defendersim.Request
	for _, r := range h.Sim.Journal() {
		if r.Endpoint == defendersim.EndpointList {
			lists = append(lists, r)
		}
	}
	return lists
}

// PollsSince counts the requests for single incidents since a moment, and how
// many of them got a 429.
func (h *Harness) PollsSince(from time.Time) (polls, rateLimited int) {
	for _, r := range h.Sim.Journal() {
		if r.Endpoint != defendersim.EndpointIncident || r.Time.Before(from) {
			continue
		}
		polls++
		if r.Status == http.StatusTooManyRequests {
			rateLimited++
		}
	}
	return polls, rateLimited
}

// Assign changes the assignee of each incident, and with it the time of its last
// update, so that the next observation shows a change.
func (h *Harness) Assign(ids ...int64) {
	h.t.Helper()
	for _, id := range ids {
		require.NoError(h.t, h.Sim.Update(id, func(i *defendersim.Incident) { i.AssignedTo += "+" }))
	}
}

// Fail makes the simulated API respond to requests with a fault, spelled as in
// defendersim.ParseFault. The ID is an incident's, defendersim.AllIncidents,
// defendersim.ListRequests, defendersim.AlertRequests or, after Auth.SignIn,
// defendersim.TokenRequests.
func (h *Harness) Fail(id int64, fault string) {
	h.t.Helper()
	require.NoError(h.t, h.Sim.SetFault(id, Rule(h.t, fault)))
}

// FailOnce is Fail for the next such request only.
func (h *Harness) FailOnce(id int64, fault string) {
	h.t.Helper()
	rule := Rule(h.t, fault)
	rule.Times = 1
	require.NoError(h.t, h.Sim.SetFault(id, rule))
}

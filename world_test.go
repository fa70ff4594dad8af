package defenderincidentsreceiver

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/storagetest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

var seed = flag.Uint64("seed", defendersim.DefaultConfig().Seed, "decides the populations and what befalls them (make populations)")

// world is a receiver, made by its public factory, between a simulated API and
// a sink. It lives in a synctest bubble; nothing of it uses a socket.
type world struct {
	t    *testing.T
	sim  *defendersim.Sim
	sink *sink
	cfg  *Config
	host *host
	logs *observer.ObservedLogs

	telemetry *componenttest.Telemetry
	settings  receiver.Settings
	receiver  receiver.Logs
	clock     func() time.Time // the receiver's; nil: that of the bubble
}

// quiet is a population of n incidents that only the test changes.
func quiet(n int) defendersim.Config {
	cfg := defendersim.DefaultConfig()
	cfg.Incidents, cfg.MergedShare, cfg.ChangesPerHour = n, 0, 0
	cfg.NoCompression = true // slow under the race detector, and tested elsewhere
	return cfg
}

// underEachAPI runs a test in a bubble of its own under each API, both at once.
func underEachAPI(t *testing.T, test func(t *testing.T, api API)) {
	t.Helper()
	for _, api := range []API{APIDefenderXDR, APIGraph} {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, api) })
		})
	}
}

// newWorld is newWorldUnder the Defender XDR API.
func newWorld(t *testing.T, population defendersim.Config, change ...func(*Config)) *world {
	t.Helper()
	return newWorldUnder(t, APIDefenderXDR, population, change...)
}

// newWorldUnder follows all incidents of the population, with the same limits
// under each API. It is not started.
func newWorldUnder(t *testing.T, api API, population defendersim.Config, change ...func(*Config)) *world {
	t.Helper()
	population.Seed = *seed
	if api == APIGraph {
		population.GraphPerMinute, population.GraphPerHour = population.PerMinute, population.PerHour
		population.GraphForeignPerMinute = population.ForeignPerMinute
	}
	sim, err := defendersim.New(population)
	require.NoError(t, err)

	cfg := createDefaultConfig().(*Config)
	cfg.API, cfg.HTTP.Endpoint = api, defaultEndpoint(api)
	cfg.IncidentIDs = sim.IDs()
	cfg.HTTP.Auth = configoptional.Some(configauth.Config{AuthenticatorID: authID})
	storageID := storagetest.NewStorageID("state")
	cfg.StorageID = &storageID
	for _, f := range change {
		f(cfg)
	}
	require.NoError(t, cfg.Validate())

	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	core, logs := observer.New(zap.DebugLevel)
	settings := receivertest.NewNopSettings(NewFactory().Type())
	settings.TelemetrySettings = telemetry.NewTelemetrySettings()
	settings.Logger = zap.New(core)
	settings.BuildInfo.Version = "test"
	return &world{
		t: t, sim: sim, sink: &sink{}, cfg: cfg, logs: logs, telemetry: telemetry, settings: settings,
		host: &host{extensions: map[component.ID]component.Component{
			authID:    &auth{sim: sim, api: api},
			storageID: storagetest.NewFileBackedStorageExtension("state", t.TempDir()),
		}},
	}
}

// start starts the receiver and has it stopped at the end of the test.
func (w *world) start() {
	w.t.Helper()
	w.startWith(w.sink)
}

func (w *world) startWith(next consumer.Logs) {
	w.t.Helper()
	made, err := NewFactory().CreateLogs(w.t.Context(), w.settings, w.cfg, next)
	require.NoError(w.t, err)
	if w.clock != nil {
		made.(*incidentsReceiver).clock = w.clock
	}
	require.NoError(w.t, made.Start(w.t.Context(), w.host))
	w.receiver = made
	w.t.Cleanup(func() { _ = made.Shutdown(context.Background()) })
}

func (w *world) stop() {
	w.t.Helper()
	require.NoError(w.t, w.receiver.Shutdown(context.Background()))
}

// haveRun has had the receiver run for a minute, and the records of that taken.
func (w *world) haveRun() {
	w.t.Helper()
	w.start()
	time.Sleep(time.Minute)
	w.stop()
	w.sink.Reset()
}

// messages are the log lines at or above a level.
func (w *world) messages(level zap.AtomicLevel) []string {
	var messages []string
	for _, entry := range w.logs.All() {
		if level.Enabled(entry.Level) {
			messages = append(messages, entry.Message)
		}
	}
	return messages
}

// complaints are the log lines that ask for attention.
func (w *world) complaints() []string { return w.messages(zap.NewAtomicLevelAt(zap.WarnLevel)) }

// requireProof holds all that was emitted against all that was served, and the
// requests against the limits.
func (w *world) requireProof() {
	w.t.Helper()
	require.Empty(w.t, proof.Exactly(w.sim, w.sink.records()))
	require.LessOrEqual(w.t, w.sim.MaxInWindow(time.Minute), w.cfg.RateLimit.RequestsPerMinute)
	require.LessOrEqual(w.t, w.sim.MaxInWindow(time.Hour), w.cfg.RateLimit.RequestsPerHour)
}

// auth is the extension that signs the requests.
func (w *world) auth() *auth { return w.host.extensions[authID].(*auth) }

// requests are the calls of the API so far, of one incident or, with 0, of all.
func (w *world) requests(id int64) int {
	n := 0
	for _, r := range w.sim.Journal() {
		if r.Endpoint == defendersim.EndpointIncident && (id == 0 || r.ID == id) {
			n++
		}
	}
	return n
}

// sink is the pipeline's end. refuse, where set, is asked before each delivery.
type sink struct {
	consumertest.LogsSink
	refuse func(context.Context) error
}

func (s *sink) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	if s.refuse != nil {
		if err := s.refuse(ctx); err != nil {
			return err
		}
	}
	return s.LogsSink.ConsumeLogs(ctx, logs)
}

func (s *sink) records() []proof.Record {
	var all []proof.Record
	for _, logs := range s.AllLogs() {
		all = append(all, proof.Records(logs)...)
	}
	return all
}

// changes are the records since the last call, as "id change", "id alert change".
func (s *sink) changes() []string {
	var all []string
	for _, r := range s.records() {
		all = append(all, describe(r))
	}
	s.Reset()
	return all
}

func describe(r proof.Record) string {
	if r.Alert != "" {
		return fmt.Sprintf("%d alert %s", r.Incident, r.Change)
	}
	return fmt.Sprintf("%d %s", r.Incident, r.Change)
}

// host keeps the status that the receiver reports, as text.
type host struct {
	extensions map[component.ID]component.Component

	mu       sync.Mutex
	statuses []string
}

var _ componentstatus.Reporter = (*host)(nil)

func (h *host) Report(event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	status := event.Status().String()
	if event.Err() != nil {
		status += ": " + event.Err().Error()
	}
	h.statuses = append(h.statuses, status)
}

func (h *host) reported() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.statuses)
}

func (h *host) GetExtensions() map[component.ID]component.Component { return h.extensions }

var authID = component.MustNewID("auth")

// auth signs requests with a token of the simulator's and brings them to it.
type auth struct {
	component.StartFunc
	component.ShutdownFunc
	sim *defendersim.Sim
	api API // that the tokens are for

	mu    sync.Mutex
	err   error             // what the sign-in fails with; nil: it works
	grant defendersim.Grant // what the tokens say
}

var _ extensionauth.HTTPClient = (*auth)(nil)

func (a *auth) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// sign says what the tokens are to say from now on.
func (a *auth) sign(grant defendersim.Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grant = grant
}

func (a *auth) RoundTripper(http.RoundTripper) (http.RoundTripper, error) {
	transport := a.sim.RoundTripper()
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		a.mu.Lock()
		err, grant := a.err, a.grant
		a.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if grant.Audience == "" {
			grant.Audience = map[API]string{
				APIDefenderXDR: "https://api.security.microsoft.com", APIGraph: "https://graph.microsoft.com",
			}[a.api]
		}
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+a.sim.TokenFor(grant))
		return transport.RoundTrip(r)
	}), nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

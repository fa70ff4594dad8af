package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/poll"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

const (
	// deliveryGrace is how long a Shutdown without a deadline of its own waits
	// for the pipeline to take what it was just given.
	deliveryGrace = 5 * time.Second
	// abandonGrace is how long a consumer may take to notice that it is over.
	abandonGrace = time.Second
)

// incidentsReceiver starts and stops the engine and the clients that it works with.
type incidentsReceiver struct {
	settings receiver.Settings
	cfg      *Config
	next     consumer.Logs
	clock    func() time.Time // time.Now, but for tests

	// Set by Start, nil before; Start and Shutdown are never called at once.
	client     *http.Client
	store      *checkpoint.Store
	engine     *poll.Engine
	stopping   context.CancelFunc // ends the requests and the loop
	abandoning context.CancelFunc // ends a delivery, and calls of the storage
	done       chan struct{}      // closed when the loop has ended
}

func newReceiver(settings receiver.Settings, cfg *Config, next consumer.Logs) *incidentsReceiver {
	return &incidentsReceiver{settings: settings, cfg: cfg, next: next, clock: time.Now}
}

// Start reads the IDs and the checkpoint and starts the engine. It does not call the API: what is wrong there is reported and retried
// while the collector runs.
func (r *incidentsReceiver) Start(ctx context.Context, host component.Host) error {
	ids, err := idlist.Open(r.cfg.IncidentIDs, r.cfg.IncidentIDsFile, r.settings.Logger)
	if err != nil {
		return err
	}
	endpoint, err := url.Parse(r.cfg.HTTP.Endpoint)
	if err != nil {
		return errors.New("http::endpoint is not a URL") // not repeated: it may hold a password
	}
	r.client, err = r.cfg.client(ctx, host.GetExtensions(), r.settings.TelemetrySettings)
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	storageClient, err := r.storageClient(ctx, host)
	if err != nil {
		return err
	}
	store, contents, err := checkpoint.Open(ctx, storageClient, string(r.cfg.API)) // which closes the client if it fails
	if err != nil {
		return err
	}
	if r.cfg.StorageID != nil && len(contents.Summaries) == 0 {
		// bbolt takes an empty file for a new one, so a file that was truncated looks like a first start.
		r.settings.Logger.Info("the storage holds no incidents; every incident is emitted as new", zap.Stringer("storage", r.cfg.StorageID))
	}
	engine, err := poll.Open(ctx, r.cfg.pollSettings(endpoint.Hostname()), poll.Parts{
		Receiver: r.settings, Next: r.next, Store: store, IDs: ids, Clock: r.clock,
		Report: func(event *componentstatus.Event) { componentstatus.ReportStatus(host, event) },
		Client: defender.NewClient(r.client, defender.Settings{
			API: defender.API(r.cfg.API), Endpoint: endpoint,
			MaxBody: r.cfg.MaxResponseBodySize, KeepOriginal: r.cfg.IncludeOriginal, Ignored: incident.Ignore(r.cfg.IgnoreChanges...),
			NoAlerts: r.cfg.Alerts == AlertsNone,
		}),
	}, contents)
	if err != nil {
		return errors.Join(err, store.Close(ctx))
	}
	r.store, r.engine = store, engine
	r.run()
	return nil
}

// run starts the loop. Its contexts are not derived from that of Start, which ends with Start.
func (r *incidentsReceiver) run() {
	running, stopping := context.WithCancel(context.Background())
	delivering, abandoning := context.WithCancel(context.Background())
	r.stopping, r.abandoning, r.done = stopping, abandoning, make(chan struct{})
	go func() {
		defer close(r.done)
		r.engine.Run(running, delivering)
	}()
}

// Shutdown ends the requests first, then lets the pipeline accept what it was just given, until ctx ends or deliveryGrace has passed.
// What was not accepted is not in the checkpoint and is delivered after the next start.
func (r *incidentsReceiver) Shutdown(ctx context.Context) error {
	if r.done == nil {
		return r.release(ctx)
	}
	r.stopping()
	grace := time.NewTimer(deliveryGrace)
	defer grace.Stop()
	select {
	case <-r.done:
	case <-grace.C:
	case <-ctx.Done():
	}
	r.abandoning()
	grace.Reset(abandonGrace)
	select {
	case <-r.done:
		return r.release(context.WithoutCancel(ctx))
	case <-grace.C:
		return fmt.Errorf("the receiver still waits for %s, though the time for that has ended: the checkpoint stays open", r.engine.WaitingFor())
	}
}

// release gives back what Start took. It is safe to call again.
func (r *incidentsReceiver) release(ctx context.Context) error {
	if r.client != nil {
		r.client.CloseIdleConnections()
		r.client = nil
	}
	if r.engine == nil {
		return nil
	}
	r.engine.Close()
	r.engine = nil
	return r.store.Close(ctx)
}

// storageClient is the storage that the configuration names, or one that
// forgets everything at the end.
func (r *incidentsReceiver) storageClient(ctx context.Context, host component.Host) (storage.Client, error) {
	if r.cfg.StorageID == nil {
		r.settings.Logger.Info("no storage configured; every start emits every incident once and forgets which requests were sent, " +
			"so frequent restarts exceed the API's rate limits")
		return checkpoint.NewMemory(), nil
	}
	extension, found := host.GetExtensions()[*r.cfg.StorageID]
	if !found {
		return nil, fmt.Errorf("storage: there is no extension %s; add it to extensions and to service::extensions", r.cfg.StorageID)
	}
	storageExtension, ok := extension.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: the extension %s is not a storage; use one such as file_storage", r.cfg.StorageID)
	}
	client, err := storageExtension.GetClient(ctx, component.KindReceiver, r.settings.ID, "")
	if err != nil {
		return nil, fmt.Errorf("storage: %s cannot be opened (one process can use it at a time; a damaged one has to be restored, or replaced by an empty one, "+
			"which emits every incident once more): %w", r.cfg.StorageID, err)
	}
	return client, nil
}

// pollSettings are the settings of the engine.
func (c *Config) pollSettings(host string) poll.Settings {
	s := poll.Settings{
		API: string(c.API), Host: host, Interval: c.CollectionInterval, Limits: c.RateLimit.limits(),
		MaxConcurrentRequests: c.MaxConcurrentRequests,
		Alerts:                incident.AlertsMode(c.Alerts), Snapshots: c.Emit == EmitSnapshots,
		IgnoreChanges: c.IgnoreChanges, IncludeOriginal: c.IncludeOriginal,
	}
	if f := c.ChangeFeed.Get(); f != nil {
		s.Feed = &poll.FeedSettings{
			Interval: f.Interval, Limits: f.RateLimit.limits(), Sweep: f.Sweep, AlertFeed: f.AlertFeed,
			Discover: f.Discover, Lookback: f.Lookback, ForgetAfter: f.ForgetAfter,
		}
	}
	return s
}

func (r RateLimitConfig) limits() []quota.Limit {
	return []quota.Limit{{Window: time.Minute, Requests: r.RequestsPerMinute}, {Window: time.Hour, Requests: r.RequestsPerHour}}
}

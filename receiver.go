package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
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
)

const (
	// deliveryGrace is how long a Shutdown without a deadline of its own waits
	// for the pipeline to take what it was just given.
	deliveryGrace = 5 * time.Second
	// abandonGrace is how long a consumer may take to notice that it is over.
	abandonGrace = time.Second
)

// incidentsReceiver starts and stops a poller and the clients it works with.
type incidentsReceiver struct {
	settings receiver.Settings
	cfg      *Config
	next     consumer.Logs
	clock    func() time.Time // time.Now, but for tests

	// Set by Start, nil before; Start and Shutdown are never called at once.
	client     *http.Client
	store      *checkpoint.Store
	stopping   context.CancelFunc // ends the fetches and the loop
	abandoning context.CancelFunc // ends a delivery
	done       chan struct{}      // closed when the loop has ended
}

func newReceiver(settings receiver.Settings, cfg *Config, next consumer.Logs) *incidentsReceiver {
	return &incidentsReceiver{settings: settings, cfg: cfg, next: next, clock: time.Now}
}

// Start reads the ids and the checkpoint and starts the loop. It does not call
// the API: what is wrong there is for the loop to report and to outlast.
func (r *incidentsReceiver) Start(ctx context.Context, host component.Host) error {
	list, err := idlist.Open(r.cfg.IncidentIDs, r.cfg.IncidentIDsFile, r.settings.Logger)
	if err != nil {
		return err
	}
	endpoint, err := url.Parse(r.cfg.HTTP.Endpoint)
	if err != nil {
		return errors.New("http::endpoint is not a URL") // not repeated: it may hold a password
	}
	r.client, err = r.cfg.HTTP.ToClient(ctx, host.GetExtensions(), r.settings.TelemetrySettings)
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	storageClient, err := r.storageClient(ctx, host)
	if err != nil {
		return err
	}
	store, contents, err := checkpoint.Open(ctx, storageClient, string(r.cfg.API))
	if err != nil {
		return err
	}
	r.store = store

	client := defender.NewClient(r.client, defender.Settings{
		API: defender.API(r.cfg.API), Endpoint: endpoint,
		MaxBody: r.cfg.MaxResponseBodySize, KeepOriginal: r.cfg.IncludeOriginal, Ignored: incident.Ignore(r.cfg.IgnoreChanges...),
	})
	status := func(event *componentstatus.Event) { componentstatus.ReportStatus(host, event) }
	poller, err := newPoller(r.cfg, r.settings, r.next, status, client, endpoint.Hostname(), store)
	if err != nil {
		return errors.Join(err, store.Close(ctx))
	}
	if err := poller.restore(ctx, r.idsAtStart(list, contents), contents, r.clock()); err != nil {
		return errors.Join(err, store.Close(ctx))
	}

	// Not derived from ctx, which ends with Start.
	running, stopping := context.WithCancel(context.Background())
	delivering, abandoning := context.WithCancel(context.Background())
	r.stopping, r.abandoning, r.done = stopping, abandoning, make(chan struct{})
	go func() {
		defer close(r.done)
		run(running, delivering, poller, list, r.clock)
	}()
	return nil
}

// idsAtStart returns the configured IDs. If the IDs file names none, they include
// every incident in the checkpoint, which would otherwise be deleted because of
// a file that its job failed to write.
func (r *incidentsReceiver) idsAtStart(list *idlist.List, contents checkpoint.Contents) []int64 {
	if !list.FileEmpty() || len(contents.Summaries) == 0 {
		return list.IDs()
	}
	r.settings.Logger.Warn("incident_ids_file has no IDs; keeping the incidents in the checkpoint",
		zap.String("file", list.Path()), zap.Int("incidents", len(contents.Summaries)))
	return slices.Concat(list.IDs(), slices.Sorted(maps.Keys(contents.Summaries)))
}

// Shutdown ends the fetches first, then lets the pipeline take what it was just
// given, until ctx ends or deliveryGrace has passed. What was not accepted is
// not in the checkpoint and comes again after the next start.
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
		return errors.New("the pipeline did not return after its context had ended: the checkpoint stays open")
	}
}

// release gives back what Start took. It is safe to call again.
func (r *incidentsReceiver) release(ctx context.Context) error {
	if r.client != nil {
		r.client.CloseIdleConnections()
		r.client = nil
	}
	if r.store == nil {
		return nil
	}
	store := r.store
	r.store = nil
	return store.Close(ctx)
}

// storageClient is the storage that the configuration names, or one that
// forgets everything at the end.
func (r *incidentsReceiver) storageClient(ctx context.Context, host component.Host) (storage.Client, error) {
	if r.cfg.StorageID == nil {
		r.settings.Logger.Info("no storage is set: every start emits every incident once, and forgets what was sent within the hour: " +
			"do not restart often, or the API's limits are exceeded")
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

// run is the loop, and the only place that waits: for an answer, for the moment
// the poller or the list of IDs asks to be woken at, or for the end. The fetches that
// it starts have all ended when it returns.
func run(running, delivering context.Context, p *poller, list *idlist.List, clock func() time.Time) {
	answers := make(chan arrival, p.cfg.MaxConcurrentRequests) // room for all: no fetch waits here
	var fetches sync.WaitGroup

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-running.Done():
			fetches.Wait()
			for len(answers) > 0 {
				p.arrived(<-answers)
			}
			p.saveAccounts(clock())
			return
		case a := <-answers:
			p.arrived(a)
		case <-timer.C:
		}
		if list.Check(clock()) {
			p.refollow(list.IDs(), clock())
		}
		for running.Err() == nil && p.deliverNext(delivering, clock()) {
		}
		for running.Err() == nil {
			now := clock()
			t, ok, wake := p.next(now)
			if !ok {
				if check, ok := list.NextCheck(); ok && check.Before(wake) {
					wake = check
				}
				if measure := p.measure(now); measure.Before(wake) {
					wake = measure
				}
				timer.Reset(wake.Sub(now))
				break
			}
			p.sending(t, now)
			fetches.Go(func() { answers <- ask(running, p.client, t, clock) })
		}
	}
}

// ask asks the API and returns its answer.
func ask(ctx context.Context, client *defender.Client, t task, clock func() time.Time) arrival {
	if t.page != nil {
		page := client.List(ctx, *t.page)
		return arrival{page: &page, at: clock()}
	}
	if t.rest != nil {
		answer := client.Continue(ctx, t.rest)
		return arrival{id: t.id, answer: answer, at: clock()}
	}
	answer := client.Get(ctx, t.id)
	return arrival{id: t.id, answer: answer, at: clock()}
}

// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/poll"
)

const (
	// deliveryGrace is how long the end of a term without a deadline of its own
	// waits for the pipeline to accept what it was just given.
	deliveryGrace = 5 * time.Second
	// abandonGrace is how long a consumer may take to notice that its context has
	// ended.
	abandonGrace = time.Second
)

// term is a period of polling: from Start to Shutdown or, with a leader
// elector, while this collector leads.
type term struct {
	engine     *poll.Engine
	stopping   context.CancelFunc // ends the requests and the loop
	abandoning context.CancelFunc // ends a delivery, and storage calls
	done       chan struct{}      // closed when the loop has ended
	release    func() error       // gives back what begin took, once
}

// begin reads the checkpoint and starts the engine, which polls until running is
// canceled or the term ends. ctx is used only until begin returns.
func (r *incidentsReceiver) begin(ctx, running context.Context, host component.Host, f found) (*term, error) {
	t, err := r.open(ctx, host, f)
	if err != nil {
		f.client.CloseIdleConnections()
		return nil, err
	}
	t.run(running)
	return t, nil
}

// found is what the configuration refers to, before any of it is used.
type found struct {
	ids      *idlist.List
	endpoint *url.URL
	client   *http.Client
	storage  storage.Extension // nil: none is configured
}

// find returns an error if the IDs file cannot be read or an extension is missing.
func (r *incidentsReceiver) find(ctx context.Context, host component.Host) (found, error) {
	var f found
	var err error
	f.ids, err = idlist.Open(r.cfg.IncidentIDs, r.cfg.IncidentIDsFile, r.settings.Logger)
	if err := confcheck.Join(err, r.cfg.checkExtensions(host.GetExtensions())); err != nil {
		return found{}, err
	}
	f.endpoint, err = url.Parse(r.cfg.HTTP.Endpoint)
	if err != nil {
		return found{}, errors.New("http::endpoint is not a URL") // not repeated: it may hold a password
	}
	f.client, err = r.cfg.client(ctx, host.GetExtensions(), r.settings.TelemetrySettings)
	if err != nil {
		return found{}, fmt.Errorf("http: %w", err)
	}
	if r.cfg.StorageID != nil {
		f.storage = host.GetExtensions()[*r.cfg.StorageID].(storage.Extension) // see checkExtensions
	}
	return f, nil
}

// open opens the checkpoint and restores the engine from it.
func (r *incidentsReceiver) open(ctx context.Context, host component.Host, f found) (*term, error) {
	storageClient, err := r.storageClient(ctx, f.storage)
	if err != nil {
		return nil, err
	}
	store, contents, err := checkpoint.Open(ctx, storageClient, string(r.cfg.API)) // which closes the client if it fails
	if err != nil {
		return nil, err
	}
	if r.cfg.StorageID != nil && len(contents.Summaries) == 0 {
		// bbolt treats an empty file as a new one, so a truncated file looks like a first start.
		r.settings.Logger.Info("the storage holds no incidents; every incident is emitted as new", zap.Stringer("storage", r.cfg.StorageID))
	}
	engine, err := poll.Open(ctx, r.cfg.pollSettings(f.endpoint.Hostname()), poll.Parts{
		Receiver: r.settings, Next: r.next, Store: store, IDs: f.ids, Clock: r.clock,
		Report: func(event *componentstatus.Event) { componentstatus.ReportStatus(host, event) },
		Client: defender.NewClient(f.client, defender.Settings{
			API: defender.API(r.cfg.API), Endpoint: f.endpoint,
			MaxBody: r.cfg.MaxResponseBodySize, KeepOriginal: r.cfg.IncludeOriginal, Ignored: incident.Ignore(r.cfg.IgnoreChanges...),
			NoAlerts: r.cfg.Alerts == AlertsNone,
		}),
	}, contents)
	if err != nil {
		return nil, errors.Join(err, store.Close(ctx))
	}
	return &term{engine: engine, release: sync.OnceValue(func() error {
		f.client.CloseIdleConnections()
		engine.Close()
		return store.Close(context.WithoutCancel(ctx))
	})}, nil
}

// storageClient is the configured storage, or one that forgets everything at
// the end.
func (r *incidentsReceiver) storageClient(ctx context.Context, extension storage.Extension) (storage.Client, error) {
	if extension == nil {
		r.settings.Logger.Info("no storage configured; every start emits every incident once and forgets which requests were sent, " +
			"so frequent restarts exceed the API's rate limits")
		return checkpoint.NewMemory(), nil
	}
	client, err := extension.GetClient(ctx, component.KindReceiver, r.settings.ID, "")
	if err != nil {
		return nil, fmt.Errorf("storage: cannot open %s (only one process can use it at a time; if it is damaged, restore it, or use an empty one, "+
			"which emits every incident again): %w", r.cfg.StorageID, err)
	}
	return client, nil
}

// run starts the loop.
func (t *term) run(running context.Context) {
	running, t.stopping = context.WithCancel(running)
	delivering, abandoning := context.WithCancel(context.Background())
	t.abandoning, t.done = abandoning, make(chan struct{})
	go func() {
		defer close(t.done)
		t.engine.Run(running, delivering)
	}()
}

// end ends the requests first, then lets the pipeline accept what it was just
// given, until ctx ends or deliveryGrace has passed. It is safe to call again.
func (t *term) end(ctx context.Context) error {
	t.stopping()
	grace := time.NewTimer(deliveryGrace)
	defer grace.Stop()
	select {
	case <-t.done:
	case <-grace.C:
	case <-ctx.Done():
	}
	t.abandoning()
	grace.Reset(abandonGrace)
	select {
	case <-t.done:
		return t.release()
	case <-grace.C:
		go func() { // the next term can then open the storage
			<-t.done
			_ = t.release()
		}()
		return fmt.Errorf("shutdown timed out waiting for %s; the checkpoint stays open", t.engine.WaitingFor())
	}
}

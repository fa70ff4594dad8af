// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

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

// dependencies are what the configuration refers to, before any of it is used.
type dependencies struct {
	ids      *idlist.List
	endpoint *url.URL
	client   *http.Client
	storage  storage.Extension // nil: none is configured
}

// resolve returns what the configuration refers to. It returns an error if the IDs file cannot be read or an extension is missing.
func (r *incidentsReceiver) resolve(ctx context.Context, host component.Host) (dependencies, error) {
	var deps dependencies
	var err error
	deps.ids, err = idlist.Open(r.cfg.IncidentIDs, r.cfg.IncidentIDsFile, r.settings.Logger)
	if err := confcheck.Join(err, r.cfg.checkExtensions(host.GetExtensions())); err != nil {
		return dependencies{}, err
	}
	deps.endpoint, err = url.Parse(r.cfg.HTTP.Endpoint)
	if err != nil {
		return dependencies{}, errors.New("http::endpoint is not a URL") // not repeated: it may hold a password
	}
	deps.client, err = r.cfg.client(ctx, host.GetExtensions(), r.settings.TelemetrySettings)
	if err != nil {
		return dependencies{}, fmt.Errorf("http: %w", err)
	}
	if r.cfg.StorageID != nil {
		deps.storage = host.GetExtensions()[*r.cfg.StorageID].(storage.Extension) // see checkExtensions
	}
	return deps, nil
}

// openTerm opens the checkpoint and restores the engine from it. The term does not poll yet.
func (r *incidentsReceiver) openTerm(ctx context.Context, host component.Host, deps dependencies) (*term, error) {
	client, err := r.openStorage(ctx, deps.storage)
	if err != nil {
		return nil, err
	}
	store, contents, err := checkpoint.Open(ctx, client, string(r.cfg.API)) // which closes the client if it fails
	if err != nil {
		return nil, err
	}
	if r.cfg.StorageID != nil && len(contents.Summaries) == 0 {
		// bbolt treats an empty file as a new one, so a truncated file looks like a first start.
		r.settings.Logger.Info("the storage holds no incidents; every incident is emitted as new", zap.Stringer("storage", r.cfg.StorageID))
	}
	engine, err := poll.Open(ctx, r.cfg.pollSettings(deps.endpoint.Hostname()), poll.Parts{
		Receiver: r.settings, Next: r.next, Store: store, IDs: deps.ids, Clock: r.clock,
		Report: func(event *componentstatus.Event) { componentstatus.ReportStatus(host, event) },
		Client: defender.NewClient(deps.client, defender.Settings{
			API: defender.API(r.cfg.API), Endpoint: deps.endpoint,
			MaxBody: r.cfg.MaxResponseBodySize, KeepOriginal: r.cfg.IncludeOriginal, Ignored: incident.Ignore(r.cfg.IgnoreChanges...),
			NoAlerts: r.cfg.Alerts == AlertsNone,
		}),
	}, contents)
	if err != nil {
		return nil, errors.Join(err, store.Close(ctx))
	}
	return &term{engine: engine, release: sync.OnceValue(func() error {
		deps.client.CloseIdleConnections()
		engine.Close()
		return store.Close(context.WithoutCancel(ctx))
	})}, nil
}

// openStorage returns a client of the configured storage, or of one that forgets everything at the end.
func (r *incidentsReceiver) openStorage(ctx context.Context, extension storage.Extension) (storage.Client, error) {
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

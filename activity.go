// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadata"
)

// activity is the metric that shows whether a receiver polls, or waits to lead.
type activity struct {
	*metadata.TelemetryBuilder
	polls atomic.Bool // read by the collector's goroutines
}

func newActivity(settings receiver.Settings) (*activity, error) {
	builder, err := metadata.NewTelemetryBuilder(settings.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	a := &activity{TelemetryBuilder: builder}
	id := metric.WithAttributes(attribute.String("receiver", settings.ID.String()))
	err = builder.RegisterReceiverDefenderIncidentsActiveCallback(func(_ context.Context, o metric.Int64Observer) error {
		var active int64
		if a.polls.Load() {
			active = 1
		}
		o.Observe(active, id)
		return nil
	})
	if err != nil {
		builder.Shutdown()
		return nil, err
	}
	return a, nil
}

// set sets whether the receiver polls from now on.
func (a *activity) set(polls bool) { a.polls.Store(polls) }

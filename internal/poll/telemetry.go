// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadata"
)

// The API's endpoints, as named in the metrics.
const (
	callIncident = "incident"
	callList     = "list"
	callAlerts   = "alerts"
	callAll      = "all" // all of them, if the API counts them together
)

// The kinds of requests that poll an incident, as named in the metrics.
const (
	fromGet  = "get"
	fromList = "list"
)

// telemetry holds the metrics of one receiver. Each measurement carries the receiver's ID, since all receivers of a process write to the
// same instruments, and the collector does not add it (unless its feature gate telemetry.newPipelineTelemetry is on).
type telemetry struct {
	*metadata.TelemetryBuilder
	receiver  attribute.KeyValue
	clock     func() time.Time
	gauges    atomic.Pointer[gauges] // read by the collector's goroutines
	published time.Time
	ahead     *time.Duration // how far the API's clock was ahead at its last response; nil if not known yet
}

func newTelemetry(settings receiver.Settings, clock func() time.Time) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(settings.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	t := &telemetry{TelemetryBuilder: builder, receiver: attribute.String("receiver", settings.ID.String()), clock: clock}
	t.gauges.Store(&gauges{})
	if err := t.registerGauges(); err != nil {
		builder.Shutdown()
		return nil, err
	}
	return t, nil
}

// with returns the attributes of a measurement: the receiver's ID, then others as name, value, name, value.
func (t *telemetry) with(others ...string) metric.MeasurementOption {
	attributes := make([]attribute.KeyValue, 0, 1+len(others)/2)
	attributes = append(attributes, t.receiver)
	for pair := range slices.Chunk(others, 2) {
		attributes = append(attributes, attribute.String(pair[0], pair[1]))
	}
	return metric.WithAttributes(attributes...)
}

// pollDelay records how late an incident is requested.
func (t *telemetry) pollDelay(due, now time.Time) {
	t.ReceiverDefenderIncidentsPollDelay.Record(context.Background(), max(0, now.Sub(due)).Seconds(), t.with())
}

// countPoll counts a poll: something has shown an incident whole.
func (t *telemetry) countPoll(source string) {
	t.ReceiverDefenderIncidentsPolls.Add(context.Background(), 1, t.with("source", source))
}

// late counts a change that only a re-read found.
func (t *telemetry) late() {
	t.ReceiverDefenderIncidentsLateChanges.Add(context.Background(), 1, t.with())
}

// size records the size of a response body, if there was one.
func (t *telemetry) size(bytes int) {
	if bytes > 0 {
		t.ReceiverDefenderIncidentsResponseSize.Record(context.Background(), int64(bytes), t.with())
	}
}

// dated records how far the API's clock is ahead of this machine's. A zero date means that the response has none.
func (t *telemetry) dated(date, sent, arrived time.Time) {
	if !date.IsZero() {
		t.ahead = new(clockAhead(date, sent, arrived))
	}
}

// clockAhead returns the smallest possible difference by which the API's clock is ahead of this machine's, negative if it is behind. The
// response was made between sent and arrived, within the second of its date.
func clockAhead(date, sent, arrived time.Time) time.Duration {
	least, most := date.Sub(arrived.Round(0)), date.Add(time.Second).Sub(sent.Round(0))
	switch {
	case least > 0:
		return least
	case most < 0:
		return most
	}
	return 0
}

// returned counts a response that showed the incident.
func (t *telemetry) returned(change incident.Change, after incident.State) {
	switch {
	case after.Merged:
		t.responded(callIncident, "merged")
	case change.Empty() || change.Kind == incident.Unchanged:
		t.responded(callIncident, "unchanged")
	default:
		t.responded(callIncident, "ok")
	}
}

// failed counts a response that showed nothing, or a failed sign-in: without a token, no request was sent.
func (t *telemetry) failed(call string, kind defender.Kind) {
	switch kind {
	case defender.NoToken:
		t.ReceiverDefenderIncidentsSignInFailures.Add(context.Background(), 1, t.with())
	case defender.NotFound:
		t.responded(call, "not_found")
	case defender.Throttled:
		t.responded(call, "throttled")
	case defender.Unauthorized, defender.Forbidden:
		t.responded(call, "denied")
	case defender.Malformed:
		t.responded(call, "malformed")
	case defender.Oversize:
		t.responded(call, "oversize")
	default:
		t.responded(call, "failed")
	}
}

// responded counts a response; the outcomes are those that metadata.yaml lists.
func (t *telemetry) responded(call, outcome string) {
	t.ReceiverDefenderIncidentsRequests.Add(context.Background(), 1, t.with("call", call, "outcome", outcome))
}

// checkpointFailed counts a read or a write of the checkpoint that failed.
func (t *telemetry) checkpointFailed() {
	t.ReceiverDefenderIncidentsCheckpointFailures.Add(context.Background(), 1, t.with())
}

// rejected counts the records that the pipeline rejected permanently.
func (t *telemetry) rejected(records int) {
	t.ReceiverDefenderIncidentsRejected.Add(context.Background(), int64(records), t.with())
}

// delivered counts the records that the pipeline accepted, and records the age of the change when it was handed over.
func (t *telemetry) delivered(d delivery, handed time.Time) {
	count := func(event string, kind incident.Kind) {
		t.ReceiverDefenderIncidentsRecords.Add(context.Background(), 1, t.with("event", event, "change", string(kind)))
	}
	if d.change.Kind != "" {
		count("incident", d.change.Kind)
	}
	for _, alert := range d.change.Alerts {
		count("alert", alert.Kind)
	}
	if newest := newestChange(d); !newest.IsZero() {
		age := max(0, handed.Round(0).Sub(newest)) // the service's clock may be ahead
		t.ReceiverDefenderIncidentsChangeDelay.Record(context.Background(), age.Seconds(), t.with())
	}
}

// newestChange returns when the incident or one of its alerts last changed. It is zero for a first delivery, or if no time has advanced.
func newestChange(d delivery) (newest time.Time) {
	if d.snapshot == nil || !d.before.Seen {
		return time.Time{}
	}
	if d.snapshot.LastUpdate.After(d.before.LastUpdate) {
		newest = d.snapshot.LastUpdate
	}
	for _, change := range d.change.Alerts {
		if change.Alert == nil {
			continue
		}
		last, known := d.before.Alert(change.ID)
		if !known && d.before.AlertsUnseen { // it may be as old as the incident
			continue
		}
		if at := change.Alert.LastUpdate; at.After(last.LastUpdate) && at.After(newest) {
			newest = at
		}
	}
	return newest
}

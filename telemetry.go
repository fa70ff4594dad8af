package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadata"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
)

// measureInterval is how often the gauges are set.
const measureInterval = 15 * time.Second

// The calls of the API, as the metrics name them.
const (
	callIncident = "incident"
	callList     = "list"
)

// The states of an incident, as the metrics name them.
const (
	stateWaiting  = "waiting"
	stateFailing  = "failing"
	stateNotFound = "not_found"
	stateResolved = "resolved"
	stateOpen     = "open"
)

// telemetry is what one receiver measures. Each of its measures carries the
// receiver's id: the others in the process write to the same instruments, and the
// collector tells them apart by nothing else (unless its feature gate
// telemetry.newPipelineTelemetry is on).
type telemetry struct {
	*metadata.TelemetryBuilder
	receiver attribute.KeyValue
}

func newTelemetry(settings receiver.Settings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(settings.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &telemetry{TelemetryBuilder: builder, receiver: attribute.String("receiver", settings.ID.String())}, nil
}

// with are the attributes of a measure: the receiver's id and, by turns, names
// and values of others.
func (t *telemetry) with(others ...string) metric.MeasurementOption {
	attributes := make([]attribute.KeyValue, 0, 1+len(others)/2)
	attributes = append(attributes, t.receiver)
	for pair := range slices.Chunk(others, 2) {
		attributes = append(attributes, attribute.String(pair[0], pair[1]))
	}
	return metric.WithAttributes(attributes...)
}

// measure sets the gauges, unless they were set just now. It returns when to
// set them again.
func (p *poller) measure(now time.Time) (again time.Time) {
	if again = p.measured.Add(measureInterval); again.After(now) {
		return again
	}
	p.measured = now
	ctx, t := context.Background(), p.telemetry
	for state, n := range p.tracked() {
		t.ReceiverDefenderIncidentsTracked.Record(ctx, n, t.with("state", state))
	}
	t.ReceiverDefenderIncidentsOverdue.Record(ctx, int64(p.tracker.Overdue(now)), t.with())
	p.measureAccount(callIncident, p.gets, now)
	if p.feed != nil {
		p.measureAccount(callList, p.feed.lists, now)
		t.ReceiverDefenderIncidentsFeedAge.Record(ctx, now.Sub(p.feed.completed).Seconds(), t.with())
	}
	return now.Add(measureInterval)
}

// tracked counts the incidents that are followed, by what is known of them.
func (p *poller) tracked() map[string]int64 {
	counts := map[string]int64{stateWaiting: 0, stateFailing: 0, stateNotFound: 0, stateResolved: 0, stateOpen: 0}
	for _, id := range p.tracker.IDs() {
		counts[p.stateOf(id)]++
	}
	return counts
}

func (p *poller) stateOf(id int64) string {
	known := p.known[id]
	_, closed := known.ClosedSince()
	switch t := p.troubles[id]; {
	case t != nil && t.kind != defender.NotFound.String():
		return stateFailing
	case known.Missing:
		return stateNotFound
	case !known.Seen:
		return stateWaiting
	case closed:
		return stateResolved
	}
	return stateOpen
}

// measureAccount says what is left of the limits of one kind of call.
func (p *poller) measureAccount(call string, a *quota.Account, now time.Time) {
	ctx, t := context.Background(), p.telemetry
	for _, left := range a.Remaining(now) {
		t.ReceiverDefenderIncidentsQuotaRemaining.Record(ctx, int64(left.Requests), t.with("call", call, "window", short(left.Window)))
	}
	wait := max(0, a.ThrottledUntil().Sub(now))
	t.ReceiverDefenderIncidentsThrottleWait.Record(ctx, wait.Seconds(), t.with("call", call))
}

// short writes a window as people do: 1m, 1h.
func short(window time.Duration) string {
	text := window.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// measureFreshness says how old a change was when the pipeline was given it:
// that of the incident, or of the alerts that have changed. What is seen for the
// first time, or what moved no time, says nothing about that.
func (p *poller) measureFreshness(o record.Observation, before incident.State, given time.Time) {
	if o.Snapshot == nil || !before.Seen {
		return
	}
	var newest time.Time
	if o.Snapshot.LastUpdate.After(before.LastUpdate) {
		newest = o.Snapshot.LastUpdate
	}
	for _, change := range o.Change.Alerts {
		if change.Alert != nil && change.Alert.LastUpdate.After(toldOf(before, change.ID)) && change.Alert.LastUpdate.After(newest) {
			newest = change.Alert.LastUpdate
		}
	}
	if newest.IsZero() {
		return
	}
	age := max(0, given.Round(0).Sub(newest)) // the service's clock may be ahead
	p.telemetry.ReceiverDefenderIncidentsFreshness.Record(context.Background(), age.Seconds(), p.telemetry.with())
}

// toldOf is when an alert had changed last by what was delivered of it. Zero:
// nothing was.
func toldOf(before incident.State, alert string) time.Time {
	i, told := slices.BinarySearchFunc(before.Alerts, alert, func(a incident.AlertState, id string) int { return strings.Compare(a.ID, id) })
	if !told {
		return time.Time{}
	}
	return before.Alerts[i].LastUpdate
}

// measureLag says how much later than it was due an incident is asked for.
func (p *poller) measureLag(due, now time.Time) {
	p.telemetry.ReceiverDefenderIncidentsScheduleLag.Record(context.Background(), max(0, now.Sub(due)).Seconds(), p.telemetry.with())
}

// measureSize takes up the size of a body, if there was one.
func (p *poller) measureSize(bytes int) {
	if bytes > 0 {
		p.telemetry.ReceiverDefenderIncidentsResponseSize.Record(context.Background(), int64(bytes), p.telemetry.with())
	}
}

// countAnswer counts an answer that showed the incident.
func (p *poller) countAnswer(change incident.Change, after incident.State) {
	switch {
	case after.Merged:
		p.count(callIncident, "merged")
	case change.Empty() || change.Kind == incident.Unchanged:
		p.count(callIncident, "unchanged")
	default:
		p.count(callIncident, "ok")
	}
}

// countFailure counts an answer that showed nothing. Without a token nothing was
// asked.
func (p *poller) countFailure(call string, kind defender.Kind) {
	switch kind {
	case defender.NoToken:
	case defender.NotFound:
		p.count(call, "not_found")
	case defender.Throttled:
		p.count(call, "throttled")
	case defender.Unauthorized, defender.Forbidden:
		p.count(call, "denied")
	case defender.Malformed:
		p.count(call, "malformed")
	case defender.Oversize:
		p.count(call, "oversize")
	default:
		p.count(call, "failed")
	}
}

// count counts an answer; the outcomes are those that metadata.yaml lists.
func (p *poller) count(call, outcome string) {
	p.telemetry.ReceiverDefenderIncidentsRequests.Add(context.Background(), 1, p.telemetry.with("call", call, "outcome", outcome))
}

// countCheckpointFailure counts a read or a write of the checkpoint that failed.
func (p *poller) countCheckpointFailure() {
	p.telemetry.ReceiverDefenderIncidentsCheckpointFailures.Add(context.Background(), 1, p.telemetry.with())
}

// countRecords counts what the pipeline accepted.
func (p *poller) countRecords(change incident.Change) {
	count := func(event string, kind incident.Kind) {
		p.telemetry.ReceiverDefenderIncidentsRecords.Add(context.Background(), 1, p.telemetry.with("event", event, "change", string(kind)))
	}
	if change.Kind != "" {
		count("incident", change.Kind)
	}
	for _, alert := range change.Alerts {
		count("alert", alert.Kind)
	}
}

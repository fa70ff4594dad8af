// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// version is the content of the incident or of an alert at one time.
type version struct {
	number int
	moved  time.Time
}

// crashing is an incident that changes, disappears and returns, while the receiver
// crashes between delivering records and storing its state.
type crashing struct {
	objects  func(id string, number int) content.Object
	comparer *incident.Comparer
	builder  Builder
	stored   incident.State
	now      time.Time
	accept   bool // the next snapshot, however old it is

	gone   bool
	own    version
	alerts map[string]version // of all alerts; there lists the present ones
	there  map[string]bool
	old    *incident.Snapshot // an earlier one that a lagging replica still shows

	records map[string]emitted // by uid
	last    map[string]step    // by subject
	steps   int
}

// emitted is a record that the pipeline accepted.
type emitted struct {
	record any // everything in it except its uid and when it was observed
	step   int
}

// step says what the last records of an incident or alert were.
type step struct {
	stored  int // when a state with a record of it was stored
	there   int // when the last record showed it
	missing int // when the last record reported it as gone
}

func (w *crashing) tick() time.Time {
	w.now = w.now.Add(time.Second)
	return w.now
}

func (w *crashing) changeAlert(t *rapid.T) {
	id := rapid.SampledFrom([]string{"a1", "a2"}).Draw(t, "alert")
	v := w.alerts[id]
	switch rapid.SampledFrom([]string{"content", "content and time", "comes or goes"}).Draw(t, "how") {
	case "content":
		v.number++
	case "content and time":
		v = version{v.number + 1, w.tick()}
	default:
		w.there[id] = !w.there[id]
	}
	w.alerts[id] = v
}

// snapshot returns what the API shows; nil if there is no such incident.
func (w *crashing) snapshot() *incident.Snapshot {
	if w.gone {
		return nil
	}
	s := &incident.Snapshot{
		ID: 437, API: "one", Status: []string{"Active", "Resolved"}[w.own.number/2%2], LastUpdate: w.own.moved,
		AlertsField: "alerts", Object: w.objects("", w.own.number), Alerts: []incident.Alert{},
	}
	for _, id := range slices.Sorted(maps.Keys(w.there)) {
		if w.there[id] {
			a := w.alerts[id]
			s.Alerts = append(s.Alerts, incident.Alert{ID: id, LastUpdate: a.moved, Object: w.objects(id, a.number)})
		}
	}
	new(incident.Fingerprint).Snapshot(s)
	return s
}

// rows returns what lists show of a snapshot: the incident without its alerts, and
// each alert alone.
func rows(s *incident.Snapshot) (own *incident.Snapshot, alerts []*incident.Snapshot) {
	row := *s
	row.Source, row.Shows, row.Alerts = incident.FromList, incident.OwnFields, nil
	for _, a := range s.Alerts {
		alerts = append(alerts, &incident.Snapshot{
			ID: s.ID, API: s.API, Source: incident.FromList, Shows: incident.SomeAlerts, Alerts: []incident.Alert{a},
		})
	}
	return &row, alerts
}

// observe compares a snapshot with a stored state.
func (w *crashing) observe(before incident.State, s *incident.Snapshot, at time.Time) Observation {
	o := Observation{ID: 437, Tenant: tenant, Observed: at, Snapshot: s}
	if s == nil {
		o.Change, o.After = w.comparer.Missing(before, at)
		return o
	}
	s.Observed = at
	compare := w.comparer.Compare
	if w.accept {
		compare = w.comparer.Accept
	}
	o.Change, o.After = compare(before, s)
	return o
}

// deliver observes a snapshot. The records may be accepted, and the receiver may
// crash before it stores the new state.
func (w *crashing) deliver(t *rapid.T, s *incident.Snapshot) {
	o := w.observe(w.stored, s, w.tick())
	before := w.stored
	before.Intent = w.comparer.Intent(o.Change, w.stored, o.After)
	accepted, crash := true, rapid.Bool().Draw(t, "crash")
	if crash {
		accepted = rapid.Bool().Draw(t, "accepted")
		w.stored = restarted(t, before)
		again := w.observe(w.stored, s, o.Observed)
		require.ElementsMatch(t, w.uids(o), w.uids(again), "the same change again")
	} else {
		w.stored = restarted(t, o.After)
	}
	if accepted {
		w.check(t, o, !crash)
	}
}

func (w *crashing) uids(o Observation) (uids []string) {
	for _, r := range records(w.builder, o) {
		uid, _ := r.Attributes().Get("log.record.uid")
		uids = append(uids, uid.Str())
	}
	return uids
}

// check requires that a uid that was used before identifies the same record, that no
// state with another change of the subject was stored since, and that the subject has
// not disappeared or returned in between.
func (w *crashing) check(t *rapid.T, o Observation, stored bool) {
	w.steps++
	for _, r := range records(w.builder, o) {
		uid, _ := r.Attributes().Get("log.record.uid")
		subject, kind, record := describe(r)
		gone := kind == incident.NotFound || kind == incident.Removed
		last := w.last[subject]
		first, again := w.records[uid.Str()]
		if again {
			require.Equal(t, first.record, record)
			require.Less(t, last.stored, first.step, "a later change was stored: %v", record)
			opposite := last.missing
			if gone {
				opposite = last.there
			}
			require.Less(t, opposite, first.step, "it went or came back in between: %v", record)
		} else {
			w.records[uid.Str()] = emitted{record, w.steps}
		}
		if gone {
			last.missing = w.steps
		} else {
			last.there = w.steps
		}
		if stored && kind != incident.Unchanged {
			last.stored = w.steps
		}
		w.last[subject] = last
		if kind == incident.NotFound { // its alerts are gone too
			for alert, of := range w.last {
				w.last[alert] = step{stored: max(of.stored, last.stored), there: of.there, missing: w.steps}
			}
		}
	}
}

// describe returns the alert that a record is about, if any, the kind of the change, and
// everything that the record says.
func describe(r plog.LogRecord) (alert string, kind incident.Kind, record any) {
	attributes := r.Attributes().AsRaw()
	delete(attributes, "log.record.uid")
	word := attributes["microsoft.defender.incident.change"]
	if r.EventName() == eventAlert {
		word = attributes["microsoft.defender.alert.change"]
		alert = attributes["microsoft.defender.alert.id"].(string)
		for name := range attributes { // they depend on what else was observed by then
			if name == "microsoft.defender.alert.changed_fields" ||
				strings.HasPrefix(name, "microsoft.defender.incident.") && name != "microsoft.defender.incident.id" {
				delete(attributes, name)
			}
		}
	}
	kind = incident.Kind(word.(string))
	at := r.Timestamp()
	if kind == incident.NotFound || kind == incident.Removed {
		at = 0 // when it was observed
	}
	return alert, kind, []any{r.EventName(), at, r.SeverityText(), attributes, r.Body().AsRaw()}
}

func restarted(t *rapid.T, state incident.State) (back incident.State) {
	stored, err := json.Marshal(state)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(stored, &back))
	return back
}

func TestNoTwoRecordsShareAUIDHoweverTheReceiverCrashes(t *testing.T) {
	objects := map[string]content.Object{}
	cached := func(id string, number int) content.Object {
		key := fmt.Sprint(id, " ", number)
		if _, found := objects[key]; !found {
			objects[key] = object(t, map[string]any{"alertId": id, "version": number})
		}
		return objects[key]
	}
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]incident.AlertsMode{incident.Split, incident.Embedded, incident.None}).Draw(t, "alerts")
		w := &crashing{
			objects: cached, builder: Builder{Alerts: mode, Host: "api.example"}, now: observed,
			comparer: incident.NewComparer(mode, rapid.Bool().Draw(t, "snapshots"), nil, 0),
			own:      version{0, observed}, alerts: map[string]version{"a1": {0, observed}, "a2": {0, observed}},
			there: map[string]bool{"a1": true}, records: map[string]emitted{}, last: map[string]step{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"the incident changes":      func(*rapid.T) { w.own = version{w.own.number + 1, w.tick()} },
			"an alert changes":          w.changeAlert,
			"the incident goes or back": func(*rapid.T) { w.gone = !w.gone },
			"it is observed":            func(t *rapid.T) { w.deliver(t, w.snapshot()) },
			"a replica falls behind":    func(*rapid.T) { w.old = w.snapshot() },
			"the replica is observed": func(t *rapid.T) {
				if w.old != nil {
					w.accept = rapid.Bool().Draw(t, "accept")
					w.deliver(t, w.old)
					w.accept = false
				}
			},
			"its row is observed": func(t *rapid.T) {
				if s := rapid.SampledFrom([]*incident.Snapshot{w.snapshot(), w.old}).Draw(t, "row of"); s != nil {
					own, _ := rows(s)
					w.deliver(t, own)
				}
			},
			"an alert's row is observed": func(t *rapid.T) {
				s := rapid.SampledFrom([]*incident.Snapshot{w.snapshot(), w.old}).Draw(t, "row of")
				if s != nil && len(s.Alerts) > 0 {
					_, alerts := rows(s)
					w.deliver(t, rapid.SampledFrom(alerts).Draw(t, "alert"))
				}
			},
			"a part of it is observed": func(t *rapid.T) {
				if s := w.snapshot(); s != nil && len(s.Alerts) > 0 {
					s.Alerts, s.Incomplete = s.Alerts[1:], true
					w.deliver(t, s)
				}
			},
		})
	})
}

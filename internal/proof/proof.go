// SPDX-License-Identifier: Apache-2.0

// Package proof compares what the receiver emitted with what the simulator
// served, and when it sent requests with when it could have: the tests' own
// bookkeeping, which shares no code with the receiver's.
//
// Run supports all values of alerts and emit, and content from Gets or rows of
// lists. Exactly is stricter, for runs that only send Gets. Everything else
// supports only alerts: split and emit: changes.
package proof

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// alertsCap is the length at which a list of alerts may have been cut off.
const alertsCap = 150

// Record identifies a record by the state that it shows.
type Record struct {
	UID      string
	Incident int64
	Alert    string // empty: an incident's record
	Change   string
	Time     time.Time // the state's own; zero for removed and not_found
}

// key leaves out how the state came about: the bookkeeping does not distinguish
// updated from resolved.
func (r Record) key() string {
	what := "state"
	switch r.Change {
	case "merged", "not_found", "removed", "snapshot":
		what = r.Change
	}
	at := ""
	if !r.Time.IsZero() {
		at = r.Time.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("incident %d alert %q %s %s", r.Incident, r.Alert, what, at)
}

// Records reads the records that a pipeline received.
func Records(logs plog.Logs) []Record {
	var records []Record
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, r := range scope.LogRecords().All() {
				records = append(records, record(r))
			}
		}
	}
	return records
}

func record(r plog.LogRecord) Record {
	id, _ := r.Attributes().Get("microsoft.defender.incident.id")
	made := Record{UID: text(r, "log.record.uid"), Incident: id.Int(), Time: r.Timestamp().AsTime()}
	if r.EventName() == "microsoft.defender.alert" {
		made.Alert = text(r, "microsoft.defender.alert.id")
		made.Change = text(r, "microsoft.defender.alert.change")
	} else {
		made.Change = text(r, "microsoft.defender.incident.change")
	}
	if made.Change == "removed" || made.Change == "not_found" {
		made.Time = time.Time{}
	}
	return made
}

func text(r plog.LogRecord, name string) string {
	if v, ok := r.Attributes().Get(name); ok && v.Type() == pcommon.ValueTypeStr {
		return v.Str()
	}
	return ""
}

// Exactly is Mode.Exactly with alerts: split and emit: changes.
func Exactly(sim *defendersim.Sim, records []Record) []string {
	return Mode{Alerts: Split}.Exactly(sim, records)
}

// Expected is Mode.Expected with alerts: split and emit: changes.
func Expected(sim *defendersim.Sim) []string { return Mode{Alerts: Split}.Expected(sim) }

// Mode is how a receiver is configured.
type Mode struct {
	Alerts    string // Split, Embedded or None
	Snapshots bool   // emit: snapshots
}

// Exactly compares the records with what the responses require: one record for
// each difference between two successive responses, no other, and no identity
// twice. With snapshots, each response also requires records of what has not
// changed. It returns the differences; nil: there are none.
func (m Mode) Exactly(sim *defendersim.Sim, records []Record) []string {
	var problems []string
	counts := map[string]int{}
	for _, wanted := range m.Expected(sim) {
		counts[wanted]++
	}
	uids := map[string]Record{}
	for _, r := range records {
		counts[r.key()]--
		if first, again := uids[r.UID]; again || r.UID == "" {
			problems = append(problems, fmt.Sprintf("the same log.record.uid twice: %s and %s", first.key(), r.key()))
		}
		uids[r.UID] = r
	}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		switch n := counts[key]; {
		case n > 0:
			problems = append(problems, fmt.Sprintf("missing %d time(s): %s", n, key))
		case n < 0:
			problems = append(problems, fmt.Sprintf("emitted %d time(s) too often: %s", -n, key))
		}
	}
	return problems
}

// Expected lists the keys of the records that the simulator's responses
// require.
func (m Mode) Expected(sim *defendersim.Sim) []string {
	var keys []string
	last := map[int64]*defendersim.State{} // the last state served
	missing := map[int64]bool{}
	for _, request := range sim.Journal() {
		id := request.ID
		switch {
		case notFound(request):
			if !missing[id] {
				keys = append(keys, Record{Incident: id, Change: "not_found"}.key())
			}
			missing[id] = true
			delete(last, id)
		case shows(request), m.Alerts == None && showsOwn(request):
			states, first := sim.History(id)
			state := states[max(request.State, request.Shown)-first]
			keys = append(keys, m.between(id, last[id], state)...)
			last[id], missing[id] = &state, false
		}
	}
	return keys
}

// notFound reports whether the response was that there is no such incident.
func notFound(r defendersim.Request) bool {
	return r.Endpoint == defendersim.EndpointIncident && r.Status == http.StatusNotFound && r.Fault == ""
}

// shows reports whether the response showed a state of an incident, or the last
// of its alerts.
func shows(r defendersim.Request) bool { return r.Status == http.StatusOK && r.State >= 0 }

// showsOwn reports whether the response showed an incident, possibly without
// its alerts.
func showsOwn(r defendersim.Request) bool {
	return r.Endpoint == defendersim.EndpointIncident && r.Status == http.StatusOK && r.Shown >= 0
}

// between lists the records for the step from one served state to the next.
func (m Mode) between(id int64, before *defendersim.State, after defendersim.State) []string {
	own := Record{Incident: id, Change: "updated", Time: after.LastUpdate}
	var alerts []string
	if m.Alerts != None && after.RedirectID == 0 {
		alerts = m.betweenAlerts(id, before, after)
	}
	switch same := before != nil && before.LastUpdate.Equal(after.LastUpdate) && before.Severity == after.Severity; {
	case after.RedirectID != 0 && !same:
		own.Change = "merged"
	case same && m.Alerts == Embedded && len(alerts) > 0:
	case same && m.Snapshots && after.RedirectID == 0:
		own.Change = "snapshot"
	case same:
		return alerts
	}
	if m.Alerts == Embedded {
		return []string{own.key()}
	}
	return append([]string{own.key()}, alerts...)
}

// betweenAlerts lists the records of alerts. If alerts are embedded, it lists
// what the records would be, without those of unchanged alerts.
func (m Mode) betweenAlerts(id int64, before *defendersim.State, after defendersim.State) []string {
	var keys []string
	known := times(before)
	for _, alert := range after.Alerts {
		record := Record{Incident: id, Alert: alert.ID, Change: "updated", Time: alert.LastUpdated}
		if at, delivered := known[alert.ID]; delivered && at.Equal(alert.LastUpdated) {
			if !m.Snapshots || m.Alerts == Embedded {
				continue
			}
			record.Change = "snapshot"
		}
		keys = append(keys, record.key())
	}
	return append(keys, departures(id, before, after)...)
}

// departures lists the keys of the alerts that left from one served state to
// the next.
func departures(id int64, before *defendersim.State, after defendersim.State) []string {
	left := times(before)
	if after.RedirectID != 0 || len(left) >= alertsCap || len(after.Alerts) >= alertsCap {
		return nil
	}
	for _, alert := range after.Alerts {
		delete(left, alert.ID)
	}
	var keys []string
	for alert := range left {
		keys = append(keys, Record{Incident: id, Alert: alert, Change: "removed"}.key())
	}
	return keys
}

// times returns when each alert of a state last changed.
func times(state *defendersim.State) map[string]time.Time {
	at := map[string]time.Time{}
	if state != nil {
		for _, alert := range state.Alerts {
			at[alert.ID] = alert.LastUpdated
		}
	}
	return at
}

// Unseen lists the states of the given incidents that lasted for at least long,
// from since on, and were not served.
func Unseen(sim *defendersim.Sim, ids []int64, since time.Time, enough time.Duration) []string {
	return UnseenBetween(sim, ids, since, time.Now(), enough)
}

// UnseenBetween is Unseen for a span that has ended: states after it do not
// count.
func UnseenBetween(sim *defendersim.Sim, ids []int64, since, end time.Time, enough time.Duration) []string {
	var unseen []string
	for _, id := range ids {
		served := map[int]bool{}
		for _, s := range sim.Served(id) {
			served[s.State] = true
		}
		states, first := sim.History(id)
		for i, state := range states {
			if state.Removed {
				continue
			}
			from, until := state.From, state.Until
			if until.IsZero() || until.After(end) {
				until = end
			}
			if from.Before(since) {
				from = since
			}
			if until.Sub(from) >= enough && !served[first+i] && (i == 0 || states[i-1].RedirectID == 0) {
				unseen = append(unseen, fmt.Sprintf("incident %d: state %d stood %v and was not fetched", id, first+i, until.Sub(from)))
			}
		}
	}
	return unseen
}

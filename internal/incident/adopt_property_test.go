// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// dialect is how one of the test's APIs renders incidents.
type dialect struct {
	api, name, time, alertTime string
	word                       func(string) string
	precision                  time.Duration
}

func dialects() []dialect {
	asItIs := func(w string) string { return w }
	return []dialect{
		{"one", "incidentName", "lastUpdateTime", "lastUpdatedTime", asItIs, 100 * time.Nanosecond},
		{"two", "displayName", "lastUpdateDateTime", "lastUpdateDateTime", strings.ToLower, time.Millisecond},
	}
}

// shownContent is what both APIs show of an incident or of an alert.
type shownContent struct {
	status  string
	moved   time.Time
	content int64 // all but status and time
	since   int   // for an emitted alert: the number of switches before it
}

// switching is an incident that changes while two APIs show it alternately, and what
// was emitted of it.
type switching struct {
	comparer *Comparer
	mode     AlertsMode
	quiet    Kind
	dialect  dialect
	state    State
	now      time.Time

	own, emittedOwn       shownContent
	alerts, emittedAlerts map[string]shownContent
	lastAPI               string // the API of the last observation; empty if there was none
	switches              int
}

// tick moves the clock by more than the tolerance, as both APIs round it.
func (s *switching) tick(t *rapid.T) time.Time {
	s.now = s.now.Add(12*time.Millisecond + 100*time.Duration(rapid.IntRange(0, 30_000).Draw(t, "ticks")))
	return s.now
}

func (s *switching) change(t *rapid.T) {
	s.own.moved = s.tick(t)
	s.own.status = rapid.SampledFrom([]string{"Active", "InProgress", "Resolved"}).Draw(t, "status")
	s.own.content++
}

func (s *switching) changeAlert(t *rapid.T) {
	id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "alert")
	a, there := s.alerts[id]
	how := rapid.SampledFrom([]string{"status", "time", "quietly", "leaves"}).Draw(t, "how")
	switch {
	case there && how == "leaves":
		delete(s.alerts, id)
		return
	case !there:
		a.status, a.moved = "New", s.tick(t)
	case how == "time":
		a.moved = s.tick(t)
	case how == "status":
		a.status = rapid.SampledFrom([]string{"New", "InProgress", "Resolved"}).Draw(t, "status")
	}
	a.content++
	s.alerts[id] = a
}

func (s *switching) snapshot(t *rapid.T, incomplete bool) *Snapshot {
	l := s.dialect
	snapshot := &Snapshot{
		ID: 437, API: l.api, Status: l.word(s.own.status), LastUpdate: l.round(s.own.moved), Object: l.object(l.time, s.own),
		AlertsField: "alerts", Alerts: []Alert{}, LastUpdateField: l.time, AlertLastUpdateField: l.alertTime, Incomplete: incomplete,
	}
	for _, id := range slices.Sorted(maps.Keys(s.alerts)) {
		a := s.alerts[id]
		if incomplete && rapid.Bool().Draw(t, "is not shown") {
			continue
		}
		alert := Alert{ID: id, Status: l.word(a.status), LastUpdate: l.round(a.moved), Object: l.object(l.alertTime, a)}
		snapshot.Alerts = append(snapshot.Alerts, alert)
	}
	return read(snapshot)
}

// round truncates or rounds a time to the API's precision, always in the same way for
// the same time.
func (l dialect) round(at time.Time) time.Time {
	if at.Second()%2 == 0 {
		return at.Truncate(l.precision)
	}
	return at.Round(l.precision)
}

func (l dialect) object(timeField string, c shownContent) content.Object {
	return object(map[string]any{"status": l.word(c.status), timeField: l.round(c.moved).Format(time.RFC3339Nano), l.name: c.content})
}

func (s *switching) observe(t *rapid.T, incomplete bool) {
	snapshot := s.snapshot(t, incomplete)
	change, after := s.comparer.Compare(s.state, snapshot)
	first, switched := s.lastAPI == "", s.lastAPI != "" && s.lastAPI != s.dialect.api
	if switched {
		s.switches++
	}
	wantAlerts, moved := s.expectedAlerts(snapshot)
	fields := s.expectedFields(switched)
	if moved && s.mode != None {
		fields = append(fields, "alerts")
		slices.Sort(fields)
	}
	changed := len(fields) > 0
	if s.mode == Split {
		changed = !slices.Equal(fields, []string{"alerts"}) && changed
		require.Equal(t, wantAlerts, alertKinds(change))
	} else {
		require.Empty(t, change.Alerts)
	}

	want := s.quiet
	switch was, is := s.emittedOwn.status == "Resolved", s.own.status == "Resolved"; {
	case first:
		want = FirstSeen
	case changed && is && !was:
		want = Resolved
	case changed && was && !is:
		want = Reopened
	case changed:
		want = Updated
	}
	require.Equal(t, want, change.Kind)
	if first || !changed {
		fields = nil
	}
	require.Equal(t, fields, change.Fields)
	require.Equal(t, s.dialect.api, after.API)
	s.state, s.lastAPI, s.emittedOwn = after, s.dialect.api, s.own
}

// expectedFields returns the incident's own fields that have changed since they were
// emitted; after a switch, only fields that both APIs show.
func (s *switching) expectedFields(switched bool) (fields []string) {
	if s.own.status != s.emittedOwn.status {
		fields = append(fields, "status")
	}
	if !s.own.moved.Equal(s.emittedOwn.moved) {
		fields = append(fields, s.dialect.time)
	}
	if !switched && s.own.content != s.emittedOwn.content {
		fields = append(fields, s.dialect.name)
	}
	slices.Sort(fields)
	return fields
}

// expectedAlerts returns the expected records of alerts, and records them as emitted.
func (s *switching) expectedAlerts(snapshot *Snapshot) (kinds map[string]Kind, moved bool) {
	kinds = map[string]Kind{}
	emitted := s.emittedAlerts
	s.emittedAlerts = map[string]shownContent{}
	for _, shown := range snapshot.Alerts {
		a, last := s.alerts[shown.ID], emitted[shown.ID]
		same := a.status == last.status && a.moved.Equal(last.moved) && (a.content == last.content || last.since != s.switches)
		switch _, known := emitted[shown.ID]; {
		case !known:
			kinds[shown.ID] = FirstSeen
		case !same:
			kinds[shown.ID] = Updated
		}
		delete(emitted, shown.ID)
		a.since = s.switches
		s.emittedAlerts[shown.ID] = a
	}
	for id, a := range emitted {
		if snapshot.Incomplete {
			s.emittedAlerts[id] = a
			continue
		}
		kinds[id] = Removed
	}
	moved = len(kinds) > 0
	for _, shown := range snapshot.Alerts {
		if _, emitted := kinds[shown.ID]; !emitted && s.quiet != "" {
			kinds[shown.ID] = s.quiet
		}
	}
	return kinds, moved
}

func TestAlternatingAPIsEmitEachChangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		both := dialects()
		s := &switching{
			mode: rapid.SampledFrom([]AlertsMode{Split, Embedded, None}).Draw(t, "alerts"), dialect: both[0], now: noon,
			own: shownContent{status: "Active", moved: noon}, alerts: map[string]shownContent{}, emittedAlerts: map[string]shownContent{},
		}
		snapshots := rapid.Bool().Draw(t, "snapshots")
		if snapshots {
			s.quiet = Unchanged
		}
		s.comparer = NewComparer(s.mode, snapshots, nil, 0)
		t.Repeat(map[string]func(*rapid.T){
			"the incident changes":  s.change,
			"its content alone":     func(*rapid.T) { s.own.content++ },
			"an alert changes":      s.changeAlert,
			"it is shown":           func(t *rapid.T) { s.observe(t, false) },
			"it is shown in part":   func(t *rapid.T) { s.observe(t, true) },
			"the API is switched":   func(*rapid.T) { slices.Reverse(both); s.dialect = both[0] },
			"restart":               func(t *rapid.T) { s.state = restarted(t, s.state) },
			"nothing has gone lost": func(t *rapid.T) { require.Equal(t, s.emittedIDs(), s.storedIDs()) },
		})
	})
}

func (s *switching) emittedIDs() []string {
	if s.mode == None {
		return nil
	}
	return slices.Sorted(maps.Keys(s.emittedAlerts))
}

func (s *switching) storedIDs() (ids []string) {
	for _, a := range s.state.Alerts {
		ids = append(ids, a.ID)
	}
	return ids
}

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

// tongue is how an API of the test shows things.
type tongue struct {
	api, name, time, alertTime string
	word                       func(string) string
	precision                  time.Duration
}

func tongues() []tongue {
	asItIs := func(w string) string { return w }
	return []tongue{
		{"one", "incidentName", "lastUpdateTime", "lastUpdatedTime", asItIs, 100 * time.Nanosecond},
		{"two", "displayName", "lastUpdateDateTime", "lastUpdateDateTime", strings.ToLower, time.Millisecond},
	}
}

// shownContent is what both APIs show of an incident or of an alert.
type shownContent struct {
	status  string
	moved   time.Time
	content int64 // what neither status nor time tells
	since   int   // of an alert that was emitted: after how many switches
}

// switching is an incident that changes while two APIs show it in turn, and
// what its records have emitted of it.
type switching struct {
	comparer *Comparer
	mode     AlertsMode
	quiet    Kind
	tongue   tongue
	state    State
	now      time.Time

	own, toldOwn       shownContent
	alerts, toldAlerts map[string]shownContent
	toldBy             string // the API of the last observation; empty: none
	switches           int
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
	l := s.tongue
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

// round cuts off or rounds what the API does not show; always the same way for
// the same time.
func (l tongue) round(at time.Time) time.Time {
	if at.Second()%2 == 0 {
		return at.Truncate(l.precision)
	}
	return at.Round(l.precision)
}

func (l tongue) object(timeField string, c shownContent) content.Object {
	return object(map[string]any{"status": l.word(c.status), timeField: l.round(c.moved).Format(time.RFC3339Nano), l.name: c.content})
}

func (s *switching) observe(t *rapid.T, incomplete bool) {
	snapshot := s.snapshot(t, incomplete)
	change, after := s.comparer.Compare(s.state, snapshot)
	first, switched := s.toldBy == "", s.toldBy != "" && s.toldBy != s.tongue.api
	if switched {
		s.switches++
	}
	wantAlerts, moved := s.alertsToTell(snapshot)
	fields := s.fieldsToTell(switched)
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
	switch was, is := s.toldOwn.status == "Resolved", s.own.status == "Resolved"; {
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
	require.Equal(t, s.tongue.api, after.API)
	s.state, s.toldBy, s.toldOwn = after, s.tongue.api, s.own
}

// fieldsToTell are the incident's own fields that have changed since they were
// emitted; after a switch only what both APIs show.
func (s *switching) fieldsToTell(switched bool) (fields []string) {
	if s.own.status != s.toldOwn.status {
		fields = append(fields, "status")
	}
	if !s.own.moved.Equal(s.toldOwn.moved) {
		fields = append(fields, s.tongue.time)
	}
	if !switched && s.own.content != s.toldOwn.content {
		fields = append(fields, s.tongue.name)
	}
	slices.Sort(fields)
	return fields
}

// alertsToTell notes them as emitted.
func (s *switching) alertsToTell(snapshot *Snapshot) (kinds map[string]Kind, moved bool) {
	kinds = map[string]Kind{}
	emitted := s.toldAlerts
	s.toldAlerts = map[string]shownContent{}
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
		s.toldAlerts[shown.ID] = a
	}
	for id, a := range emitted {
		if snapshot.Incomplete {
			s.toldAlerts[id] = a
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

func TestTwoAPIsInTurnTellEachChangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		both := tongues()
		s := &switching{
			mode: rapid.SampledFrom([]AlertsMode{Split, Embedded, None}).Draw(t, "alerts"), tongue: both[0], now: noon,
			own: shownContent{status: "Active", moved: noon}, alerts: map[string]shownContent{}, toldAlerts: map[string]shownContent{},
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
			"the API is switched":   func(*rapid.T) { slices.Reverse(both); s.tongue = both[0] },
			"restart":               func(t *rapid.T) { s.state = restarted(t, s.state) },
			"nothing has gone lost": func(t *rapid.T) { require.Equal(t, s.toldIDs(), s.storedIDs()) },
		})
	})
}

func (s *switching) toldIDs() []string {
	if s.mode == None {
		return nil
	}
	return slices.Sorted(maps.Keys(s.toldAlerts))
}

func (s *switching) storedIDs() (ids []string) {
	for _, a := range s.state.Alerts {
		ids = append(ids, a.ID)
	}
	return ids
}

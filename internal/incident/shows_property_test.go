// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// apart is an incident of which a Get shows the current state. A list of incidents shows
// its own fields and a list of alerts each of its alerts, all as they were at different
// moments. Every change has a time that both kinds of requests show, each in its own
// rendering. The test records what was emitted.
type apart struct {
	comparer *Comparer
	mode     AlertsMode
	quiet    Kind
	state    State
	clock    int

	now    world
	behind world            // as a lagging Get shows it, but never older than an earlier Get
	own    world            // as the list of incidents shows it, without alerts
	alerts map[string]piece // as the list of alerts shows them, also when they have left

	killed  bool  // since this was set to false
	safe    bool  // must not be killed
	emitted world // moved is 0 before anything is emitted
	highest map[string]int
	unseen  bool // no complete Get has shown the alerts
	lastGet int
}

func newApart(t *rapid.T) *apart {
	a := &apart{
		mode:  rapid.SampledFrom([]AlertsMode{Split, Embedded, None}).Draw(t, "mode"),
		clock: 1, now: world{moved: 1, fields: map[string]int{}, alerts: map[string]piece{}}, alerts: map[string]piece{},
		emitted: world{alerts: map[string]piece{}}, highest: map[string]int{},
	}
	snapshots := rapid.Bool().Draw(t, "snapshots")
	if snapshots {
		a.quiet = Unchanged
	}
	a.comparer = NewComparer(a.mode, snapshots, nil, 0)
	for name := range renderings() {
		a.now.fields[name] = 1
	}
	a.own, a.behind = a.now.clone(), a.now.clone()
	return a
}

func (a *apart) tick() int { a.clock++; return a.clock }

func (a *apart) change(t *rapid.T) {
	a.now.moved = a.tick()
	a.now.fields["lastUpdateTime"] = a.clock
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"alike", "casing", "null", statusField}), rapid.ID).Draw(t, "fields") {
		a.now.fields[name] = a.clock
	}
}

func (a *apart) drawAlert(t *rapid.T) string {
	return rapid.SampledFrom([]string{"alike", "casing", "null"}).Draw(t, "alert")
}

// changeAlert makes an alert appear, change, or move to another incident.
func (a *apart) changeAlert(t *rapid.T) {
	if rapid.Bool().Draw(t, "moves the incident") {
		a.change(t)
	}
	id, at := a.drawAlert(t), a.tick()
	if _, there := a.now.alerts[id]; there && rapid.Bool().Draw(t, "leaves") {
		delete(a.now.alerts, id)
		return
	}
	a.now.alerts[id] = piece{at, at}
}

// showNewAlert makes an alert appear or change, and its row shows that at once.
func (a *apart) showNewAlert(t *rapid.T) {
	id, at := a.drawAlert(t), a.tick()
	a.now.alerts[id] = piece{at, at}
	a.listAlert(id)
	a.showAlert(t, id)
}

// listAlert updates an alert in the list of alerts. An alert that has left appears there
// as a row of another incident.
func (a *apart) listAlert(id string) {
	delete(a.alerts, id)
	if p, there := a.now.alerts[id]; there {
		a.alerts[id] = p
	}
}

func (a *apart) snapshot(w world, by Source, shows Shows) *Snapshot {
	s := (&subject{render: renderings()}).snapshot(w, by)
	s.Shows, s.Observed = shows, noon.Add(time.Duration(a.tick())*time.Second)
	switch shows {
	case OwnFields:
		s.Alerts = nil
	case SomeAlerts:
		s = &Snapshot{
			ID: s.ID, API: s.API, Source: by, Shows: shows, AlertLastUpdateField: s.AlertLastUpdateField,
			Alerts: s.Alerts, Observed: s.Observed,
		}
	}
	return s
}

// compare compares, and records what was accepted. The process may be killed before
// anything is accepted.
func (a *apart) compare(t *rapid.T, s *Snapshot, shown world) Change {
	change, after := a.comparer.Compare(a.state, s)
	if !change.Empty() && !a.safe && rapid.IntRange(0, 5).Draw(t, "killed") == 0 {
		a.killed = true
		a.state.Intent = a.comparer.Intent(change, a.state, after)
		a.state = restarted(t, a.state)
		return change
	}
	a.note(t, s, change, shown)
	a.state = after
	return change
}

// note checks that nothing is emitted twice or after a later version.
func (a *apart) note(t *rapid.T, s *Snapshot, change Change, shown world) {
	if change.Kind.changes() {
		if a.state.Intent == nil || !a.state.Intent.Embedded {
			newer := shown.moved > a.emitted.moved
			require.True(t, newer || a.mode == Embedded && a.alertsDiffer(shown), "the incident is emitted once")
		}
		require.GreaterOrEqual(t, shown.moved, a.emitted.moved)
		a.emitted.moved = shown.moved
		a.emitted.fields = shown.fields
	}
	if change.Kind.changes() && a.mode == Embedded {
		for id, p := range shown.alerts {
			require.GreaterOrEqual(t, p.version, a.highest[id])
			a.highest[id] = p.version
		}
		a.emitted.alerts = maps.Clone(shown.alerts)
	}
	require.Len(t, change.Alerts, len(alertKinds(change)), "none twice")
	for _, c := range change.Alerts {
		_, known := a.emitted.alerts[c.ID]
		unsure := a.unsure(c.ID)
		switch c.Kind {
		case Removed:
			require.Equal(t, FromGet, s.Source)
			require.NotContains(t, shown.alerts, c.ID)
			require.True(t, known || unsure)
			delete(a.emitted.alerts, c.ID)
		case FirstSeen, Updated:
			version := shown.alerts[c.ID]
			switch last, _ := alertOf(a.state.Alerts, c.ID); {
			case unsure && last.Digest == Digest{}: // it is unknown which version may have been emitted
			case unsure:
				require.GreaterOrEqual(t, version.version, a.highest[c.ID])
			default:
				require.Greater(t, version.version, a.highest[c.ID], "each version is emitted once")
				require.Equal(t, known, c.Kind == Updated)
			}
			a.highest[c.ID], a.emitted.alerts[c.ID] = version.version, version
		default:
			require.Equal(t, Unchanged, c.Kind)
			require.Equal(t, a.quiet, c.Kind)
			require.Equal(t, Everything, s.Shows)
		}
	}
}

// unsure reports whether a killed process may have emitted the alert or its removal.
func (a *apart) unsure(id string) bool {
	_, intended := a.state.Intent.alert(id)
	last, known := alertOf(a.state.Alerts, id)
	return intended || known && last.Digest == Digest{}
}

func (a *apart) alertsDiffer(shown world) bool { return !maps.Equal(shown.alerts, a.emitted.alerts) }

func (a *apart) get(t *rapid.T) {
	s := a.snapshot(a.now, FromGet, Everything)
	killed := a.state
	change := a.compare(t, s, a.now)
	require.False(t, change.Stale || change.Doubt)
	a.behind = a.now.clone()
	if a.state.Fetched.Equal(killed.Fetched) {
		return // killed
	}
	require.Equal(t, s.Observed, a.state.Fetched)
	require.False(t, a.state.AlertsUnseen)
	require.Equal(t, change.Again > 0, a.state.Doubt)
	require.Nil(t, a.state.Intent)
	a.unseen, a.lastGet = false, a.clock
	a.checkComplete(t, s.Observed)
}

// getBehind is a Get from a lagging replica. It removes nothing that a row has shown
// since, so that a later Get does not emit that again.
func (a *apart) getBehind(t *rapid.T) {
	s := a.snapshot(a.behind, FromGet, Everything)
	before := a.state
	change := a.compare(t, s, a.behind)
	require.False(t, change.Doubt)
	require.True(t, !change.Stale || change.Again == 0 && change.Kind == "")
	if !a.state.Fetched.Equal(before.Fetched) {
		a.unseen, a.lastGet = false, a.clock
	}
}

// keptAt returns the alerts that have left, but were emitted from a row that showed a
// change less than 10 minutes before.
func (a *apart) keptAt(at time.Time) map[string]piece {
	kept := map[string]piece{}
	for id, p := range a.emitted.alerts {
		_, there := a.now.alerts[id]
		state, known := a.state.Alert(id)
		if !there && known && a.mode == Split && state.Source == FromList && at.Sub(state.LastUpdate) < 10*time.Minute {
			kept[id] = p
		}
	}
	return kept
}

// checkComplete checks that everything that a Get shows was emitted, and everything else
// was removed, unless the Get may lag.
func (a *apart) checkComplete(t *rapid.T, at time.Time) {
	require.Equal(t, a.now.moved, a.emitted.moved)
	require.Equal(t, a.now.fields, a.emitted.fields)
	if a.mode == None {
		require.Empty(t, a.emitted.alerts)
		return
	}
	want := a.keptAt(at)
	require.Equal(t, len(want) > 0, a.state.Doubt)
	maps.Copy(want, a.now.alerts)
	require.Equal(t, want, a.emitted.alerts)
	require.Len(t, a.state.Alerts, len(want))
}

func (a *apart) getPart(t *rapid.T) {
	if a.mode == Embedded || !a.state.Seen {
		return // its record would show some alerts, which is not what is tested here
	}
	shown := a.now.clone()
	delete(shown.alerts, a.drawAlert(t))
	s := a.snapshot(shown, FromGet, Everything)
	s.Incomplete = true
	change := a.compare(t, s, shown)
	require.False(t, change.Stale || change.Doubt || change.Again > 0)
	a.behind = a.now.clone()
	if a.state.Fetched.Equal(s.Observed) {
		a.lastGet = a.clock
		require.Equal(t, a.unseen, a.state.AlertsUnseen)
	}
}

func (a *apart) showOwn(t *rapid.T) (change Change) {
	row := a.snapshot(a.own, FromList, OwnFields)
	before, known := a.state, a.comparer.Unchanged(a.state.Summary(), row)
	require.False(t, known && a.mode != None, "it does not show all that counts")
	change = a.compare(t, row, world{moved: a.own.moved, fields: a.own.fields})
	accepted := a.emitted.moved == a.own.moved
	if known {
		require.Equal(t, a.quiet, change.Kind)
		require.Equal(t, asKnown(before), asKnown(a.state))
	}
	require.Empty(t, change.Alerts)
	require.Equal(t, before.Seen && a.own.moved < seconds(before.LastUpdate), change.Stale)
	if change.Stale {
		require.Equal(t, before, a.state)
		return change
	}
	newer := !before.Seen || a.own.moved > seconds(before.LastUpdate)
	switch {
	case a.mode == None:
		require.True(t, !newer || change.Kind.changes())
		return change
	case a.mode == Embedded:
		require.Equal(t, Change{Doubt: change.Doubt}, change)
		require.True(t, change.Doubt || !newer)
		require.Equal(t, before.Digest(true), a.state.Digest(true))
	case newer:
		require.True(t, change.Kind.changes(), "it is emitted at once")
	case before.Intent == nil:
		require.Empty(t, change.Kind)
	}
	require.Equal(t, before.Alerts, a.state.Alerts)
	require.Equal(t, before.Intent.alerts(), a.state.Intent.alerts())
	if !before.Seen && a.state.Seen && accepted {
		a.unseen, a.lastGet = true, a.clock
	}
	require.Equal(t, a.unseen, a.state.AlertsUnseen)
	if a.state.Seen {
		require.Equal(t, a.lastGet, seconds(a.state.Fetched))
	}
	return change
}

func (a *apart) showAlert(t *rapid.T, id string) (change Change) {
	p, there := a.alerts[id]
	if !there {
		return Change{}
	}
	shown := world{fields: a.own.fields, alerts: map[string]piece{id: p}}
	row := a.snapshot(shown, FromList, SomeAlerts)
	before := a.state
	last, known := a.emitted.alerts[id]
	intent, _ := before.Intent.alert(id)
	unsure := a.unsure(id)
	require.False(t, a.comparer.Unchanged(before.Summary(), row))
	change = a.compare(t, row, shown)
	require.Empty(t, change.Kind)
	require.False(t, change.Stale)
	if a.mode != Split || !before.Seen {
		require.Equal(t, Change{Doubt: change.Doubt}, change)
		require.Equal(t, before.Digest(true), a.state.Digest(true))
		require.Equal(t, a.mode != None && (!before.Seen || !known || p.version > last.version || before.Doubt), change.Doubt)
		return change
	}
	switch {
	case intent.Gone, intent.ID == id && known && p.version < last.version:
		require.Equal(t, Change{Doubt: true}, change)
	case unsure, known && p.version > last.version, !known && (a.unseen || p.moved > a.lastGet):
		require.Contains(t, alertKinds(change), id, "it is emitted at once")
	case !known:
		require.Equal(t, Change{Doubt: true}, change, "it may have left")
	default:
		require.Equal(t, Change{Doubt: before.Doubt}, change)
	}
	require.Equal(t, withoutAlerts(before), withoutAlerts(a.state))
	require.True(t, isSuperset(a.state.Alerts, before.Alerts), "a row removes nothing")
	return change
}

// seconds is a time of the test.
func seconds(at time.Time) int { return int(at.Sub(noon) / time.Second) }

// withoutAlerts returns the part that a row of the list of alerts does not change.
func withoutAlerts(s State) State {
	s.Alerts, s.Intent, s.Doubt = nil, nil, false
	return s
}

func isSuperset(all, some []AlertState) bool {
	return slices.IsSortedFunc(all, byID) && !slices.ContainsFunc(some, func(s AlertState) bool {
		_, found := alertOf(all, s.ID)
		return !found
	})
}

// catchUp makes the Get and all lists show the newest state, in any order. What a row
// finds before the Get, the Get does not find again. After the Get, nothing new is found.
func (a *apart) catchUp(t *rapid.T) {
	a.clock += 600 // no Get may lag this long
	a.own, a.killed = a.now.clone(), false
	ids := []string{"alike", "casing", "null"}
	shows := []func(){func() { a.showOwn(t) }, func() { a.get(t) }}
	for _, id := range ids {
		a.listAlert(id)
		shows = append(shows, func() { a.showAlert(t, id) })
	}
	for _, show := range rapid.Permutation(shows).Draw(t, "order") {
		show()
	}
	if a.killed {
		a.safe = true
		a.get(t)
		a.safe = false
	}
	a.checkComplete(t, noon.Add(time.Duration(a.clock)*time.Second))
	for _, id := range ids {
		require.Equal(t, Change{}, a.showAlert(t, id))
	}
	require.False(t, a.showOwn(t).Kind.changes())
	require.False(t, a.state.Doubt)
}

func TestLaggingRowsThatShowAPartEmitEachChangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newApart(t)
		decide := func(t *rapid.T, change Change) {
			if change.Doubt && rapid.Bool().Draw(t, "the Get comes at once") {
				a.get(t)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"the incident changes":             a.change,
			"an alert changes":                 a.changeAlert,
			"the list of incidents catches up": func(*rapid.T) { a.own = a.now.clone() },
			"the list of alerts catches up":    func(t *rapid.T) { a.listAlert(a.drawAlert(t)) },
			"Get shows it":                     a.get,
			"Get shows a part of it":           a.getPart,
			"Get lags":                         a.getBehind,
			"a row shows a new alert":          a.showNewAlert,
			"a replica falls behind":           func(*rapid.T) { a.behind = a.now.clone() },
			"the list shows the incident":      func(t *rapid.T) { decide(t, a.showOwn(t)) },
			"the list shows an alert":          func(t *rapid.T) { decide(t, a.showAlert(t, a.drawAlert(t))) },
			"restart":                          func(t *rapid.T) { a.state = restarted(t, a.state) },
			"everything has shown the newest":  a.catchUp,
		})
	})
}

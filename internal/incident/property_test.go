// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// rendering is how the two sources show the content of a version. No two versions look
// the same in a source that shows any.
type rendering func(version int, by Source) (content any, shown bool)

// renderings of the fields and alerts, by their names.
func renderings() map[string]rendering {
	words := func(version int, by Source) (any, bool) {
		if by == FromList {
			return fmt.Sprint("word ", version), true
		}
		return fmt.Sprint("Word ", version), true
	}
	return map[string]rendering{
		"alike":  func(version int, _ Source) (any, bool) { return int64(version), true },
		"casing": words,
		"null": func(version int, by Source) (any, bool) {
			owner := map[Source]any{FromGet: nil, FromList: ""}[by]
			return map[string]any{"owner": owner, "version": int64(version)}, true
		},
		"of Get":         func(version int, by Source) (any, bool) { return int64(version), by == FromGet },
		"of List":        func(version int, by Source) (any, bool) { return int64(version), by == FromList },
		"lastUpdateTime": words,
		statusField:      words,
	}
}

// piece is the content of a field or an alert.
type piece struct {
	version int
	moved   int // its time; 0: it has none
}

func (p piece) olderThan(other piece) bool { return p.moved != 0 && p.moved < other.moved }

// world is an incident at one moment.
type world struct {
	moved  int            // the incident's time
	fields map[string]int // their versions
	alerts map[string]piece
}

func (w world) clone() world {
	return world{w.moved, maps.Clone(w.fields), maps.Clone(w.alerts)}
}

// emitted is what the records have shown of an alert.
type emitted struct {
	piece
	// shown are the sources that have shown the alert since it was emitted, so that they
	// are compared with themselves. adopted is the version that was adopted as a source's
	// rendering because the source showed the alert for the first time.
	shown   map[Source]bool
	adopted map[Source]int
}

// subject is an incident that changes while a Get shows its current state and a list an
// older one, and what was emitted of it. The test acts as the caller: if a row leaves a
// doubt, a Get follows, at once or later.
type subject struct {
	comparer *Comparer
	mode     AlertsMode
	quiet    Kind // the kind for what has not changed
	state    State
	render   map[string]rendering

	now       world
	listed    world // which lags
	clock     int
	own       world // as it was last emitted
	alerts    map[string]*emitted
	highest   map[string]int // versions of alerts that were emitted, also of those that were removed
	fieldSeen map[string]map[Source]int
}

func newSubject(t *rapid.T) *subject {
	s := &subject{
		mode: rapid.SampledFrom([]AlertsMode{Split, Embedded, None}).Draw(t, "mode"), render: renderings(),
		alerts: map[string]*emitted{}, highest: map[string]int{}, fieldSeen: map[string]map[Source]int{}, own: world{fields: map[string]int{}},
		now: world{moved: 1, fields: map[string]int{}, alerts: map[string]piece{}}, clock: 1,
	}
	snapshots := rapid.Bool().Draw(t, "snapshots")
	if snapshots {
		s.quiet = Unchanged
	}
	s.comparer = NewComparer(s.mode, snapshots, nil, 0)
	for name := range s.render {
		s.now.fields[name], s.fieldSeen[name] = 1, map[Source]int{}
	}
	s.listed = s.now.clone()
	return s
}

func (s *subject) tick() int { s.clock++; return s.clock }

// update moves the incident's time.
func (s *subject) update() {
	s.now.moved = s.tick()
	s.now.fields["lastUpdateTime"] = s.clock
}

func (s *subject) change(t *rapid.T) {
	s.update()
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"alike", "casing", "null", "of Get", "of List", statusField}), rapid.ID).Draw(t, "fields") {
		s.now.fields[name] = s.clock
	}
}

// changeAlert makes an alert appear, leave or change, with or without its own time and
// the incident's. With embedded alerts, the record for one shows all others, so each
// change has a time that shows which is newer.
func (s *subject) changeAlert(t *rapid.T) {
	if rapid.Bool().Draw(t, "moves the incident") {
		s.update()
	}
	id := rapid.SampledFrom([]string{"alike", "casing", "null"}).Draw(t, "alert")
	a, there := s.now.alerts[id]
	version := s.tick()
	switch how := rapid.SampledFrom([]string{"with its time", "without", "leaves"}).Draw(t, "how"); {
	case there && how == "leaves":
		delete(s.now.alerts, id)
	case how == "without" && s.mode != Embedded:
		s.now.alerts[id] = piece{version, a.moved}
	default:
		s.now.alerts[id] = piece{version, version}
	}
}

func (s *subject) restart(t *rapid.T) { s.state = restarted(t, s.state) }

func (s *subject) list(t *rapid.T) {
	row := s.snapshot(s.listed, FromList)
	known := s.comparer.Unchanged(s.state.Summary(), row)
	before := s.state
	change := s.observe(t, row, s.listed)
	settled := !change.Stale && !change.Doubt && !s.outdated(s.listed)
	require.Equal(t, settled, s.comparer.Unchanged(s.state.Summary(), row), "the same row is recognized")
	if known {
		require.False(t, change.Kind.changes() || change.Doubt || change.Stale)
		require.Equal(t, asKnown(before), asKnown(s.state))
	}
	if change.Doubt && rapid.Bool().Draw(t, "the Get comes at once") {
		s.get(t)
	}
}

// asKnown returns the state without what even an observation without a change modifies.
func asKnown(s State) State {
	s.Fetched, s.Status = time.Time{}, ""
	s.Alerts = slices.Clone(s.Alerts)
	for i := range s.Alerts {
		s.Alerts[i].Status = ""
	}
	return s
}

func (s *subject) get(t *rapid.T) {
	change := s.observe(t, s.snapshot(s.now, FromGet), s.now)
	require.False(t, change.Stale)
	require.False(t, change.Doubt)
	require.False(t, s.state.Doubt)
	if s.mode == None {
		return
	}
	require.Equal(t, slices.Sorted(maps.Keys(s.now.alerts)), slices.Sorted(maps.Keys(s.alerts)), "each alert that is there was emitted")
}

// observe compares, checks the change against what was emitted, and records it.
func (s *subject) observe(t *rapid.T, snapshot *Snapshot, shown world) Change {
	by := snapshot.Source
	change, after := s.comparer.Compare(s.state, snapshot)
	if by == FromList && !change.Stale && (s.state.Doubt || s.mode != Embedded) {
		require.Equal(t, change.Doubt, after.Doubt, "until a Get has decided")
		require.True(t, change.Doubt || !s.state.Doubt)
	}
	if change.Doubt && s.mode == Embedded {
		require.Equal(t, Change{Doubt: true}, change)
		s.state = after
		return change
	}
	require.Equal(t, s.state.Seen && shown.moved < s.own.moved, change.Stale)
	own := s.checkOwn(t, change, shown, by)
	switch s.mode {
	case Split:
		s.checkAlerts(t, change, shown, by)
	case Embedded:
		s.checkEmbedded(t, change, own, shown, by)
	case None:
		require.Empty(t, change.Alerts)
	}
	s.state = after
	return change
}

// checkOwn checks that a newer version of the incident is emitted at once, and no other
// version, except for content that only one source shows. Changed fields include what
// the source has shown before and now shows differently, and nothing that is unchanged.
func (s *subject) checkOwn(t *rapid.T, change Change, shown world, by Source) (emitted bool) {
	if change.Stale {
		require.Empty(t, change.Kind)
		return false
	}
	alone := map[Source]string{FromGet: "of Get", FromList: "of List"}[by]
	first, newer := !s.state.Seen, shown.moved > s.own.moved
	switch {
	case first:
		require.Equal(t, FirstSeen, change.Kind)
	case newer:
		require.Equal(t, Updated, change.Kind)
	case slices.Contains(change.Fields, alone):
		require.Equal(t, Updated, change.Kind)
	case s.mode != Embedded:
		require.Equal(t, s.quiet, change.Kind)
	}
	s.own.moved = shown.moved
	for name, version := range shown.fields {
		seen, last := s.fieldSeen[name][by], s.own.fields[name]
		if newer && seen != last { // adopted, whether it has changed or not
			s.fieldSeen[name] = map[Source]int{}
		}
		if _, is := s.render[name](version, by); !is {
			continue
		}
		changed := !first && version != last
		named := slices.Contains(change.Fields, name)
		require.False(t, named && !changed, "%s has not changed", name)
		if changed && newer && (seen != 0 && seen == last || name == statusField || name == "lastUpdateTime") {
			require.True(t, named, "%s has changed", name)
		}
		s.own.fields[name], s.fieldSeen[name][by] = version, version
	}
	return first || newer || slices.Contains(change.Fields, alone)
}

// checkAlerts checks that no version of an alert is emitted twice or after a later one,
// and that removals are emitted by a Get. A version that is not emitted leaves a doubt,
// unless its source has not shown the alert since the other source emitted it, and
// nothing shows that it has changed.
func (s *subject) checkAlerts(t *rapid.T, change Change, shown world, by Source) {
	kinds := alertKinds(change)
	require.Len(t, change.Alerts, len(kinds), "none twice")
	for _, id := range slices.Sorted(maps.Keys(kinds)) {
		a := shown.alerts[id]
		switch kinds[id] {
		case Removed:
			require.Equal(t, FromGet, by)
			require.NotContains(t, shown.alerts, id)
			require.Contains(t, s.alerts, id)
			delete(s.alerts, id)
		case FirstSeen, Updated:
			require.Equal(t, kinds[id] == FirstSeen, s.alerts[id] == nil)
			require.Greater(t, a.version, s.highest[id])
			s.noteEmitted(id, a, by)
		default:
			require.Equal(t, Unchanged, kinds[id])
			require.Equal(t, s.quiet, kinds[id])
		}
	}
	if change.Stale {
		return
	}
	for id, a := range shown.alerts {
		last := s.alerts[id]
		if last == nil {
			require.True(t, change.Doubt, "it may have left")
			continue
		}
		if a.olderThan(last.piece) {
			continue // nothing is learned from it
		}
		if !last.shown[by] {
			last.shown[by], last.adopted[by] = true, a.version
		}
		ok := a.version <= last.version || a.version == last.adopted[by] || change.Doubt
		require.True(t, ok, "%s: version %d is neither emitted nor left to a Get", id, a.version)
		if by == FromGet && last.version != a.version {
			require.Equal(t, a.version, last.adopted[by])
		}
	}
	for id := range s.alerts {
		if _, is := shown.alerts[id]; !is {
			require.True(t, change.Doubt, "it may have left")
		}
	}
}

// checkEmbedded checks that a record is emitted because an alert or the incident is
// newer, and that it shows no alert older than it was emitted.
func (s *subject) checkEmbedded(t *rapid.T, change Change, own bool, shown world, by Source) {
	require.Empty(t, change.Alerts)
	if change.Stale {
		return
	}
	newer := own || len(shown.alerts) != len(s.alerts)
	for id, a := range shown.alerts {
		require.GreaterOrEqual(t, a.version, s.highest[id])
		newer = newer || s.alerts[id] == nil || a.version > s.alerts[id].version
	}
	require.Equal(t, newer, change.Kind.changes())
	for id := range s.alerts {
		if _, is := shown.alerts[id]; !is {
			require.Equal(t, FromGet, by)
			delete(s.alerts, id)
		}
	}
	for id, a := range shown.alerts {
		s.noteEmitted(id, a, by)
	}
}

func (s *subject) noteEmitted(id string, a piece, by Source) {
	s.highest[id] = a.version
	s.alerts[id] = &emitted{a, map[Source]bool{by: true}, map[Source]int{}}
}

// outdated reports whether an alert is older than it was emitted.
func (s *subject) outdated(shown world) bool {
	if s.mode == None {
		return false
	}
	for id, a := range shown.alerts {
		if last := s.alerts[id]; last != nil && a.olderThan(last.piece) {
			return true
		}
	}
	return false
}

func (s *subject) snapshot(shown world, by Source) *Snapshot {
	at := func(moved int) time.Time {
		if moved == 0 {
			return time.Time{}
		}
		return noon.Add(time.Duration(moved) * time.Second)
	}
	status, _ := s.render[statusField](shown.fields[statusField], by)
	snapshot := &Snapshot{
		ID: 437, API: "defender_xdr", Source: by, Status: status.(string), LastUpdate: at(shown.moved), Observed: noon.Add(time.Duration(s.clock) * time.Hour),
		AlertsField: "alerts", LastUpdateField: "lastUpdateTime", AlertLastUpdateField: "lastUpdatedTime", Alerts: []Alert{},
	}
	add := func(members map[string]any, name string, version int) {
		if value, shown := s.render[name](version, by); shown {
			members[name] = value
		}
	}
	members := map[string]any{}
	for name, version := range shown.fields {
		add(members, name, version)
	}
	snapshot.Object = object(members)
	for id, a := range shown.alerts { // in no order
		members := map[string]any{}
		add(members, id, a.version)
		snapshot.Alerts = append(snapshot.Alerts, Alert{ID: id, LastUpdate: at(a.moved), Object: object(members)})
	}
	return read(snapshot)
}

func TestALaggingListAndAGetEmitEachChangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSubject(t)
		t.Repeat(map[string]func(*rapid.T){
			"the incident changes": s.change,
			"an alert changes":     s.changeAlert,
			"the list catches up":  func(*rapid.T) { s.listed = s.now.clone() },
			"Get shows it":         s.get,
			"List shows it":        s.list,
			"restart":              s.restart,
		})
	})
}

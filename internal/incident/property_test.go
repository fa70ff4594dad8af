package incident

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// rendering is how the two sources show the content of one version. No two
// versions look the same to a source that shows any.
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
	}
}

// subject is an incident that changes while two sources show it, and what its
// records have told of it.
type subject struct {
	comparer *Comparer
	state    State
	quiet    Kind // of what has not changed
	now      int  // seconds since noon

	render map[string]rendering
	fields map[string]*piece // all but lastUpdateTime, whose version is updated, too
	alerts map[string]*piece // by id, which is the rendering's name
	left   []string          // alerts that left since the last observation
}

// piece is the content of a field or an alert.
type piece struct {
	version int
	moved   int // its time

	told      int // the version that was emitted last; -1: none
	toldMoved int
	shown     map[Source]bool // those that have shown it since
}

func newSubject(snapshots bool) *subject {
	s := &subject{comparer: NewComparer(Split, snapshots, nil, 0), render: renderings(), fields: map[string]*piece{}, alerts: map[string]*piece{}}
	if snapshots {
		s.quiet = Unchanged
	}
	for name := range s.render {
		s.fields[name] = &piece{told: -1}
	}
	return s
}

// update moves the incident's time.
func (s *subject) update() {
	s.now++
	f := s.fields["lastUpdateTime"]
	f.version, f.moved = f.version+1, s.now
}

func (s *subject) change(t *rapid.T) {
	s.update()
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"alike", "casing", "null", "of Get", "of List"}), rapid.ID).Draw(t, "fields") {
		s.fields[name].version++
	}
}

// changeAlert lets an alert come, leave or change, with or without its own
// time and the incident's.
func (s *subject) changeAlert(t *rapid.T) {
	if rapid.Bool().Draw(t, "moves the incident") {
		s.update()
	}
	id := rapid.SampledFrom([]string{"alike", "casing", "null"}).Draw(t, "alert")
	a := s.alerts[id]
	s.now++
	switch how := rapid.SampledFrom([]string{"with its time", "without", "leaves"}).Draw(t, "how"); {
	case a == nil:
		s.alerts[id] = &piece{version: s.now, moved: s.now, told: -1}
	case how == "leaves" && a.told < 0:
		delete(s.alerts, id)
	case how == "leaves":
		s.left = append(s.left, id)
		delete(s.alerts, id)
	case how == "with its time":
		a.version, a.moved = s.now, s.now
	case a.version != a.told || a.shown[FromGet]: // else it looks like Get's rendering of what List has told
		a.version = s.now
	}
}

func (s *subject) restart(t *rapid.T) { s.state = restarted(t, s.state) }

func (s *subject) list(t *rapid.T) {
	if f := s.fields["lastUpdateTime"]; f.told < 0 || f.moved > f.toldMoved {
		s.observe(t, FromList)
	}
}

func (s *subject) observe(t *rapid.T, by Source) {
	change, after := s.comparer.Compare(s.state, s.snapshot(by))
	require.False(t, change.Stale)
	if by == FromGet {
		require.Zero(t, after.Source)
	}
	s.checkFields(t, change, by)
	s.checkAlerts(t, change, by)
	s.state = after
}

func (s *subject) snapshot(by Source) *Snapshot {
	at := func(moved int) time.Time { return noon.Add(time.Duration(moved) * time.Second) }
	snapshot := &Snapshot{ID: 437, Source: by, Status: "Active", LastUpdate: at(s.fields["lastUpdateTime"].moved), AlertsField: "alerts", Alerts: []Alert{}}
	add := func(members map[string]any, name string, version int) {
		if value, shown := s.render[name](version, by); shown {
			members[name] = value
		}
	}
	members := map[string]any{}
	for name, f := range s.fields {
		add(members, name, f.version)
	}
	snapshot.Object = object(members)
	for id, a := range s.alerts {
		members := map[string]any{}
		add(members, id, a.version)
		snapshot.Alerts = append(snapshot.Alerts, Alert{ID: id, LastUpdate: at(a.moved), Object: object(members)})
	}
	return read(snapshot)
}

// checkFields: each change of a field is told by the first source that shows
// it with a newer time or has shown the field before. What has not changed may
// be named along with it, where the source has not yet shown how it renders
// what was told.
func (s *subject) checkFields(t *rapid.T, change Change, by Source) {
	first, moved := !s.state.Seen, false
	newer := s.fields["lastUpdateTime"].moved > s.fields["lastUpdateTime"].toldMoved
	for name, f := range s.fields {
		named := slices.Contains(change.Fields, name)
		_, shown := s.render[name](f.version, by)
		changed := shown && f.told != f.version && (newer || f.shown[by])
		moved = moved || changed
		if !first && changed {
			require.True(t, named, "%s has changed", name)
		}
		if named && f.told == f.version {
			require.False(t, f.shown[by], "%s has not changed", name)
			require.NotEqual(t, "alike", name)
		}
		if shown && !named {
			f.told = f.version // told along with the others, or adopted
		}
		f.note(by, first || named)
	}
	want := s.quiet
	switch {
	case first:
		want = FirstSeen
	case moved:
		want = Updated
	}
	require.Equal(t, want, change.Kind)
}

// checkAlerts: the same of alerts. A change that moves no time List may leave
// to Get.
func (s *subject) checkAlerts(t *rapid.T, change Change, by Source) {
	kinds := alertKinds(change)
	require.Len(t, change.Alerts, len(kinds), "none twice")
	for id, a := range s.alerts {
		want := []Kind{s.quiet}
		returned := slices.Contains(s.left, id)
		switch {
		case returned && a.told < 0: // in between, as far as anybody saw, it changed
			want = []Kind{Updated}
		case a.told < 0:
			want = []Kind{FirstSeen}
		case a.told != a.version && a.moved == a.toldMoved && by == FromList:
			want = []Kind{Updated, s.quiet}
		case a.told != a.version:
			want = []Kind{Updated}
		}
		require.Contains(t, want, kinds[id], id)
		a.note(by, kinds[id] != s.quiet)
		delete(kinds, id)
	}
	for _, id := range s.left {
		if s.alerts[id] == nil {
			require.Equal(t, Removed, kinds[id])
		}
		delete(kinds, id)
	}
	require.Empty(t, kinds)
	s.left = nil
}

func (c *piece) note(by Source, told bool) {
	switch {
	case told:
		c.told, c.toldMoved, c.shown = c.version, c.moved, map[Source]bool{by: true}
	case c.told == c.version:
		c.shown[by] = true
	}
}

func TestTwoSourcesThatRenderDifferentlyTellEachChangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSubject(rapid.Bool().Draw(t, "snapshots"))
		t.Repeat(map[string]func(*rapid.T){
			"the incident changes": s.change,
			"an alert changes":     s.changeAlert,
			"Get shows it":         func(t *rapid.T) { s.observe(t, FromGet) },
			"List shows it":        s.list,
			"restart":              s.restart,
		})
	})
}

package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unique"
)

// Kind says what has happened to an incident or an alert; the words are those
// of the records. Empty: nothing to report.
type Kind string

// The kinds of change. Removed is an alert's alone; FirstSeen, Updated and
// Unchanged are an incident's and an alert's; the rest are an incident's.
const (
	Merged    Kind = "merged"
	NotFound  Kind = "not_found"
	FirstSeen Kind = "first_seen"
	Resolved  Kind = "resolved"
	Reopened  Kind = "reopened"
	Updated   Kind = "updated"
	Removed   Kind = "removed"
	Unchanged Kind = "snapshot" // emitted all the same, on request
)

// AlertsMode says how alerts take part in the comparison and in the records.
type AlertsMode string

// Split makes every alert a record of its own, Embedded leaves the alerts in
// their incident's content, None leaves them out of both.
const (
	Split    AlertsMode = "split"
	Embedded AlertsMode = "embedded"
	None     AlertsMode = "none"
)

// Change is what an observation adds to what was delivered before.
type Change struct {
	// Kind of the incident's own record; empty: it has none.
	Kind Kind
	// Fields are the names of the top-level fields that differ, sorted. Only
	// with Resolved, Reopened and Updated.
	Fields []string
	// PreviousStatus is the status before, where it differs.
	PreviousStatus string
	// Alerts that have a record of their own, in the API's order, those that
	// left last.
	Alerts []AlertChange
	// Stale: the answer is older than what was delivered. Nothing is to be
	// emitted and nothing kept of it.
	Stale bool
}

// AlertChange is the change of one alert.
type AlertChange struct {
	Kind  Kind
	ID    string
	Alert *Alert // of the snapshot; nil when Removed
	// Digest of the alert's content as it will have been delivered; of the
	// last delivered when Removed.
	Digest Digest
	// Disappearance numbers a removal within its incident.
	Disappearance uint64
}

// Empty says that there is nothing to emit.
func (c Change) Empty() bool { return c.Kind == "" && len(c.Alerts) == 0 }

// Comparer finds out what has changed. It belongs to one goroutine.
type Comparer struct {
	alerts    AlertsMode
	snapshots bool
	ignored   Ignored
}

// NewComparer compares with alerts as the mode says. With snapshots, what has
// not changed is reported too, as Unchanged. The ignored names are those that the
// digests of the snapshots leave out.
func NewComparer(alerts AlertsMode, snapshots bool, ignored Ignored) *Comparer {
	return &Comparer{alerts: alerts, snapshots: snapshots, ignored: ignored}
}

// Compare says what the snapshot changes of what was delivered, and what will
// have been delivered once its records are accepted. delivered stays as it is.
// When the snapshot is stale, so does the returned state.
//
// What another API has shown is not compared by its content, but by what both
// show alike: the incident's status and time, and its alerts' ids, status and
// times. Fields then names these alone, as the snapshot's API does, and a
// change of content that moves none of them is adopted without a word.
func (c *Comparer) Compare(delivered State, s *Snapshot) (Change, State) {
	before := delivered.base()
	if stale(before, s) {
		return Change{Stale: true}, delivered
	}
	switch {
	case !before.Seen:
		before.Source = s.Source // nothing is known of the other
	case before.API != s.API:
		before = c.adopt(before, s)
	}
	after := State{
		Seen: true, API: s.API, Merged: s.Merged, Successor: s.SuccessorID,
		Status: word(s.Status), LastUpdate: s.LastUpdate,
		Source:         min(before.Source, s.Source),
		Disappearances: before.Disappearances,
		Fetched:        s.Observed.Round(0),
	}
	var change Change
	changed := c.compareFields(before, s, &after)
	alertsMoved := false
	if !s.Merged && c.alerts != None {
		change.Alerts, alertsMoved = c.compareAlerts(before, s, &after)
	}
	change.Kind = c.kind(before, after, len(changed) > 0 || c.alerts == Embedded && alertsMoved)
	switch change.Kind {
	case Resolved, Reopened, Updated:
		change.Fields = changed
		if alertsMoved {
			change.Fields = append(change.Fields, s.AlertsField)
			slices.Sort(change.Fields)
			change.Fields = slices.Compact(change.Fields)
		}
	}
	if change.Kind != "" && before.Seen && !strings.EqualFold(before.Status, after.Status) {
		change.PreviousStatus = before.Status
	}
	if c.alerts != Split {
		change.Alerts = nil
	}
	return change, after
}

// word is the text, kept once for all states: what a snapshot shows is a piece of
// the answer's text, which no state is to hold on to.
func word(text string) string { return unique.Make(text).Value() }

// Missing says what it changes that the API, at the moment of observation,
// has no such incident.
func (c *Comparer) Missing(before State, observed time.Time) (Change, State) {
	after := before
	after.Fetched = observed.Round(0)
	if before.Missing && before.Telling == nil {
		return Change{}, after
	}
	after = State{Missing: true, MissingSince: after.Fetched, Disappearances: before.nextDisappearance(), Fetched: after.Fetched}
	change := Change{Kind: NotFound}
	if before.Seen {
		change.PreviousStatus = before.Status
	}
	return change, after
}

// kind is the first that applies, from top to bottom.
func (c *Comparer) kind(before, after State, changed bool) Kind {
	changed = changed || before.Telling != nil && before.Telling.Embedded
	switch {
	case after.Merged && (!before.Merged || before.Successor != after.Successor):
		return Merged
	case !before.Seen:
		return FirstSeen
	case changed && resolved(after.Status) && !resolved(before.Status):
		return Resolved
	case changed && resolved(before.Status) && !resolved(after.Status):
		return Reopened
	case changed:
		return Updated
	case c.snapshots:
		return Unchanged
	}
	return ""
}

// compareFields compares fields by name, writes what will have been delivered
// of them into after, and names those that changed, sorted.
func (c *Comparer) compareFields(before State, s *Snapshot, after *State) (changed []string) {
	after.Fields = withAbsent(slices.Clone(s.Fields), before.Fields)
	delivered := before.Fields
	for i := range after.Fields {
		field := &after.Fields[i]
		last := Part{Source: before.Source} // absent
		if len(delivered) > 0 && delivered[0].Name == field.Name {
			last, delivered = delivered[0].Part, delivered[1:]
		}
		part, differs := last.seen(field.Digest, s.Source, newer(s.LastUpdate, before.LastUpdate))
		field.Part = part
		if differs {
			changed = append(changed, field.Name)
		}
	}
	after.Fields = slices.DeleteFunc(after.Fields, func(f Field) bool { return f.Part == Part{} }) // absent, as Get knows
	return changed
}

// withAbsent adds, with the digest of nothing, the fields that were delivered
// and are not shown. All lists are sorted by name.
func withAbsent(shown, delivered []Field) []Field {
	all, at := shown, 0
	for _, f := range delivered {
		for at < len(shown) && shown[at].Name < f.Name {
			at++
		}
		if at == len(shown) || shown[at].Name != f.Name {
			all = append(all, Field{Name: f.Name})
		}
	}
	if len(all) > len(shown) {
		slices.SortFunc(all, byName)
	}
	return all
}

// compareAlerts compares alerts by id and writes what will have been
// delivered of them into after. moved: one came, changed or left.
func (c *Comparer) compareAlerts(before State, s *Snapshot, after *State) (changes []AlertChange, moved bool) {
	came, left := before.Telling.unsure()
	after.Alerts = make([]AlertState, 0, len(s.Alerts))
	for i := range s.Alerts {
		alert := &s.Alerts[i]
		now := AlertState{
			ID: strings.Clone(alert.ID), Part: Part{Digest: alert.Digest, Source: s.Source},
			Status: word(alert.Status), LastUpdate: alert.LastUpdate,
		}
		last, known := alertOf(before.Alerts, alert.ID)
		if _, unsure := left[alert.ID]; unsure {
			known = false
		}
		changed := false
		switch {
		case known && last.Foreign:
			changed = c.foreignDiffers(last, now, s)
		case known:
			now.Part, changed = last.seen(now.Digest, s.Source, newer(alert.LastUpdate, last.LastUpdate))
		}
		after.Alerts = append(after.Alerts, now)
		kind := c.alertKind(known, changed)
		if kind == "" {
			continue
		}
		moved = moved || kind != Unchanged
		changes = append(changes, AlertChange{Kind: kind, ID: now.ID, Alert: alert, Digest: now.Digest})
	}
	slices.SortFunc(after.Alerts, byID)
	shown := after.Alerts

	maybeMore := s.Incomplete || len(s.Alerts) >= alertsCap || len(before.Alerts) >= alertsCap
	for _, known := range [][]AlertState{before.Alerts, came} {
		for _, gone := range known {
			if _, stays := alertOf(shown, gone.ID); stays {
				continue
			}
			number, told := left[gone.ID]
			if maybeMore && !told { // of one that has perhaps left, that was seen in a whole list
				after.Alerts = append(after.Alerts, gone)
				continue
			}
			moved = true
			if !told {
				after.Disappearances++
				number = after.Disappearances
			}
			changes = append(changes, AlertChange{Kind: Removed, ID: gone.ID, Digest: gone.Digest, Disappearance: number})
		}
	}
	if len(after.Alerts) > len(shown) {
		slices.SortFunc(after.Alerts, byID)
	}
	return changes, moved
}

func byID(a, b AlertState) int { return cmp.Compare(a.ID, b.ID) }

// alertOf finds an alert among those that are sorted by id.
func alertOf(alerts []AlertState, id string) (AlertState, bool) {
	i, found := slices.BinarySearchFunc(alerts, id, func(a AlertState, id string) int { return cmp.Compare(a.ID, id) })
	if !found {
		return AlertState{}, false
	}
	return alerts[i], true
}

func (c *Comparer) alertKind(known, changed bool) Kind {
	switch {
	case !known:
		return FirstSeen
	case changed:
		return Updated
	case c.snapshots:
		return Unchanged
	}
	return ""
}

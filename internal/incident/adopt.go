package incident

import (
	"slices"
	"strings"
	"time"
)

// statusField is the name of the status in both APIs, of an incident and of
// an alert.
const statusField = "status"

// precision to which both APIs show the same time: the one rounds, or cuts
// off, what the other shows in full.
const precision = time.Millisecond

// adopt gives what another API has shown as the one of the snapshot would have
// shown it: of the incident's own content as it is now, without what is known
// to differ. The alerts are only marked, for some may not be shown yet.
func (c *Comparer) adopt(before State, s *Snapshot) State {
	status := before.Merged != s.Merged || !sameStatus(before.Status, s.Status)
	moved := !sameTime(before.LastUpdate, s.LastUpdate)

	before.Source = s.Source
	before.Fields = slices.DeleteFunc(slices.Clone(s.Fields), func(f Field) bool {
		return status && f.Name == statusField || moved && f.Name == s.LastUpdateField
	})
	for i := range before.Fields {
		before.Fields[i].Source = s.Source
	}
	before.Alerts = slices.Clone(before.Alerts)
	for i := range before.Alerts {
		a := &before.Alerts[i]
		a.Foreign = a.Digest != Digest{} // nothing is known of one that has perhaps come: it is still to be told
	}
	return before
}

// foreignDiffers says whether an alert has changed, of which another API has
// shown the last, as far as both show it alike.
func (c *Comparer) foreignDiffers(last, now AlertState, s *Snapshot) bool {
	return c.ignored.Counts(statusField) && !sameStatus(last.Status, now.Status) ||
		c.ignored.Counts(s.AlertLastUpdateField) && !sameTime(last.LastUpdate, now.LastUpdate)
}

// sameStatus compares without case, as the APIs differ in it. A status that is
// not known says nothing.
func sameStatus(a, b string) bool { return a == "" || b == "" || strings.EqualFold(a, b) }

// sameTime compares as precisely as both APIs show a time. One that is not
// known says nothing.
func sameTime(a, b time.Time) bool {
	return a.IsZero() || b.IsZero() || a.Sub(b).Abs() < precision
}

// stale says that what is shown is older than what was delivered.
func stale(before State, s *Snapshot) bool {
	if s.LastUpdate.IsZero() || !s.LastUpdate.Before(before.LastUpdate) {
		return false
	}
	return before.API == s.API || !sameTime(before.LastUpdate, s.LastUpdate)
}

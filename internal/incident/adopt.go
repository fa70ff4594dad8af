// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"slices"
	"strings"
)

// statusField is the name of the status field of incidents and alerts in both APIs.
const statusField = "status"

// comparable reports whether the stored digests are from the same API as the
// snapshot's and leave out the same names.
func (c *Comparer) comparable(before State, s *Snapshot) bool {
	return before.API == s.API && before.Basis == c.basis
}

// adopt replaces digests that are not comparable by the snapshot's. A comparison
// then finds differences only in the status and the time of the last update. Alerts
// are only marked, since the snapshot may not contain all of them.
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
		a.Foreign = a.Digest != Digest{} // without a digest it is still to be emitted
	}
	return before
}

// statusOrTimeDiffers compares two states of an alert without their digests.
func (c *Comparer) statusOrTimeDiffers(last, now AlertState, s *Snapshot) bool {
	return c.ignored.Counts(statusField) && !sameStatus(last.Status, now.Status) ||
		c.ignored.Counts(s.AlertLastUpdateField) && !sameTime(last.LastUpdate, now.LastUpdate)
}

// sameStatus ignores case, which differs between the APIs. An unknown status does
// not count as a difference.
func sameStatus(a, b string) bool { return a == "" || b == "" || strings.EqualFold(a, b) }

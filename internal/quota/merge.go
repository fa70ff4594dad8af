// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"cmp"
	"slices"
	"time"
)

// Merge returns one account for the requests of two accounts that had a quota each and share one from now on. It errs on the safe side: it
// counts what either has sent, and keeps every pause and every limit that either has learned, for each window the strictest limit and the
// latest time. Merging with an account that was never stored does not change the other one.
func Merge(a, b Stored) Stored {
	switch {
	case a.Empty():
		return b
	case b.Empty():
		return a
	}
	return Stored{
		Since:       later(a.Since, b.Since), // before that, the requests of only one are known
		Ended:       sortedEnds(a.Ended, b.Ended),
		InFlight:    a.InFlight + b.InFlight,
		PausedUntil: later(a.PausedUntil, b.PausedUntil),
		Learned:     strictest(a.Learned, b.Learned),
	}
}

// Empty reports whether nothing is known of the account: it was never stored, or nothing is left of it.
func (s Stored) Empty() bool {
	return s.Since.IsZero() && len(s.Ended) == 0 && s.InFlight == 0 && s.PausedUntil.IsZero() && len(s.Learned) == 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sortedEnds(a, b []time.Time) []time.Time {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, time.Time.Compare)
	return all
}

// strictest returns one limit for each window, the shortest window first.
func strictest(a, b []Learned) []Learned {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(x, y Learned) int { return cmp.Compare(x.Limit.Window, y.Limit.Window) })
	var merged []Learned
	for _, l := range all {
		if n := len(merged); n > 0 && merged[n-1].Limit.Window == l.Limit.Window {
			last := &merged[n-1]
			last.Limit.Requests, last.Since = min(last.Limit.Requests, l.Limit.Requests), later(last.Since, l.Since)
			continue
		}
		merged = append(merged, l)
	}
	return merged
}

// SPDX-License-Identifier: Apache-2.0

package health

import "time"

// doubtRetry is how soon an incident is requested again after a doubted 404.
const doubtRetry = 30 * time.Second

// found protects against requests to the wrong place, where incidents that were
// delivered before seem to be gone. A 404 is held back until another incident
// is found, which proves that the place is right.
type found struct{ held map[int64]*Streak }

// success notes that an incident was found. It returns the others that were
// held back: their next 404 is accepted.
func (f *found) success(id int64) (released []int64) {
	delete(f.held, id)
	for id, s := range f.held {
		s.believed = true
		released = append(released, id)
	}
	clear(f.held)
	return released
}

// since is the time of the first 404 that is held back.
func (f *found) since() time.Time {
	var first time.Time
	for _, s := range f.held {
		if first.IsZero() || s.since.Before(first) {
			first = s.since
		}
	}
	return first
}

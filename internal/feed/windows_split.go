// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"
	"time"
)

const (
	// maxParts is the number of parts into which a window is divided at once, and maxWindows the largest number of windows.
	maxParts   = 100
	maxWindows = 1000
	// filled is the average fill of the parts of a window, as a fraction of the rows that can be reached: changes come in bursts.
	filledNumerator, filledDenominator = 3, 4
)

// byTime divides a window evenly by time, so that each part has fewer rows than can be reached; the last part of a window without an end has none
// either. A window of a second or less is not divided.
func (w *window) byTime(reach int) []*window {
	n := 2
	if w.total > 0 {
		n = max(n, 1+w.total*filledDenominator/(max(1, reach)*filledNumerator))
	}
	return w.evenly(n)
}

// evenly divides a window into at most n parts by time.
func (w *window) evenly(n int) []*window {
	until := w.before
	if until.IsZero() {
		until = w.date
	}
	length := until.Sub(w.since)
	whole := length <= time.Second
	if length <= 0 || whole && !w.before.IsZero() {
		return nil
	}
	n = min(n, maxParts, max(2, int(length/time.Second)))
	bounds := []time.Time{w.since}
	for i := 1; i < n; i++ {
		bounds = append(bounds, w.since.Add(length/time.Duration(n)*time.Duration(i)))
	}
	if whole { // what has happened up to now, and what comes
		bounds = []time.Time{w.since, until}
	}
	parts := []*window{}
	for i, since := range bounds {
		part := w.copy()
		part.since = since
		if i+1 < len(bounds) {
			part.before = bounds[i+1]
		}
		parts = append(parts, part)
	}
	return parts
}

// byCreation divides a window in two at the median creation of the rows that it has shown. Nil: they do not show where.
func (w *window) byCreation() []*window {
	created := slices.DeleteFunc(slices.Clone(w.created), time.Time.IsZero)
	slices.SortFunc(created, time.Time.Compare)
	if len(created) == 0 {
		return nil
	}
	at := len(created) / 2
	for at < len(created) && !created[at].After(created[0]) {
		at++
	}
	if at == len(created) || !created[at].After(w.createdSince) || !w.createdBefore.IsZero() && !created[at].Before(w.createdBefore) {
		return nil
	}
	older, younger := w.copy(), w.copy()
	older.createdBefore, younger.createdSince = created[at], created[at]
	return []*window{older, younger}
}

// copy is an unread window of the same kind.
func (w *window) copy() *window {
	c := *w
	c.reading = reading{}
	return &c
}

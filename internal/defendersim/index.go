// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"hash/fnv"
	"slices"
	"sort"
	"time"
)

// order is an order of rows.
type order int

const (
	byPlace    order = iota // none that means anything, but always the same
	byUpdate                // by the time of the last change, oldest first
	byCreation              // by the time of creation, oldest first
	orders     = iota
)

// time is the key of the order; the zero time if it does not use one.
func (o order) time(row *shown) time.Time {
	switch o {
	case byUpdate:
		return row.updated()
	case byCreation:
		return row.created()
	}
	return time.Time{}
}

// compare puts rows in order. No two are equal. How Defender XDR orders rows of the
// same time is not known: here it is by id.
func (o order) compare(a, b *shown) int {
	if by := o.time(a).Compare(o.time(b)); by != 0 {
		return by
	}
	if o != byUpdate && a.place != b.place {
		return cmp.Compare(a.place, b.place)
	}
	return a.key().compare(b.key())
}

// index holds the rows of a list in an order. It is built on first use: most
// simulators never need most of theirs.
type index struct {
	order order
	built bool
	rows  []*shown
}

func (in *index) build(from map[rowKey]*shown) {
	for _, row := range from {
		if !row.removed {
			in.rows = append(in.rows, row)
		}
	}
	slices.SortFunc(in.rows, in.order.compare)
	in.built = true
}

func (in *index) insert(row *shown) {
	if in.built {
		n, _ := slices.BinarySearchFunc(in.rows, row, in.order.compare)
		in.rows = slices.Insert(in.rows, n, row)
	}
}

func (in *index) remove(row *shown) {
	if in.built {
		n, _ := slices.BinarySearchFunc(in.rows, row, in.order.compare)
		in.rows = slices.Delete(in.rows, n, n+1)
	}
}

// span is a range of times, both ends included. A zero end is none.
type span struct {
	from, to time.Time
}

// narrow moves an end inward: from, or to.
func (s *span) narrow(from bool, limit time.Time) {
	switch {
	case from:
		s.from = latest(s.from, limit)
	case s.to.IsZero() || limit.Before(s.to):
		s.to = limit
	}
}

// within reduces ordered rows to those in a span.
func within(rows []*shown, o order, s span) []*shown {
	if !s.to.IsZero() {
		rows = rows[:sort.Search(len(rows), func(n int) bool { return o.time(rows[n]).After(s.to) })]
	}
	if !s.from.IsZero() {
		rows = rows[sort.Search(len(rows), func(n int) bool { return !o.time(rows[n]).Before(s.from) }):]
	}
	return rows
}

// placeOf scatters rows in an order that depends only on the seed and their
// identity, because Graph's lists have no order: whatever changes, a row
// keeps its place.
func (s *Sim) placeOf(key rowKey) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key.alert)) // it never fails
	return scatter(h.Sum64() ^ scatter(s.cfg.Seed+uint64(key.incident)))
}

// scatter is the finalizer of SplitMix64: neighbours end up far apart.
func scatter(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

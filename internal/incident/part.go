// SPDX-License-Identifier: Apache-2.0

package incident

// Source is the call that showed an incident. The two may render the same
// content differently: a word in another casing, null for "", a field left out.
type Source uint8

// FromGet shows one incident by its id, FromList a row of the incidents that
// changed lately. FromBoth is the source of what both show alike; no snapshot
// has it.
const (
	FromGet Source = iota
	FromList
	FromBoth
)

// and returns the source of what both have shown.
func (s Source) and(other Source) Source {
	if s == other {
		return s
	}
	return FromBoth
}

// Part is what was last delivered of a field or of an alert. What the other
// source shows of it is kept where it differs, so that each source is compared
// with itself.
type Part struct {
	// Digest of the content as it was delivered; zero: the field was absent.
	Digest Digest `json:"d"`
	// Source that has shown the content so.
	Source Source `json:"s,omitzero"`
	// Other is the digest of the same content as the other source shows it;
	// nil: it has not shown it, or, with FromBoth, shows it alike.
	Other *Digest `json:"o,omitzero"`
}

// shownBy returns the digest of the content as the source shows it. Not known:
// it has not shown the content yet.
func (p Part) shownBy(source Source) (d Digest, known bool) {
	switch {
	case p.Source == source || p.Source == FromBoth:
		return p.Digest, true
	case p.Other != nil:
		return *p.Other, true
	}
	return Digest{}, false
}

// sight is what an observation shows of a part.
type sight uint8

const (
	alike sight = iota
	differs
	doubtful // it may have changed; only a Get can decide
	outdated // it is older than what was delivered
)

// seen returns what becomes of the part now that a source shows this digest, and
// what that means. newer: the content shown has a later time of change than the
// content delivered.
//
// With a newer time, any digest that is not known is a change. With the same
// time, the first digest that a source shows is taken for its rendering and is
// adopted: the API moves an incident's lastUpdateTime with each change of the
// incident's own content, and an alert's lastUpdatedTime with the alert's. A
// source that has shown the content before and now shows another digest has
// found a change that moved no time. From Get that is certain.
//
// A row may lag behind what Get has shown, so its digest is adopted and the
// change left to a Get, which is compared with what it has shown itself. Only
// where the content was delivered from a row is the change delivered at once: Get
// may not have shown the content, and would then take the change for its
// rendering.
func (p Part) seen(d Digest, by Source, newer bool) (Part, sight) {
	last, known := p.shownBy(by)
	switch {
	case d == p.Digest && p.Source != by:
		return Part{Digest: d, Source: FromBoth}, alike
	case d == p.Digest || known && d == last:
		return p, alike
	case newer || known && (by == FromGet || p.Source == FromList):
		return Part{Digest: d, Source: by}, differs // how the other shows the new content is not known
	case known:
		return p.rendered(d, by), doubtful
	}
	return p.rendered(d, by), alike
}

// rendered returns the part with the digest that a source shows of the content.
func (p Part) rendered(d Digest, by Source) Part {
	if p.Source == by {
		p.Digest = d
		return p
	}
	if p.Source == FromBoth { // from Get the digest would be a change
		p.Source = FromGet
	}
	p.Other = new(d)
	return p
}

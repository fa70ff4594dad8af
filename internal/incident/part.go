// SPDX-License-Identifier: Apache-2.0

package incident

// Source is the kind of request that showed an incident. The two kinds may render the
// same content differently: a word in another case, null for "", a field left out.
type Source uint8

// FromGet is a request for one incident by its ID, FromList a row of a list. fromBoth
// is the source of content that both show alike; no snapshot has it.
const (
	FromGet Source = iota
	FromList
	fromBoth
)

// and returns the source of what both have shown.
func (s Source) and(other Source) Source {
	if s == other {
		return s
	}
	return fromBoth
}

// Part is what was last delivered of a field or of an alert. If the other source shows
// it differently, that is kept too, so that each source is compared with itself.
type Part struct {
	// Digest of the content as it was delivered; zero if the field was absent.
	Digest Digest `json:"d"`
	// Source that has shown the content with this digest.
	Source Source `json:"s,omitzero"`
	// Other is the digest of the same content as the other source shows it. It is nil if
	// that source has not shown the content, or, with fromBoth, shows it alike.
	Other *Digest `json:"o,omitzero"`
}

// shownBy returns the digest of the content as the source shows it. known is false if
// the source has not shown the content yet.
func (p Part) shownBy(source Source) (d Digest, known bool) {
	switch {
	case p.Source == source || p.Source == fromBoth:
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

// seen returns the new part after a source has shown this digest, and what that means.
// newer: the shown content has a later time of change than the delivered content.
//
// With a newer time, any unknown digest is a change. With the same time, the first
// digest that a source shows counts as its rendering and is adopted, since the API
// moves an incident's lastUpdateTime with each change of the incident's own content,
// and an alert's lastUpdatedTime with each change of the alert. If a source has shown
// the content before and now shows another digest, the content has changed without a
// change of the time. From a Get, that is certain.
//
// A row may lag behind what a Get has shown. So its digest is adopted, and the change
// is left to a Get, which is compared with what Gets have shown. If the content was
// delivered from a row, the change is delivered at once: a Get may not have shown the
// content, and the change would count as the Get's rendering.
func (p Part) seen(d Digest, by Source, newer bool) (Part, sight) {
	last, known := p.shownBy(by)
	switch {
	case d == p.Digest && p.Source != by:
		return Part{Digest: d, Source: fromBoth}, alike
	case d == p.Digest || known && d == last:
		return p, alike
	case newer || known && (by == FromGet || p.Source == FromList):
		return Part{Digest: d, Source: by}, differs // the other source's rendering of the new content is not known
	case known:
		return p.rendered(d, by), doubtful
	}
	return p.rendered(d, by), alike
}

// rendered returns the part with the digest of a source's rendering of the content.
func (p Part) rendered(d Digest, by Source) Part {
	if p.Source == by {
		p.Digest = d
		return p
	}
	if p.Source == fromBoth { // from Get the digest would be a change
		p.Source = FromGet
	}
	p.Other = new(d)
	return p
}

package incident

// Source is the call that showed an incident. The two may render the same
// content differently: a word in another casing, null for "", a field left out.
type Source uint8

// FromGet shows one incident by its id, FromList a row of the incidents that
// changed lately.
const (
	FromGet Source = iota
	FromList
)

// Part is what was last delivered of a field or of an alert. What the other
// source shows of it is kept where it has been seen to differ, so that each
// source is compared with itself.
type Part struct {
	// Digest of the content as it was delivered; zero: the field was absent.
	Digest Digest `json:"d"`
	// Source that shows the content so; FromGet where both do.
	Source Source `json:"s,omitzero"`
	// Other is the digest of the same content as the other source shows it;
	// nil: it was not seen to differ.
	Other *Digest `json:"o,omitzero"`
}

// seen says what becomes of the part now that a source shows this digest, and
// whether its content has changed. newer: what is shown has a later time of
// change than what was delivered.
//
// Another digest from a source that is known is a change, whatever its time.
// From one that is not known it is a change only when newer. With the same
// time it is another rendering and is adopted: the API moves an incident's
// lastUpdateTime with each change of the incident's own content, and an
// alert's lastUpdatedTime with the alert's. A change that moves no time is
// found by a source that showed the part before, Get's round or the next row.
func (p Part) seen(d Digest, by Source, newer bool) (after Part, changed bool) {
	last, known := p.Digest, p.Source == by
	if !known && p.Other != nil {
		last, known = *p.Other, true
	}
	switch {
	case d == last:
		if !known { // until now: both show it alike
			p.Source = FromGet // which looks at all times, FromList only at what is newer
		}
		return p, false
	case known || newer:
		return Part{Digest: d, Source: by}, true // how the other shows the new content is not known
	}
	p.Other = new(d)
	return p, false
}

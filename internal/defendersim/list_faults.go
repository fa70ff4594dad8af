// SPDX-License-Identifier: Apache-2.0

package defendersim

import "bytes"

// ListFaultKinds lists the faults of links, which lists share with other calls,
// and those of lists only: of incidents, and of alerts.
func ListFaultKinds() []FaultKind { return append(LinkFaultKinds(), listOnlyKinds()...) }

func listOnlyKinds() []FaultKind {
	return []FaultKind{
		{"link-loop", "", "the first page links to the second, any other page back to the first", spoiledPage(loopLink)},
		{"overfull", "50", "up to this many rows more than requested", overfull},
		{"value-missing", "", "a page without value", spoiledPage(func(_ *exchange, p *page, _ Fault) { p.rows, p.bare = nil, true })},
		{"value-null", "", "value is null", spoiledPage(func(_ *exchange, p *page, _ Fault) { p.rows, p.value = nil, "null" })},
		{"value-object", "", "value is an object", spoiledPage(func(_ *exchange, p *page, _ Fault) { p.rows, p.value = nil, "{}" })},
		{"row-without-id", "", "the first row has no ID", spoiledPage(func(_ *exchange, p *page, _ Fault) { p.spoil = withoutID })},
		{"row-null", "", "the first row is null", spoiledPage(func(_ *exchange, p *page, _ Fault) { p.spoil = nullRow })},
		{"row-twice", "", "the first row is repeated at the end of its page", spoiledPage(repeatRow)},
		{"count-high", "50", "@odata.count, if requested, is too high by this much", spoiledPage(func(_ *exchange, p *page, f Fault) { p.total += int(f.Size) })},
		{"padded", "512KiB", "each row has this many additional spaces", spoiledPage(func(_ *exchange, p *page, f Fault) { p.padding = f.Size })},
	}
}

// spoiledPage sends the regular page after the fault has changed it.
func spoiledPage(change func(*exchange, *page, Fault)) responder {
	return func(x *exchange, f Fault) bool {
		p := x.page(x.query)
		change(x, &p, f)
		x.sendPage(jsonType, p)
		return true
	}
}

func loopLink(x *exchange, p *page, _ Fault) {
	p.next = x.skipTo(0)
	if x.query.skip == 0 {
		p.next = x.skipTo(x.query.top)
	}
}

// overfull responds as if more rows had been requested; its link
// continues after them.
func overfull(x *exchange, f Fault) bool {
	q := x.query
	q.top += int(f.Size)
	x.sendPage(jsonType, x.page(q))
	return true
}

func repeatRow(_ *exchange, p *page, _ Fault) {
	if len(p.rows) > 0 {
		p.rows = append(p.rows, p.rows[0])
	}
}

// withoutID relies on the ID being the first member.
func withoutID(row []byte) []byte {
	_, rest, _ := bytes.Cut(row, []byte{','})
	return append([]byte{'{'}, rest...)
}

func nullRow([]byte) []byte { return []byte("null") }

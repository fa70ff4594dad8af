// SPDX-License-Identifier: Apache-2.0

package defendersim

// LinkFaultKinds lists the faults of calls whose responses link to more: List,
// pages of alerts, and Get if Graph shows alerts with an incident. If nothing
// follows, link-elsewhere, link-bare and link-broken change nothing.
func LinkFaultKinds() []FaultKind {
	return []FaultKind{
		{"link-stuck", "", "the link to the next page leads to the same page", spoiledLink(stuckLink)},
		{"link-elsewhere", "", "the link to the next page names another host", spoiledLink(func(_ *exchange, l *link) { l.host = elsewhere })},
		{"link-bare", "", "the link to the next page has neither $skip nor $skiptoken", spoiledLink(func(_ *exchange, l *link) { l.aimless = true })},
		{"link-broken", "", "the link to the next page is a number", spoiledLink(func(_ *exchange, l *link) { l.number = true })},
		{"link-empty", "", "the link to the next page is an empty string, also on the last page", spoiledLink(func(_ *exchange, l *link) { l.empty = true })},
		{"link-endless", "", "after the last page, endless links to empty pages", spoiledLink(endlessLink)},
		{"page-empty", "", "before each page, an empty one that links to it", emptyFirst},
	}
}

func emptyFirst(x *exchange, _ Fault) bool {
	if !x.query.again {
		x.emptied, x.spoilLink = true, againLink
	}
	return false
}

// againLink leads to the rows that belong on the page. With a $skip it could
// not: clients treat a $skip without progress as a loop, and one with
// progress skips rows.
func againLink(x *exchange, l *link) { l.next = skipToken(x.s.signer.writeAgain(x.call(), l.here)) }

// call identifies the calls that have links: by the incident, or by the list.
func (x *exchange) call() int64 {
	if x.lists() {
		return x.target()
	}
	return x.id
}

// endlessLink continues after the requested rows, whether there are
// more or not.
func endlessLink(x *exchange, l *link) {
	if l.next == "" {
		l.next = x.skipTo(x.query.skip + max(1, x.query.top))
	}
}

// spoiledLink sends the regular response, except for its link.
func spoiledLink(change func(*exchange, *link)) responder {
	return func(x *exchange, _ Fault) bool {
		x.spoilLink = change
		return false
	}
}

// stuckLink leads to its own page. From an incident it leads to the alerts that
// were shown with it.
func stuckLink(x *exchange, l *link) {
	l.next = skipTo(x.query.skip)
	if token := x.query.given.Get("$skiptoken"); token != "" {
		l.next = skipToken(token)
	}
}

package defendersim

// LinkFaultKinds lists the faults that calls can have whose answers link to
// more: List, pages of alerts, and Get where Graph shows alerts with an
// incident. Where there is no link, only link-stuck makes one.
func LinkFaultKinds() []FaultKind {
	return []FaultKind{
		{"link-stuck", "", "the link to the next page leads to the same one", spoiledLink(stuckLink)},
		{"link-elsewhere", "", "the link to the next page names another host", spoiledLink(func(_ *exchange, l *link) { l.host = elsewhere })},
		{"link-bare", "", "the link to the next page does not say which", spoiledLink(func(_ *exchange, l *link) { l.aimless = true })},
		{"link-broken", "", "the link to the next page is a number", spoiledLink(func(_ *exchange, l *link) { l.number = true })},
	}
}

// spoiledLink lets the regular answer come, but for its link.
func spoiledLink(change func(*exchange, *link)) answer {
	return func(x *exchange, _ Fault) bool {
		x.spoilLink = change
		return false
	}
}

// stuckLink leads to the page that it is on. From an incident it leads to the
// alerts that were shown with it.
func stuckLink(x *exchange, l *link) {
	l.next = skipTo(x.query.skip)
	if token := x.query.given.Get("$skiptoken"); token != "" {
		l.next = "$skiptoken=" + token
	}
}

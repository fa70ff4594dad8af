// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// view is what a response shows of an incident.
type view struct {
	Incident
	expanded bool // with alerts: those still in Alerts
	link          // to the alerts behind them
}

// whole reports whether the response shows all there is.
func (v view) whole() bool { return v.expanded && v.next == "" }

// view shows an incident as the call does, after the active fault
// has removed alerts.
func (x *exchange) view(i Incident) view { return x.partly(x.dialect.view(x, i)) }

func (x *exchange) partly(v view) view {
	switch {
	case x.emptied && v.path != "":
		v.Alerts = nil
	case x.partial:
		v.Alerts = v.Alerts[:len(v.Alerts)/2]
	}
	return v
}

// alertsOf returns the alerts of an incident for one page, after the marked one
// and after those to be skipped. Changes of alerts do not affect their order.
func (x *exchange) alertsOf(i Incident, skip int, after mark) view {
	i.Alerts = slices.Clone(i.Alerts)
	slices.SortFunc(i.Alerts, func(a, b Alert) int { return markAt(a).compare(markAt(b)) })
	behind, _ := slices.BinarySearchFunc(i.Alerts, after, func(a Alert, m mark) int {
		if markAt(a).compare(m) > 0 {
			return 1
		}
		return -1
	})
	behind = min(behind+skip, len(i.Alerts))
	var last mark // of the pages before
	if behind > 0 {
		last = markAt(i.Alerts[behind-1])
	}
	i.Alerts = i.Alerts[behind:]
	v := view{Incident: i, expanded: true, link: link{path: fmt.Sprintf("%s/%d/alerts?", x.dialect.path, i.ID)}}
	v.here = skipToken(x.s.signer.writeMark(i.ID, last))
	if top := x.query.given.Get("$top"); x.endpoint == EndpointAlerts && top != "" {
		v.path += "$top=" + top + "&"
	}
	size := x.s.cfg.AlertsPage
	if top := x.query.top; x.endpoint == EndpointAlerts && (size == 0 || top < size) {
		size = top
	}
	if size == 0 || len(i.Alerts) <= size {
		return v
	}
	v.Alerts = v.Alerts[:size]
	v.next = skipTo(behind + size)
	if x.s.cfg.AlertsSkipToken || x.query.again {
		v.next = skipToken(x.s.signer.writeMark(i.ID, markAt(v.Alerts[size-1])))
	}
	return v
}

// sendAlerts responds with a page of the incident's current alerts.
func (x *exchange) sendAlerts(contentType string) {
	row, at, found := x.s.look(x.id)
	if !found {
		x.notFound()
		return
	}
	v := x.partly(x.alertsOf(*row.incident, x.query.skip, x.query.after))
	x.bend(&v.link)
	x.enter(row, at, v)
	x.sendFound(contentType, x.reshaped(renderAlerts(x, v)))
}

// mark is a position between alerts: after the one that was created then and
// has that ID, whether that still exists or not. The zero mark is before all.
type mark struct {
	created time.Time
	id      string
}

func markAt(a Alert) mark { return mark{a.Created, a.ID} }

func (m mark) compare(other mark) int {
	return cmp.Or(m.created.Compare(other.created), cmp.Compare(m.id, other.id))
}

// writeMark turns a mark in an incident's alerts into an opaque token.
func (s *signer) writeMark(incident int64, m mark) string {
	return s.seal(fmt.Sprintf("%d %d %s", incident, m.created.UnixNano(), m.id))
}

// readMark reads a token that writeMark made for the same incident.
func (s *signer) readMark(incident int64, token string) (m mark, good bool) {
	of, rest, _ := strings.Cut(s.unseal(token), " ")
	created, alert, _ := strings.Cut(rest, " ")
	nanos, err := strconv.ParseInt(created, 10, 64)
	return mark{time.Unix(0, nanos), alert}, err == nil && of == graphID(incident)
}

// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"time"
)

// page is the response to a List call, and what a fault makes of it.
type page struct {
	at    time.Time // when the rows were read
	rows  []*shown
	total int // of rows that pass the filter
	link      // to the next page

	value   string                  // replaces the rows; "": the rows themselves
	bare    bool                    // there is no value at all
	padding int64                   // blanks in each row, in bytes
	spoil   func(row []byte) []byte // transforms the first row; nil: no change
}

// page finds the current rows for a query. Each page is found separately. Under
// Defender XDR, rows that change between two pages move to the top, and rows of
// the first page appear on the second one again.
func (x *exchange) page(q query) page {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := page{at: s.now(), link: x.pageLink()}
	p.here = x.skipTo(q.skip)
	s.evolve(p.at)
	more := false
	if p.rows, more, p.total = x.dialect.list(s).page(q); more {
		p.next = x.skipTo(q.skip + len(p.rows))
	}
	return p
}

// sendPage responds with a page and records which states are on it.
func (x *exchange) sendPage(contentType string, p page) {
	x.bend(&p.link)
	switch {
	case x.emptied:
		p.rows = nil
	case x.halved():
		p.rows = p.rows[:len(p.rows)/2]
	}
	w, spare := x.s.pages.Get().(*writer)
	if !spare {
		w = &writer{}
	}
	w.buf = w.buf[:0]
	x.writePage(w, p)
	x.takeDown(p)
	x.sendFound(contentType, w.buf)
	x.s.pages.Put(w) // whoever got its text has copied it
}

// halved reports whether a page of alerts has only half of its rows.
// Those are whole.
func (x *exchange) halved() bool { return x.partial && x.endpoint == EndpointAlertList }

// takeDown records what is on a page in the journal.
func (x *exchange) takeDown(p page) {
	var rows []Row
	var alerts []AlertRow
	altered := x.altered && !x.halved() || x.query.selected != nil
	for n, row := range p.rows {
		state := row.state
		if altered || n == 0 && p.spoil != nil {
			state = -1
		}
		if row.alert != nil {
			alerts = append(alerts, AlertRow{row.alert.ID, row.alert.LastUpdated, row.owner, state})
			continue
		}
		rows = append(rows, Row{row.owner, state})
	}
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.amend(x.number, func(r *Request) { r.Rows, r.AlertRows, r.Served = rows, alerts, p.at })
}

func (x *exchange) renderPage(p page) []byte {
	w := &writer{}
	x.writePage(w, p)
	return w.buf
}

// writePage writes a page as in the response to List: the same objects as those
// of Get, and the link to the next page after them.
func (x *exchange) writePage(w *writer, p page) {
	w.open('{')
	w.text("@odata.context", x.dialect.context)
	if x.query.count && !x.s.cfg.GraphNoCount {
		w.integer("@odata.count", int64(p.total))
	}
	if !p.bare {
		w.name("value")
		x.renderRows(w, p)
	}
	x.writeLink(w, "@odata.nextLink", p.link)
	w.close('}')
}

func (x *exchange) renderRows(w *writer, p page) {
	if p.value != "" {
		w.buf = append(w.buf, p.value...)
		return
	}
	w.open('[')
	for n, row := range p.rows {
		w.separate()
		start := len(w.buf)
		w.buf = append(w.buf, '{')
		x.appendRow(w, row)
		w.buf = append(w.buf, bytes.Repeat([]byte{' '}, int(p.padding))...)
		w.close('}')
		if x.reshape != nil {
			w.buf = append(w.buf[:start], x.reshape(x, slices.Clone(w.buf[start:]))...)
		}
		if n == 0 && p.spoil != nil {
			w.buf = append(w.buf[:start], p.spoil(slices.Clone(w.buf[start:]))...)
		}
	}
	w.close(']')
}

// skipTo is the option of a link that skips this many rows.
func (x *exchange) skipTo(rows int) string {
	if x.dialect.tokens {
		return skipToken(x.s.signer.writeSkip(x.endpoint, rows))
	}
	return skipTo(rows)
}

// pageLink is the address of pages of this call: it repeats the call's options.
func (x *exchange) pageLink() link {
	path := x.dialect.path + "?"
	for _, name := range []string{"$filter", "$orderby", "$select", "$count", "$top", "$expand"} {
		if x.query.given.Has(name) {
			value := strings.ReplaceAll(url.QueryEscape(x.query.given.Get(name)), "+", "%20")
			path += name + "=" + value + "&"
		}
	}
	return link{path: path}
}

// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"time"
)

// page is what a List call is answered with, and what a fault makes of it.
type page struct {
	at    time.Time // when the rows stood like that
	rows  []*shown
	total int // of rows that pass the filter
	link      // to the next page

	value   string                  // stands in place of the rows; "": the rows themselves
	bare    bool                    // there is no value at all
	padding int64                   // blanks in each row, in bytes
	spoil   func(row []byte) []byte // makes something else of the first row; nil: it stays
}

// page finds the rows that a query asks for as things stand now. Each page is
// found anew. Under Defender XDR what changes between two pages moves to the top,
// and rows that were on the first one are on the second one again.
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

// sendPage answers with a page and takes down which states are on it.
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
	x.s.pages.Put(w) // whoever was given its text has copied it
}

// halved reports whether a page of alerts has only half of its rows. Those it has
// are whole.
func (x *exchange) halved() bool { return x.partial && x.endpoint == EndpointAlertList }

// takeDown enters what is on a page into the journal.
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

// writePage writes a page as List answers it: the same objects as those of Get,
// and the link to the next page after them.
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

// skipTo is the option of a link that leads past as many rows.
func (x *exchange) skipTo(rows int) string {
	if x.dialect.tokens {
		return skipToken(x.s.signer.writeSkip(x.endpoint, rows))
	}
	return skipTo(rows)
}

// pageLink is where pages of this call are: its options are repeated.
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

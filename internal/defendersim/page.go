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
	at   time.Time // when the rows stood like that
	rows []*shown
	link // to the next page

	value   string                  // stands in place of the rows; "": the rows themselves
	bare    bool                    // there is no value at all
	padding int64                   // blanks in each row, in bytes
	spoil   func(row []byte) []byte // makes something else of the first row; nil: it stays
}

// page finds the rows that a query asks for as things stand now. Each page is
// found anew: what changes between two pages moves to the top, and rows that
// were on the first one are on the second one again.
func (x *exchange) page(q query) page {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := page{at: s.now(), link: x.pageLink()}
	p.here = skipTo(q.skip)
	s.evolve(p.at)
	more := false
	if p.rows, more = s.listing.page(q); more {
		p.next = skipTo(q.skip + len(p.rows))
	}
	return p
}

// sendPage answers with a page and takes down which states are on it.
func (x *exchange) sendPage(contentType string, p page) {
	x.bend(&p.link)
	if x.emptied {
		p.rows = nil
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

// takeDown enters what is on a page into the journal.
func (x *exchange) takeDown(p page) {
	rows := make([]Row, len(p.rows))
	for n, row := range p.rows {
		rows[n] = Row{ID: row.incident.ID, State: row.state}
	}
	for n := range rows {
		if x.altered || n == 0 && p.spoil != nil {
			rows[n].State = -1
		}
	}
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.amend(x.number, func(r *Request) { r.Rows, r.Served = rows, p.at })
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

// pageLink is where pages of this call are: its options are repeated.
func (x *exchange) pageLink() link {
	path := x.dialect.path + "?"
	for _, name := range []string{"$filter", "$top", "$expand"} {
		if x.query.given.Has(name) {
			value := strings.ReplaceAll(url.QueryEscape(x.query.given.Get(name)), "+", "%20")
			path += name + "=" + value + "&"
		}
	}
	return link{path: path}
}

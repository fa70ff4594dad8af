package defendersim

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const listContext = "https://api.security.microsoft.com/api/$metadata#Incidents"

// page is what a List call is answered with, and what a fault makes of it.
type page struct {
	at   time.Time // when the rows stood like that
	rows []*shown
	next int // the $skip of the link to the next page; -1: there is none

	value   string                  // stands in place of the rows; "": the rows themselves
	bare    bool                    // there is no value at all
	padding int64                   // blanks in each row, in bytes
	spoil   func(row []byte) []byte // makes something else of the first row; nil: it stays
}

// sendPage answers with a page and takes down which states are on it.
func (x *exchange) sendPage(contentType string, p page) {
	body := x.renderPage(p)
	x.takeDown(p)
	x.send(http.StatusOK, contentType, body)
}

// takeDown enters what is on a page into the journal.
func (x *exchange) takeDown(p page) {
	rows := make([]Row, len(p.rows))
	for n, row := range p.rows {
		rows[n] = Row{ID: row.incident.ID, State: row.state}
	}
	if p.spoil != nil && len(rows) > 0 {
		rows[0].State = -1
	}
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.amend(x.number, func(r *Request) { r.Rows, r.Served = rows, p.at })
}

// renderPage writes a page as GET /api/incidents answers it: the same objects
// as those of Get, and the link to the next page after them.
func (x *exchange) renderPage(p page) []byte {
	size := 512
	for _, row := range p.rows {
		size += 1024 + 2048*len(row.incident.Alerts) + int(p.padding)
	}
	w := &writer{buf: make([]byte, 0, size)}
	w.open('{')
	w.text("@odata.context", listContext)
	if !p.bare {
		w.name("value")
		x.renderRows(w, p)
	}
	if p.next >= 0 {
		w.text("@odata.nextLink", x.nextLink(p.next))
	}
	w.close('}')
	return w.buf
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
		w.xdrIncident(x.s.asListed(row.incident), x.s.cfg.TenantID)
		w.buf = append(w.buf, bytes.Repeat([]byte{' '}, int(p.padding))...)
		w.close('}')
		if n == 0 && p.spoil != nil {
			w.buf = append(w.buf[:start], p.spoil(slices.Clone(w.buf[start:]))...)
		}
	}
	w.close(']')
}

// asListed is what List shows of an incident. Its alerts stop at 150, and
// nothing says so.
func (s *Sim) asListed(i Incident) Incident {
	i.Alerts = i.Alerts[:min(len(i.Alerts), maxAlerts)]
	if !s.cfg.ListDiffers {
		return i
	}
	i.Determination = otherCase(i.Determination)
	i.Alerts = slices.Clone(i.Alerts)
	for n := range i.Alerts {
		i.Alerts[n].InvestigationState = otherCase(i.Alerts[n].InvestigationState)
	}
	return i
}

// otherCase turns the case of a word's first letter round.
func otherCase(word string) string {
	first, size := utf8.DecodeRuneInString(word)
	if size == 0 {
		return word
	}
	if unicode.IsUpper(first) {
		return string(unicode.ToLower(first)) + word[size:]
	}
	return string(unicode.ToUpper(first)) + word[size:]
}

// nextLink repeats the options of the call, with another $skip. Such links were
// seen with a slash after the path, and to hosts other than the one asked.
func (x *exchange) nextLink(skip int) string {
	host := x.s.cfg.ListLinkHost
	if host == "" {
		host = cmp.Or(x.r.URL.Scheme, "http") + "://" + x.r.Host
	}
	var options []string
	for _, name := range []string{"$filter", "$top"} {
		if x.query.given.Has(name) {
			value := strings.ReplaceAll(url.QueryEscape(x.query.given.Get(name)), "+", "%20")
			options = append(options, name+"="+value)
		}
	}
	options = append(options, "$skip="+strconv.Itoa(skip))
	return host + "/api/incidents/?" + strings.Join(options, "&")
}

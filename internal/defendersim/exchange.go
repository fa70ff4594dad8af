// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// jsonType is the content type of regular responses.
const jsonType = "application/json; odata.metadata=minimal"

// exchange is one request and its response. Only the goroutine that serves the
// request touches it.
type exchange struct {
	s         *Sim
	w         *recorder
	r         *http.Request
	dialect   *dialect
	endpoint  string
	number    int // in the journal
	arrived   time.Time
	id        int64
	query     query
	preferred bool // the client has the dialect's preference, too
	latency   time.Duration

	// What the active fault does to the regular response.
	spoilLink func(*exchange, *link)         // nil: nothing
	emptied   bool                           // it has no rows
	partial   bool                           // it has half of the alerts, and is a 206
	reshape   func(*exchange, []byte) []byte // transforms each incident, or a page of alerts; nil: no change
	altered   bool                           // it does not show any incident's state as it is
	marked    bool                           // a byte order mark comes first
	recode    func(*exchange, []byte) []byte // compresses the body; nil: as the client offers
	closes    bool                           // the connection ends after it
}

// recorder notes what a response amounts to on its way out.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap exposes the writer's capabilities to http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// recorded wraps a handler and records its requests in the journal.
func (s *Sim) recorded(d *dialect, endpoint string, handle func(*exchange)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{s: s, w: &recorder{ResponseWriter: w}, r: r, dialect: d, endpoint: endpoint, id: incidentID(r)}
		x.arrive()
		defer x.leave() // also when a fault aborts the handler
		handle(x)
		x.end()
	}
}

func (x *exchange) arrive() {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	x.arrived = s.now()
	x.number = s.journal.add(Request{
		Time: x.arrived, API: x.api(), Endpoint: x.endpoint, Method: x.r.Method, Path: x.r.URL.Path,
		Query: x.r.URL.RawQuery, ID: x.id, State: -1, Shown: -1,
	})
}

// api is the API of a request, "" if it is for neither.
func (x *exchange) api() string {
	switch x.endpoint {
	case EndpointIncident, EndpointAlerts, EndpointList, EndpointAlertList:
		return x.dialect.api
	}
	return ""
}

// lists reports whether a request is for a list of all incidents or alerts.
func (x *exchange) lists() bool {
	return x.endpoint == EndpointList || x.endpoint == EndpointAlertList
}

// end ends the connection after the response, if a fault requires that. The
// client has the whole response by then.
func (x *exchange) end() {
	if !x.closes {
		return
	}
	_ = http.NewResponseController(x.w).Flush() // in process there is nothing to flush
	panic(http.ErrAbortHandler)
}

func (x *exchange) leave() {
	ended := x.finish()
	if x.s.cfg.Observe != nil {
		x.s.cfg.Observe(ended)
	}
}

// finish completes the journal's entry and returns it.
func (x *exchange) finish() (ended Request) {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.amend(x.number, func(r *Request) {
		r.Ended, r.Status, r.Bytes = s.now(), x.w.status, x.w.bytes
		ended = *r
	})
	return ended
}

// sendRegular sends the response without a fault.
func (x *exchange) sendRegular(contentType string) {
	switch x.endpoint {
	case EndpointList, EndpointAlertList:
		x.sendPage(contentType, x.page(x.query))
	case EndpointAlerts:
		x.sendAlerts(contentType)
	default:
		x.sendIncident(contentType)
	}
}

// sendIncident responds with the incident's current state.
func (x *exchange) sendIncident(contentType string) {
	row, at, found := x.s.look(x.id)
	if !found {
		x.notFound()
		return
	}
	if from := x.s.cfg.GraphExpandFails; from > 0 && x.query.expand && len(row.incident.Alerts) >= from {
		x.fail(http.StatusInternalServerError, "InternalServerError", "")
		return
	}
	v := x.view(*row.incident)
	x.bend(&v.link)
	x.enter(row, at, v)
	x.sendFound(contentType, x.reshaped(x.whole(&row, v)))
}

func (x *exchange) reshaped(object []byte) []byte {
	if x.reshape == nil {
		return object
	}
	return x.reshape(x, object)
}

// sendFound responds with what was requested, or a part of it. The form of the
// warning is documented for Graph: vendor, provider, status and milliseconds.
func (x *exchange) sendFound(contentType string, body []byte) {
	status := http.StatusOK
	if x.partial {
		x.w.Header().Set("Warning", `199 - "Microsoft/WDATP/401/228"`)
		status = http.StatusPartialContent
	}
	x.send(status, contentType, body)
}

// enter records which state of the incident a response shows, if this response
// completes that state.
func (x *exchange) enter(row shown, at time.Time, v view) {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	merged := x.endpoint == EndpointIncident && v.RedirectID != 0 // then no alerts follow
	served := (v.whole() || merged) && !x.altered
	switch t := s.incidents[x.id]; {
	case x.endpoint == EndpointAlerts:
		served = served && t.opened == row.state
	case x.altered:
		t.opened = -1
	case v.path != "" || x.endpoint == EndpointIncident && !v.expanded:
		t.opened = row.state
	}
	s.journal.amend(x.number, func(r *Request) {
		r.Served = at
		if served {
			r.State = row.state
		}
		if !x.altered {
			r.Shown = row.state
		}
	})
}

// fail responds with the API's error object.
func (x *exchange) fail(status int, code, message string) {
	target := newDice(x.s.cfg.Seed, streamErrors, uint64(x.number)).guid()
	x.failAt(status, code, message, target)
}

func (x *exchange) failAt(status int, code, message, target string) {
	if x.endpoint == EndpointToken {
		x.failSignIn(status, message)
		return
	}
	w := &writer{}
	w.open('{')
	w.name("error")
	w.open('{')
	w.text("code", code)
	w.text("message", message)
	x.dialect.details(x, w, target)
	w.close('}')
	w.close('}')
	x.send(status, "application/json", w.buf)
}

func (x *exchange) notFound() {
	x.fail(http.StatusNotFound, "ResourceNotFound", fmt.Sprintf("Incident %d was not found.", x.id))
}

func (x *exchange) methodNotAllowed(allowed string) {
	x.w.Header().Set("Allow", allowed)
	x.fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The method "+x.r.Method+" is not allowed here.")
}

// send responds with a whole body, compressed if the client offers that.
func (x *exchange) send(status int, contentType string, body []byte) {
	if x.marked && len(body) > 0 {
		body = append([]byte("\ufeff"), body...)
	}
	coded := x.encode(body)
	x.linger()
	x.headers(contentType)
	x.w.Header().Set("Content-Length", strconv.Itoa(len(coded)))
	x.w.WriteHeader(status)
	// A disconnected client does not concern the simulator.
	_, _ = x.w.Write(coded)
}

func (x *exchange) headers(contentType string) {
	h := x.w.Header()
	h.Set("Date", x.s.stamp(time.Now()).Format(http.TimeFormat))
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
}

// encode compresses a body and sets the headers.
func (x *exchange) encode(body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	if x.recode != nil {
		return x.recode(x, body)
	}
	coding := chooseCoding(x.r.Header.Values("Accept-Encoding"))
	if coding == "" || x.s.cfg.NoCompression {
		return body
	}
	return x.compress(coding, coding, body)
}

// compress compresses a body with a coding and calls it by a name; "": none.
func (x *exchange) compress(coding, name string, body []byte) []byte {
	if name != "" {
		x.w.Header().Set("Content-Encoding", name)
		x.w.Header().Set("Vary", "Accept-Encoding")
	}
	var coded bytes.Buffer
	w := x.s.coders.get(coding, x.s.cfg.RawDeflate, &coded)
	// Writing to a buffer does not fail.
	_, _ = w.Write(body)
	_ = w.Close()
	return coded.Bytes()
}

// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

const (
	// StubFirstID is the ID of a stub's first incident; the others follow.
	StubFirstID = 1_000_001
	// stubPeriod is the time from one change of an active incident to the next.
	stubPeriod = 150 * time.Minute
	// stubTemplates is how many different incidents the simulator renders for it.
	stubTemplates = 200
)

// StubAPI is an auth extension that responds to requests itself. It replaces
// the simulated API where the cost of rendering would hide the cost of the
// receiver: it fills an ID and a time into responses that the simulator
// rendered before. Half of its incidents are active. They change one after the
// other, so that a number identifies which one has changed and when. The others
// never change.
type StubAPI struct {
	component.StartFunc
	component.ShutdownFunc
	incidents, active int64
	templates         []template
	began             time.Time     // of change 0, which is the first incident's
	every             time.Duration // between two changes

	mu       sync.Mutex
	requests StubRequests
	shown    map[int64]struct{} // incidents
}

// StubRequests counts the requests to a stub: single incidents, pages of the
// list, and the rows on them.
type StubRequests struct{ Gets, Lists, Rows int }

// Since is the difference to an earlier count.
func (r StubRequests) Since(before StubRequests) StubRequests {
	return StubRequests{r.Gets - before.Gets, r.Lists - before.Lists, r.Rows - before.Rows}
}

// template is an incident's JSON, split where its ID or a time belongs.
type template struct {
	status string
	pieces []piece
}

type piece struct {
	text string
	id   bool // an ID follows, else a time
}

// NewStubAPI returns a stub with that many incidents, at least two.
func NewStubAPI(t *testing.T, incidents int) *StubAPI {
	t.Helper()
	population := Quiet(stubTemplates)
	population.FirstID, population.AllowAnonymous = StubFirstID, true
	population.PerMinute, population.PerHour = 0, 0
	sim, err := defendersim.New(population)
	require.NoError(t, err)
	s := &StubAPI{incidents: int64(incidents), active: int64(incidents) / 2, began: time.Now(), shown: map[int64]struct{}{}}
	s.every = stubPeriod / time.Duration(s.active)
	for _, id := range sim.IDs() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/api/incidents/"+strconv.FormatInt(id, 10), http.NoBody)
		require.NoError(t, err)
		s.templates = append(s.templates, newTemplate(t, readBody(t, sim.RoundTripper(), request), id))
	}
	return s
}

func readBody(t *testing.T, transport http.RoundTripper, request *http.Request) []byte {
	t.Helper()
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return body.Bytes()
}

// newTemplate splits a response. A change concerns the incident and its first
// alert.
func newTemplate(t *testing.T, body []byte, id int64) template {
	t.Helper()
	var shown struct {
		Status, LastUpdateTime string
		Alerts                 []struct{ LastUpdatedTime string }
	}
	require.NoError(t, json.Unmarshal(body, &shown))
	const idMark, timeMark = "\x01", "\x02"
	marked := strings.NewReplacer(strconv.FormatInt(id, 10), idMark,
		shown.LastUpdateTime, timeMark, shown.Alerts[0].LastUpdatedTime, timeMark).Replace(string(body))
	f := template{status: shown.Status}
	for {
		at := strings.IndexAny(marked, idMark+timeMark)
		if at < 0 {
			f.pieces = append(f.pieces, piece{text: marked})
			return f
		}
		f.pieces = append(f.pieces, piece{text: marked[:at], id: marked[at:at+1] == idMark})
		marked = marked[at+1:]
	}
}

func (f template) append(to []byte, id int64, changed time.Time) []byte {
	for n, p := range f.pieces {
		to = append(to, p.text...)
		switch {
		case n == len(f.pieces)-1:
		case p.id:
			to = strconv.AppendInt(to, id, 10)
		default:
			to = changed.UTC().AppendFormat(to, "2006-01-02T15:04:05.0000000Z")
		}
	}
	return to
}

// at returns the incident at a place of the list, which begins with the latest
// change, and when it changed.
func (s *StubAPI) at(place, latest int64) (n int64, changed time.Time) {
	if place >= s.active {
		return place, s.began.Add(-stubPeriod - time.Hour)
	}
	change := latest - place
	return modulo(change, s.active), s.began.Add(time.Duration(change) * s.every)
}

// place is the position of an incident in the list.
func (s *StubAPI) place(n, latest int64) int64 {
	if n >= s.active {
		return n
	}
	return modulo(latest-n, s.active)
}

// modulo is never negative.
func modulo(n, of int64) int64 { return (n%of + of) % of }

// latest is the number of the latest change.
func (s *StubAPI) latest() int64 { return int64(time.Since(s.began) / s.every) }

func (s *StubAPI) show(to []byte, n int64, changed time.Time) []byte {
	s.shown[n] = struct{}{}
	return s.templates[n%stubTemplates].append(to, StubFirstID+n, changed)
}

// incident is the response to a Get.
func (s *StubAPI) incident(n int64) []byte {
	s.requests.Gets++
	latest := s.latest()
	_, changed := s.at(s.place(n, latest), latest)
	return s.show(nil, n, changed)
}

// page is the response to a List, which filters by one status or by time.
func (s *StubAPI) page(query url.Values) []byte {
	s.requests.Lists++
	top, _ := strconv.ParseInt(query.Get("$top"), 10, 64)
	skip, _ := strconv.ParseInt(query.Get("$skip"), 10, 64)
	status, filtered := strings.CutPrefix(query.Get("$filter"), "status eq ")
	_, text, _ := strings.Cut(query.Get("$filter"), " ge ")
	since, _ := time.Parse(time.RFC3339, text)
	latest, body, row := s.latest(), []byte(`{"value":[`), int64(0)
	for place := range s.incidents {
		n, changed := s.at(place, latest)
		switch {
		case changed.Before(since):
			return append(body, "]}"...)
		case filtered && s.templates[n%stubTemplates].status != strings.Trim(status, "'"):
			continue
		case row == skip+top:
			body = append(body, `],"@odata.nextLink":"https://api.example/api/incidents?$skip=`...)
			return append(strconv.AppendInt(body, row, 10), `"}`...)
		case row > skip:
			body = append(body, ',')
		}
		if row >= skip {
			body = s.show(body, n, changed)
			s.requests.Rows++
		}
		row++
	}
	return append(body, "]}"...)
}

// RoundTrip responds to a request.
func (s *StubAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteHeaderField != nil {
		trace.WroteHeaderField("Accept-Encoding", r.Header["Accept-Encoding"])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var body []byte
	if id, err := strconv.ParseInt(path.Base(r.URL.Path), 10, 64); err == nil {
		body = s.incident(id - StubFirstID)
	} else {
		body = s.page(r.URL.Query())
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{
			"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)},
		},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// RoundTripper returns the stub.
func (s *StubAPI) RoundTripper(http.RoundTripper) (http.RoundTripper, error) { return s, nil }

// IDs are those of all its incidents.
func (s *StubAPI) IDs() []int64 {
	ids := make([]int64, s.incidents)
	for n := range ids {
		ids[n] = StubFirstID + int64(n)
	}
	return ids
}

// Requests are those since it was made.
func (s *StubAPI) Requests() StubRequests {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// AllShown reports whether each incident was in a response.
func (s *StubAPI) AllShown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.shown) == int(s.incidents)
}

package defenderincidentsreceiver

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
	// standInID is the first of a stand-in's incidents; the others follow.
	standInID = 1_000_001
	// standInPeriod is how often each of its lively incidents changes.
	standInPeriod = 150 * time.Minute
	// standInForms is how many different incidents the simulator lends it.
	standInForms = 200
)

// standIn answers in the simulator's place, as an auth extension of the
// receiver's, at next to no cost: from answers that the simulator gave before,
// with another id and time. Half of its incidents are lively: they change one
// after the other, so that a number says which has changed and when. The others
// never change.
type standIn struct {
	component.StartFunc
	component.ShutdownFunc
	incidents, lively int64
	forms             []form
	began             time.Time     // of change 0, which is the first incident's
	every             time.Duration // between two changes

	mu    sync.Mutex
	asked calls
	shown map[int64]struct{} // incidents
}

// calls are what a stand-in was asked for.
type calls struct{ gets, lists, rows int }

// form is an incident's JSON, cut where its id belongs, or its time.
type form []cut

type cut struct {
	before string
	id     bool // else a time
}

func newStandIn(t *testing.T, incidents int) *standIn {
	t.Helper()
	population := quiet(standInForms)
	population.FirstID, population.AllowAnonymous = standInID, true
	population.PerMinute, population.PerHour = 0, 0
	sim, err := defendersim.New(population)
	require.NoError(t, err)
	s := &standIn{incidents: int64(incidents), lively: int64(incidents) / 2, began: time.Now(), shown: map[int64]struct{}{}}
	s.every = standInPeriod / time.Duration(s.lively)
	for _, id := range sim.IDs() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/api/incidents/"+strconv.FormatInt(id, 10), http.NoBody)
		require.NoError(t, err)
		s.forms = append(s.forms, formOf(t, drained(t, sim.RoundTripper(), request), id))
	}
	return s
}

// drained is the body of an answer, read to its end.
func drained(t *testing.T, transport http.RoundTripper, request *http.Request) []byte {
	t.Helper()
	answer, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return body
}

// formOf makes a form of an answer: a change is one of the incident and of its
// first alert.
func formOf(t *testing.T, body []byte, id int64) form {
	t.Helper()
	var times struct {
		LastUpdateTime string
		Alerts         []struct{ LastUpdatedTime string }
	}
	require.NoError(t, json.Unmarshal(body, &times))
	const idMark, timeMark = "\x01", "\x02"
	marked := strings.NewReplacer(strconv.FormatInt(id, 10), idMark,
		times.LastUpdateTime, timeMark, times.Alerts[0].LastUpdatedTime, timeMark).Replace(string(body))
	var f form
	for {
		at := strings.IndexAny(marked, idMark+timeMark)
		if at < 0 {
			return append(f, cut{before: marked})
		}
		f = append(f, cut{before: marked[:at], id: marked[at:at+1] == idMark})
		marked = marked[at+1:]
	}
}

func (f form) append(to []byte, id int64, changed time.Time) []byte {
	for n, c := range f {
		to = append(to, c.before...)
		switch {
		case n == len(f)-1:
		case c.id:
			to = strconv.AppendInt(to, id, 10)
		default:
			to = changed.UTC().AppendFormat(to, "2006-01-02T15:04:05.0000000Z")
		}
	}
	return to
}

// ranked is the incident that so many have changed after, and when it changed;
// latest is the number of the latest change.
func (s *standIn) ranked(rank, latest int64) (n int64, changed time.Time) {
	if rank >= s.lively {
		return rank, s.began.Add(-standInPeriod - time.Hour)
	}
	change := latest - rank
	return circular(change%s.lively, s.lively), s.began.Add(time.Duration(change) * s.every)
}

// rank is how many incidents have changed after one.
func (s *standIn) rank(n, latest int64) int64 {
	if n >= s.lively {
		return n
	}
	return circular((latest-n)%s.lively, s.lively)
}

func circular(remainder, of int64) int64 { return (remainder + of) % of }

func (s *standIn) latest() int64 { return int64(time.Since(s.began) / s.every) }

func (s *standIn) show(to []byte, n int64, changed time.Time) []byte {
	s.shown[n] = struct{}{}
	return s.forms[n%standInForms].append(to, standInID+n, changed)
}

// incident is the answer to Get.
func (s *standIn) incident(n int64) []byte {
	s.asked.gets++
	latest := s.latest()
	_, changed := s.ranked(s.rank(n, latest), latest)
	return s.show(nil, n, changed)
}

// page is the answer to List.
func (s *standIn) page(query url.Values) []byte {
	s.asked.lists++
	top, _ := strconv.ParseInt(query.Get("$top"), 10, 64)
	skip, _ := strconv.ParseInt(query.Get("$skip"), 10, 64)
	_, text, _ := strings.Cut(query.Get("$filter"), " ge ")
	since, _ := time.Parse(time.RFC3339, text)
	latest, body := s.latest(), []byte(`{"value":[`)
	for rank := skip; rank < s.incidents; rank++ {
		n, changed := s.ranked(rank, latest)
		switch {
		case changed.Before(since):
			return append(body, "]}"...)
		case rank == skip+top:
			body = append(body, `],"@odata.nextLink":"https://api.example/api/incidents?$skip=`...)
			return append(strconv.AppendInt(body, rank, 10), `"}`...)
		case rank > skip:
			body = append(body, ',')
		}
		body = s.show(body, n, changed)
		s.asked.rows++
	}
	return append(body, "]}"...)
}

func (s *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteHeaderField != nil {
		trace.WroteHeaderField("Accept-Encoding", r.Header["Accept-Encoding"])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var body []byte
	if id, err := strconv.ParseInt(path.Base(r.URL.Path), 10, 64); err == nil {
		body = s.incident(id - standInID)
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

func (s *standIn) RoundTripper(http.RoundTripper) (http.RoundTripper, error) { return s, nil }

func (s *standIn) ids() []int64 {
	ids := make([]int64, s.incidents)
	for n := range ids {
		ids[n] = standInID + int64(n)
	}
	return ids
}

// soFar are the calls since the start.
func (s *standIn) soFar() calls {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// allShown says that each incident was in an answer.
func (s *standIn) allShown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.shown) == int(s.incidents)
}

func (c calls) since(before calls) calls {
	return calls{c.gets - before.gets, c.lists - before.lists, c.rows - before.rows}
}

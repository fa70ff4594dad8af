// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// BenchmarkList requests pages of a population of 10,000 incidents: a whole
// page, the 70 rows that a feed finds with 2,000 changes an hour every 30 s and
// an overlap of two minutes, and a page far down.
func BenchmarkList(b *testing.B) {
	c := DefaultConfig()
	c.Incidents, c.ChangesPerHour, c.ListPerMinute, c.ListPerHour, c.RequestsKept = 10_000, 0, 0, 0, 10
	s, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	rows := s.xdrList.sorted(byUpdate)
	boundary := rows[len(rows)-70].incident.LastUpdate.Format(timeForm)
	for name, options := range map[string]url.Values{
		"page":   {},
		"recent": {"$filter": {"lastUpdateTime ge " + boundary}},
		"one":    {"$top": {"1"}},
		"deep":   {"$top": {"1"}, "$skip": {"9990"}, "$filter": {"createdTime gt 2000-01-01T00:00:00Z"}},
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/incidents?"+options.Encode(), nil)
			r.Header.Set("Authorization", "Bearer "+s.Token())
			for b.Loop() {
				s.ServeHTTP(discard{}, r)
			}
			journal := s.Journal()
			b.SetBytes(journal[len(journal)-1].Bytes)
		})
	}
}

// BenchmarkSweep requests pages of the active ones among 10,000 incidents,
// mostly with 1 to 5 alerts of 900 bytes, as a sweep by status does: the same
// page again and again, a page with 10 changed rows, and rows at the very end
// that a filter passes.
func BenchmarkSweep(b *testing.B) {
	c := DefaultConfig()
	c.Incidents, c.AlertBytes, c.Statuses, c.LargeShare = 10_000, 900, StatusMix{60, 30, 10}, 0.005
	c.ChangesPerHour, c.ListPerMinute, c.ListPerHour, c.RequestsKept, c.StatesKept, c.NoCompression = 0, 0, 0, 10, 2, true
	s, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	sweep := func(b *testing.B, skip string, changes int) {
		options := url.Values{"$filter": {"status eq 'Active'"}, "$top": {"100"}, "$skip": {skip}}
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/incidents?"+options.Encode(), nil)
		r.Header.Set("Authorization", "Bearer "+s.Token())
		at := time.Now()
		for b.Loop() {
			for range changes {
				at = at.Add(time.Millisecond)
				s.mu.Lock()
				for _, row := range s.xdrList.sorted(byUpdate) {
					if row.incident.Status == StatusActive {
						s.change(s.incidents[row.incident.ID], ChangeName, at)
						break
					}
				}
				s.mu.Unlock()
			}
			s.ServeHTTP(discard{}, r)
		}
		journal := s.Journal()
		b.SetBytes(journal[len(journal)-1].Bytes)
	}
	b.Run("first", func(b *testing.B) { sweep(b, "0", 0) })
	b.Run("last", func(b *testing.B) { sweep(b, "5600", 0) })
	b.Run("changed", func(b *testing.B) { sweep(b, "0", 10) })
	b.Run("empty", func(b *testing.B) { sweep(b, "9000", 0) })
}

// BenchmarkAlertList requests pages of 200 of the 44,000 alerts of 10,000
// incidents: the first one, those of a filter as a feed uses it with the total,
// an hour of a pass by creation, with whole rows and with three members, and a
// page that is written again.
func BenchmarkAlertList(b *testing.B) {
	c := DefaultConfig()
	c.Incidents, c.ChangesPerHour, c.GraphPerMinute, c.RequestsKept, c.NoCompression = 10_000, 0, 0, 10, true
	s, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	rows := s.alertList.sorted(byUpdate)
	recent := "lastUpdateDateTime ge " + rows[len(rows)-250].updated().Format(timeForm)
	far := "createdDateTime ge " + s.population.start.Add(-oldest/2).Format(timeForm)
	for _, one := range []struct {
		name    string
		options url.Values
		rebuild bool
	}{
		{"first", url.Values{}, false},
		{"rebuilt", url.Values{}, true},
		{"recent", url.Values{"$filter": {recent}, "$count": {"true"}}, false},
		{"counted", url.Values{"$filter": {far}, "$count": {"true"}}, false},
		{"pass", url.Values{"$filter": {far}, "$orderby": {"createdDateTime"}}, false},
		{"narrow", url.Values{"$filter": {far}, "$orderby": {"createdDateTime"}, "$select": {"id,incidentId,lastUpdateDateTime"}}, false},
	} {
		b.Run(one.name, func(b *testing.B) {
			one.options.Set("$top", "200")
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1.0/security/alerts_v2?"+one.options.Encode(), nil)
			r.Header.Set("Authorization", "Bearer "+s.TokenOf(APIGraph))
			for b.Loop() {
				if one.rebuild {
					s.texts = newTexts()
				}
				s.ServeHTTP(discard{}, r)
			}
			journal := s.Journal()
			b.SetBytes(journal[len(journal)-1].Bytes)
		})
	}
}

// BenchmarkChange changes incidents of a population of 10,000, which keeps the
// list in order.
func BenchmarkChange(b *testing.B) {
	c := DefaultConfig()
	c.Incidents, c.ChangesPerHour, c.StatesKept = 10_000, 0, 10
	s, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	at := time.Now()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		s.mu.Lock()
		s.change(s.chooseChanging(at), s.cfg.Weights.roll(s.evolution.dice), at)
		s.mu.Unlock()
	}
}

// discard is a connection that nobody reads.
type discard struct{}

func (discard) Header() http.Header            { return http.Header{} }
func (discard) WriteHeader(int)                {}
func (discard) Write(body []byte) (int, error) { return len(body), nil }

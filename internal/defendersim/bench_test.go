package defendersim

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// BenchmarkList asks for pages of a population of 10,000 incidents: a whole
// page, the 70 rows that a feed finds with 2,000 changes an hour every 30 s and
// an overlap of two minutes, and a page far down.
func BenchmarkList(b *testing.B) {
	c := DefaultConfig()
	c.Incidents, c.ChangesPerHour, c.ListPerMinute, c.ListPerHour, c.RequestsKept = 10_000, 0, 0, 0, 10
	s, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	boundary := s.listing.rows[len(s.listing.rows)-70].incident.LastUpdate.Format(timeForm)
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

// BenchmarkChange lets incidents of a population of 10,000 change, which keeps
// the list in order.
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

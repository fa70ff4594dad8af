// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faulty makes a simulator where the given fault strikes everything.
func faulty(t *testing.T, fault string) *Sim {
	t.Helper()
	s := newSim(t, func(c *Config) { c.AlertsPerIncident, c.PerMinute = 1, 100 })
	f, err := ParseFault(fault)
	require.NoError(t, err)
	require.NoError(t, s.SetFault(AllIncidents, Rule{Fault: f}))
	return s
}

func request(ctx context.Context, t *testing.T, s *Sim, id string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://api.example/api/incidents/"+id, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.Token())
	return r
}

func TestFaultsThatAnswer(t *testing.T) {
	const page, object = "text/html; charset=utf-8", "application/json"
	for _, c := range []struct {
		fault       string
		status      int
		contentType string
		check       func(t *testing.T, resp *http.Response, body []byte)
	}{
		{"400", 400, object, func(t *testing.T, _ *http.Response, body []byte) { apiError(t, body) }},
		{"401", 401, object, func(t *testing.T, _ *http.Response, body []byte) {
			_, message := apiError(t, body)
			assert.Contains(t, message, "Account mode is inactive")
		}},
		{"403", 403, object, func(t *testing.T, _ *http.Response, body []byte) {
			_, message := apiError(t, body)
			assert.Equal(t, "Missing application roles. API required roles: Incident.Read.All,Incident.ReadWrite.All, application roles: Alert.Read.All.", message)
		}},
		{"404-html", 404, page, isPage},
		{"429=17s", 429, object, func(t *testing.T, _ *http.Response, body []byte) {
			_, message := apiError(t, body)
			assert.Contains(t, message, "Maximum allowed 100 per 00:01:00")
			assert.Contains(t, message, "again in 17 seconds")
		}},
		{"429-retry-after", 429, object, func(t *testing.T, r *http.Response, _ []byte) { assert.Equal(t, "8", r.Header.Get("Retry-After")) }},
		{"429-retry-after-date", 429, object, func(t *testing.T, r *http.Response, _ []byte) {
			_, err := http.ParseTime(r.Header.Get("Retry-After"))
			assert.NoError(t, err)
		}},
		{"429-retry-after=8760h", 429, object, hasRetryAfter("31536000")},
		{"429-retry-after-fraction", 429, object, hasRetryAfter("2.5")},
		{"429-retry-after-fraction=249ms", 429, object, hasRetryAfter("0.249")},
		{"429-retry-after-negative", 429, object, hasRetryAfter("-1")},
		{"429-retry-after-past", 429, object, hasRetryAfter("Thu, 01 Jan 1970 00:00:00 GMT")},
		{"429-limit=12", 429, object, func(t *testing.T, _ *http.Response, body []byte) {
			_, message := apiError(t, body)
			assert.Contains(t, message, "Maximum allowed 12 per 00:01:00 for")
		}},
		{"503-retry-after=90s", 503, object, hasRetryAfter("90")},
		{"401-revoked", 401, object, func(t *testing.T, r *http.Response, body []byte) {
			assert.Contains(t, r.Header.Get("WWW-Authenticate"), ` error="insufficient_claims", claims="`)
			_, message := apiError(t, body)
			assert.Contains(t, message, "TokenIssuedBeforeRevocationTimestamp")
		}},
		{"404-bom", 404, object, hasMark},
		{"429-bom=17s", 429, object, func(t *testing.T, r *http.Response, body []byte) {
			hasMark(t, r, body)
			assert.Contains(t, string(body), "again in 17 seconds")
		}},
		{"close", 200, jsonType, func(t *testing.T, _ *http.Response, body []byte) { assert.True(t, json.Valid(body)) }},
		{"429-bare", 429, object, func(t *testing.T, _ *http.Response, body []byte) { assert.NotContains(t, string(body), "again in") }},
		{"429-empty", 429, "", isEmpty},
		{"500", 500, object, func(t *testing.T, _ *http.Response, body []byte) {
			_, message := apiError(t, body)
			assert.Empty(t, message)
		}},
		{"503", 503, page, isPage},
		{"504", 504, page, isPage},
		{"redirect", 302, "", func(t *testing.T, r *http.Response, _ []byte) {
			assert.Equal(t, "/api/incidents/1001", r.Header.Get("Location"))
		}},
		{"redirect-other", 302, "", func(t *testing.T, r *http.Response, _ []byte) {
			assert.Equal(t, "https://elsewhere.contoso.example/api/incidents/1001", r.Header.Get("Location"))
		}},
		{"empty", 200, object, isEmpty},
		{"html", 200, page, isPage},
		{"content-type", 200, "text/plain; charset=utf-8", func(t *testing.T, _ *http.Response, body []byte) { assert.True(t, json.Valid(body)) }},
		{"huge=1MiB", 200, object, func(t *testing.T, _ *http.Response, body []byte) {
			assert.True(t, json.Valid(body))
			assert.InDelta(t, 1<<20, len(body), 100)
		}},
		{"nested=20000", 200, object, func(t *testing.T, _ *http.Response, body []byte) {
			assert.Contains(t, string(body), `"nested":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+"}")
		}},
		{"invalid-utf8", 200, object, func(t *testing.T, _ *http.Response, body []byte) { assert.False(t, utf8.Valid(body)) }},
		{"duplicate-keys", 200, object, func(t *testing.T, _ *http.Response, body []byte) {
			assert.True(t, json.Valid(body))
			assert.True(t, bytes.HasSuffix(body, []byte(`,"status":"Resolved","status":"Active"}`)))
		}},
		{"big-number", 200, object, func(t *testing.T, _ *http.Response, body []byte) {
			assert.True(t, json.Valid(body))
			assert.Contains(t, string(body), `:123456789012345678901234567890}`)
		}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			s := faulty(t, c.fault)
			resp, body := get(t, s, 1001)
			assert.Equal(t, c.status, resp.StatusCode)
			assert.Equal(t, c.contentType, resp.Header.Get("Content-Type"))
			c.check(t, resp, body)
			assert.Equal(t, strings.Split(c.fault, "=")[0], strings.Split(s.Journal()[0].Fault, "=")[0])
		})
	}
}

func isPage(t *testing.T, _ *http.Response, body []byte) {
	assert.Contains(t, string(body), "<html>")
}

func hasRetryAfter(value string) func(*testing.T, *http.Response, []byte) {
	return func(t *testing.T, r *http.Response, _ []byte) { assert.Equal(t, value, r.Header.Get("Retry-After")) }
}

// hasMark: a byte order mark, then the error object.
func hasMark(t *testing.T, _ *http.Response, body []byte) {
	rest, found := bytes.CutPrefix(body, []byte("\xef\xbb\xbf"))
	assert.True(t, found)
	apiError(t, rest)
}

func isEmpty(t *testing.T, _ *http.Response, body []byte) {
	assert.Empty(t, body)
}

func TestSlowAnswersComeLateAndUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faulty(t, "slow=20s")
		start := time.Now()
		time.AfterFunc(10*time.Second, func() { assert.NoError(t, s.Update(1001, func(i *Incident) { i.Name = "meanwhile" })) })

		_, body := get(t, s, 1001)

		assert.Equal(t, 20*time.Second, time.Since(start))
		assert.Contains(t, string(body), "meanwhile")
		entry := s.Journal()[0]
		assert.True(t, start.Equal(entry.Time))
		assert.True(t, start.Add(20*time.Second).Equal(entry.Ended))
		assert.Equal(t, 1, entry.State)
	})
}

func TestHangAndSlowEndWithTheRequest(t *testing.T) {
	for _, fault := range []string{"hang", "silent", "slow=1h"} {
		synctest.Test(t, func(t *testing.T) {
			s := faulty(t, fault)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()

			_, err := s.RoundTripper().RoundTrip(request(ctx, t, s, "1001"))

			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, time.Minute, time.Since(start))
			synctest.Wait()
			assert.True(t, start.Add(time.Minute).Equal(s.Journal()[0].Ended))
		})
	}
}

func TestTruncatedBodyEndsUnexpectedly(t *testing.T) {
	s := faulty(t, "truncated")
	resp, err := s.RoundTripper().RoundTrip(request(t.Context(), t, s, "1001"))
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Len(t, body, int(resp.ContentLength/2))
	assert.Empty(t, s.Served(1001))
}

func TestResetIsAResetInProcessAndOnASocket(t *testing.T) {
	s := faulty(t, "goaway")
	_, err := s.RoundTripper().RoundTrip(request(t.Context(), t, s, "1001"))
	require.ErrorIs(t, err, syscall.ECONNRESET, "in process it is the same")
	s = faulty(t, "reset")
	_, err = s.RoundTripper().RoundTrip(request(t.Context(), t, s, "1001"))
	require.ErrorIs(t, err, syscall.ECONNRESET)

	server := httptest.NewServer(s)
	defer server.Close()
	r := request(t.Context(), t, s, "1001")
	r.URL.Host = strings.TrimPrefix(server.URL, "http://")
	_, err = server.Client().Do(r)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Zero(t, s.Journal()[1].Status)
}

// Without an announcement, a client may use the connection once more before it
// learns that it has ended.
func TestConnectionEndsAfterAWholeAnswer(t *testing.T) {
	s := faulty(t, "close")
	server := httptest.NewServer(s)
	defer server.Close()
	opened := 0
	for range 3 {
		r := request(t.Context(), t, s, "1001")
		r.URL.Host = strings.TrimPrefix(server.URL, "http://")
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
			if !i.Reused {
				opened++
			}
		}}))
		resp, err := server.Client().Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.True(t, json.Valid(body))
		assert.False(t, resp.Close)
	}
	assert.Equal(t, 3, opened)
	assert.Len(t, s.Served(1001), len(s.Journal()), "those that were sent again too")
}

func TestTruncatedBodyOnASocket(t *testing.T) {
	s := faulty(t, "truncated")
	server := httptest.NewServer(s)
	defer server.Close()
	r := request(t.Context(), t, s, "1001")
	r.URL.Host = strings.TrimPrefix(server.URL, "http://")
	resp, err := server.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestEveryFaultCanBeParsedByItsName(t *testing.T) {
	var kinds []FaultKind
	for _, group := range FaultGroups() {
		assert.NotEmpty(t, group.Title)
		kinds = append(kinds, group.Kinds...)
	}
	names := map[string]bool{}
	for _, kind := range kinds {
		assert.False(t, names[kind.Name], kind.Name)
		names[kind.Name] = true
		f, err := ParseFault(kind.Name)
		require.NoError(t, err, kind.Name)
		again, err := ParseFault(f.String())
		require.NoError(t, err, f.String())
		assert.Equal(t, f, again)
		if kind.Argument != "" {
			assert.NotZero(t, f.Wait+time.Duration(f.Size), kind.Name)
		}
	}
	for _, bad := range []string{"", "501", "500=3", "slow=fast", "slow=-1s", "huge=manyMiB", "nested=-1"} {
		_, err := ParseFault(bad)
		assert.Error(t, err, bad)
	}
}

func TestAFaultOfOneIncidentGoesBeforeThatOfAll(t *testing.T) {
	s := faulty(t, "500")
	require.NoError(t, s.SetFault(1002, Rule{Fault: Fault{Name: "400"}}))
	status := func(id int64) int { resp, _ := get(t, s, id); return resp.StatusCode }

	assert.Equal(t, 500, status(1001))
	assert.Equal(t, 400, status(1002))
	s.ClearFault(1002)
	assert.Equal(t, 500, status(1002))
	s.ClearFaults()
	assert.Equal(t, 200, status(1001))
}

func TestAFaultGoesAwayAfterItsTimes(t *testing.T) {
	for _, where := range []int64{1001, AllIncidents} {
		s := newSim(t, nil)
		require.NoError(t, s.SetFault(where, Rule{Fault: Fault{Name: "503"}, Times: 2}))
		var got []int
		for range 3 {
			resp, _ := get(t, s, 1001)
			got = append(got, resp.StatusCode)
		}
		assert.Equal(t, []int{503, 503, 200}, got)
	}
}

func TestAFaultMayStrikeOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		fault, err := ParseFault("429-retry-after=90s")
		require.NoError(t, err)
		require.NoError(t, s.SetFault(ListRequests, Rule{Fault: fault, Every: time.Hour}))
		var struck []time.Duration
		for minute := range 181 {
			resp, _ := call(t, s, http.MethodGet, "/api/incidents")
			if resp.StatusCode == http.StatusTooManyRequests {
				assert.Equal(t, "90", resp.Header.Get("Retry-After"))
				struck = append(struck, time.Duration(minute)*time.Minute)
			}
			time.Sleep(time.Minute)
		}
		assert.Equal(t, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}, struck)
	})
}

func TestAFaultStrikesWithItsProbabilityWhateverTheOrder(t *testing.T) {
	strikes := func(ids ...int64) map[int64][]int {
		s := newSim(t, nil)
		require.NoError(t, s.SetFault(AllIncidents, Rule{Fault: Fault{Name: "500"}, Probability: 0.3}))
		got := make(map[int64][]int)
		for range 200 {
			for _, id := range ids {
				resp, _ := get(t, s, id)
				got[id] = append(got[id], resp.StatusCode)
			}
		}
		return got
	}
	one := strikes(1001, 1002)
	assert.Equal(t, one, strikes(1002, 1001))
	struck := 0
	for _, status := range one[1001] {
		if status == 500 {
			struck++
		}
	}
	assert.InDelta(t, 60, struck, 20)
}

// Otherwise, with an unlucky seed, none of many faults would ever apply.
func TestFaultsThatTakeTurnsHaveEachItsOwnLuck(t *testing.T) {
	s := newSim(t, nil)
	struck := 0
	for range 100 {
		require.NoError(t, s.SetFault(1001, Rule{Fault: Fault{Name: "500"}, Probability: 0.5}))
		if resp, _ := get(t, s, 1001); resp.StatusCode == http.StatusInternalServerError {
			struck++
		}
	}
	assert.InDelta(t, 50, struck, 20)
}

func TestImpossibleRulesAreRefused(t *testing.T) {
	s := newSim(t, nil)
	for _, r := range []Rule{{Fault: Fault{Name: "nope"}}, {Fault: Fault{Name: "500"}, Probability: 1.5}, {Fault: Fault{Name: "500"}, Times: -1}, {Fault: Fault{Name: "500"}, Every: -1}} {
		assert.Error(t, s.SetFault(1001, r))
	}
}

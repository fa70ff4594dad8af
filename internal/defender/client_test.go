// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGetRequestsOnlyTheIncidentBelowTheEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://api.example":                      "https://api.example/api/incidents/924565",
		"https://api.example/":                     "https://api.example/api/incidents/924565",
		"http://127.0.0.1:8470":                    "http://127.0.0.1:8470/api/incidents/924565",
		"https://gateway.example/defender":         "https://gateway.example/defender/api/incidents/924565",
		"https://gateway.example/defender/":        "https://gateway.example/defender/api/incidents/924565",
		"https://gateway.example/with%2Fslash/all": "https://gateway.example/with%2Fslash/all/api/incidents/924565",
	} {
		t.Run(endpoint, func(t *testing.T) {
			requests := 0
			result := clientAt(t, endpoint, handled(func(w http.ResponseWriter, r *http.Request) {
				requests++
				assert.Equal(t, http.MethodGet, r.Method)
				assert.Equal(t, want, r.URL.String())
				assert.Equal(t, http.Header{
					"Accept": {"application/json"}, "Accept-Encoding": {"gzip, deflate"},
				}, r.Header)
				assert.Equal(t, http.NoBody, r.Body)
				_, _ = io.WriteString(w, `{"incidentId":924565}`)
			})).Get(t.Context(), 924565)
			require.NoError(t, result.Err)
			assert.Equal(t, 1, requests)
			assert.EqualValues(t, 924565, result.Snapshot.ID)
			assert.Equal(t, len(`{"incidentId":924565}`), result.Size)
		})
	}
}

func TestIDInThePathIsOnlyDigits(t *testing.T) {
	for _, id := range []int64{1, 9, 10, 924565, 1 << 31, 1 << 53, math.MaxInt64} {
		for _, base := range []string{
			"", "/", "/base", "/a/../..", "/../../etc", "/a/%2e%2e/", "/a//b/.", "//elsewhere.example/a", "/a?to=https://elsewhere.example", "/a#b", "/a%3Fb=c",
		} {
			result := clientAt(t, endpoint+base, handled(func(_ http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "api.example", r.URL.Host)
				assert.Equal(t, "https", r.URL.Scheme)
				assert.Regexp(t, `^(/.*)?/api/incidents/`+strconv.FormatInt(id, 10)+`$`, r.URL.EscapedPath())
				assert.NotContains(t, r.URL.Path, "/../etc")
			})).Get(t.Context(), id)
			assert.Equal(t, 1, result.Reached, base)
		}
	}
}

func TestIDThatIsNotPositiveIsNotRequested(t *testing.T) {
	for _, id := range []int64{0, -1, math.MinInt64} {
		result := clientAt(t, endpoint, roundTrip(func(*http.Request) (*http.Response, error) {
			assert.Fail(t, "the API was asked")
			return nil, errors.New("asked")
		})).Get(t.Context(), id)
		assert.Equal(t, Rejected, failed(t, result).Kind)
		assert.EqualError(t, result.Err, "rejected: an incident ID must be positive")
		assert.Zero(t, result.Reached)
	}
}

func TestOriginalIsKeptUnchangedAndOnlyOnRequest(t *testing.T) {
	body := fixture(t, "incident.json")
	for _, keep := range []bool{false, true} {
		parsed, err := url.Parse(endpoint)
		require.NoError(t, err)
		client := NewClient(&http.Client{Transport: responding(200, string(body))}, Settings{Endpoint: parsed, MaxBody: maxBody, KeepOriginal: keep})
		result := client.Get(t.Context(), 4711)
		require.NoError(t, result.Err)
		if keep {
			assert.Equal(t, string(body), string(result.Snapshot.Original))
		} else {
			assert.Nil(t, result.Snapshot.Original)
		}
	}
}

// withToken puts a token on every request that passes.
func withToken(base http.RoundTripper) roundTrip { return authorized("Bearer the token", base) }

func TestTokenIsNotSentToTheTargetOfARedirect(t *testing.T) {
	for _, location := range []string{
		"https://elsewhere.example/api/incidents/1", "/api/incidents/1", "https://api.example/sign-in?code=hush", "",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			var visited []string
			transport := withToken(handled(func(w http.ResponseWriter, r *http.Request) {
				visited = append(visited, r.URL.String())
				w.Header().Set("Location", location)
				w.WriteHeader(status)
			}))
			client := &http.Client{Transport: transport}
			parsed, err := url.Parse(endpoint)
			require.NoError(t, err)
			failure := failed(t, NewClient(client, Settings{Endpoint: parsed, MaxBody: maxBody}).Get(t.Context(), 1))
			assert.Equal(t, Redirect, failure.Kind)
			assert.Equal(t, status, failure.Status)
			assert.NotContains(t, failure.Error(), "hush")
			assert.Equal(t, []string{"https://api.example/api/incidents/1"}, visited)
			assert.Nil(t, client.CheckRedirect, "the given client is not to be changed")
		}
	}
}

func TestNoResponseWithinTheTimeoutIsATimeout(t *testing.T) {
	for name, transport := range map[string]func(*testing.T) http.RoundTripper{
		"before the head": func(t *testing.T) http.RoundTripper { return faulty(t, "hang").RoundTripper() },
		"amid the body":   func(*testing.T) http.RoundTripper { return stalling("") },
		"amid gzip":       func(*testing.T) http.RoundTripper { return stalling("gzip") },
		"amid deflate":    func(*testing.T) http.RoundTripper { return stalling("deflate") },
		"byte by byte":    func(*testing.T) http.RoundTripper { return roundTrip(dripping) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parsed, err := url.Parse(endpoint)
				require.NoError(t, err)
				started := time.Now()
				client := NewClient(&http.Client{Transport: transport(t), Timeout: 30 * time.Second}, Settings{Endpoint: parsed, MaxBody: maxBody})
				result := client.Get(t.Context(), 1001)
				assert.Equal(t, Timeout, failed(t, result).Kind)
				assert.ErrorContains(t, result.Err, "http::timeout")
				assert.Equal(t, 1, result.Reached)
				assert.Equal(t, 30*time.Second, time.Since(started))
			})
		})
	}
}

// stalling sends the first half of a response and then nothing until the
// request's context ends.
func stalling(coding string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		body, feed := io.Pipe()
		whole := encoded(coding, `{"incidentId":1001,"incidentName":"half of a response"}`)
		go func() {
			_, _ = io.WriteString(feed, whole[:len(whole)/2])
			<-r.Context().Done()
			_ = feed.CloseWithError(r.Context().Err())
		}()
		header := http.Header{}
		header.Set("Content-Encoding", coding)
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: body, ContentLength: -1, Request: r}, nil
	}
}

// dripping sends a byte of a response each second, until the
// request's context ends.
func dripping(r *http.Request) (*http.Response, error) {
	body, feed := io.Pipe()
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = io.WriteString(feed, " ")
			case <-r.Context().Done():
				_ = feed.CloseWithError(r.Context().Err())
				return
			}
		}
	}()
	return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: -1, Request: r}, nil
}

func TestCanceledRequestReturnsTheErrorOfItsContext(t *testing.T) {
	for name, transport := range map[string]func(*testing.T) http.RoundTripper{
		"before the head": func(t *testing.T) http.RoundTripper { return faulty(t, "hang").RoundTripper() },
		"amid the body":   func(*testing.T) http.RoundTripper { return stalling("") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cancelled, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				result := clientAt(t, endpoint, transport(t)).Get(cancelled, 1001)
				assert.Equal(t, context.Canceled, result.Err)
				assert.Nil(t, result.Snapshot)
				assert.Equal(t, 1, result.Reached)

				expiring, stop := context.WithTimeout(t.Context(), time.Second)
				defer stop()
				result = clientAt(t, endpoint, transport(t)).Get(expiring, 1001)
				assert.Equal(t, context.DeadlineExceeded, result.Err)
			})
		})
	}
}

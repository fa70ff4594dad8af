// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

const (
	msgAPIWarning    = "API response carries a warning; it may be incomplete or outdated"
	msgSeparate      = "API fails to return an incident together with its alerts; fetching its alerts separately"
	msgListLink      = "cannot follow the list's link to the next page; continuing with $skip"
	msgListGivenUp   = "list did not return all changes; the change feed continues without the missing ones"
	msgListShowsAll  = "list returns all changes again"
	partialIncident  = 101
	partialResponses = "testdata/partial"
)

// edited is middleware that replaces each response with what edit returns for it.
func edited(edit func(r *http.Request, status *int, h http.Header, body []byte) []byte) harness.Middleware {
	return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		body = edit(r, &response.StatusCode, response.Header, body)
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		response.Header.Del("Content-Length")
		return response, nil
	}
}

// respond returns a response with a status and a body.
func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}},
	}
}

// testdata/partial has what the API really sends: a normal response, then one that shows less.
func TestResponseThatShowsLessRemovesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		api  receiver.API
		file string
	}{
		"no list of alerts": {receiver.APIDefenderXDR, "xdr_no_alerts.json"},
		"null for a list":   {receiver.APIDefenderXDR, "xdr_null_alerts.json"},
		"206":               {receiver.APIGraph, "graph_206.json"},
	} {
		for _, mode := range []receiver.AlertsMode{receiver.AlertsSplit, receiver.AlertsEmbedded} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				harness.Run(t, func(t *testing.T) {
					h := harness.NewUnder(t, test.api, harness.Quiet(1), harness.WithIDs(partialIncident), func(cfg *receiver.Config) { cfg.Alerts = mode })
					less, err := os.ReadFile(filepath.Join(partialResponses, test.file))
					require.NoError(t, err)
					all, err := os.ReadFile(filepath.Join(partialResponses, strings.SplitAfter(test.file, "_")[0]+"whole.json"))
					require.NoError(t, err)
					var showLess atomic.Bool
					h.Auth.Use(func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
						switch {
						case !showLess.Load():
							return respond(r, http.StatusOK, string(all)), nil
						case test.api == receiver.APIGraph:
							response := respond(r, http.StatusPartialContent, string(less))
							response.Header.Set("Warning", `199 - "Microsoft/WDATP/401/228"`)
							return response, nil
						default:
							return respond(r, http.StatusOK, string(less)), nil
						}
					})
					h.Start()
					harness.Sleep(time.Minute)
					require.Contains(t, h.Sink.Changes(), "101 first_seen")
					showLess.Store(true)
					harness.Sleep(2 * time.Hour)
					showLess.Store(false)
					harness.Sleep(time.Hour)
					require.Empty(t, h.Sink.Changes())
					h.Stop()
					showLess.Store(true)
					h.Start()
					harness.Sleep(time.Hour)
					require.Empty(t, h.Sink.Changes(), "after a restart neither")
					if test.api == receiver.APIGraph {
						require.Equal(t, []string{msgAPIWarning, msgAPIWarning}, h.Warnings(), "once a run")
						fields := h.Logs.FilterMessage(msgAPIWarning).All()[0].ContextMap()
						require.Equal(t, map[string]any{"host": "graph.microsoft.com", "warning": `199 - "Microsoft/WDATP/401/228"`}, fields)
					} else {
						require.Empty(t, h.Warnings())
					}
				})
			})
		}
	}
}

func TestIncidentFirstShownWithoutAListGetsItsAlertsLater(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(1))
		alerts := regexp.MustCompile(`"alerts":`)
		h.Auth.Use(edited(func(_ *http.Request, _ *int, _ http.Header, body []byte) []byte {
			return alerts.ReplaceAll(body, []byte(`"not alerts":`))
		}))
		h.Start()
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1001 first_seen"}, h.Sink.Changes())
		h.Auth.Use(nil)
		harness.Sleep(6 * time.Minute)
		require.Contains(t, h.Sink.Changes(), "1001 alert first_seen")
	})
}

// A row that shows no alerts is fetched by ID.
func TestRowWithoutAListOfAlertsIsFetched(t *testing.T) {
	for name, edit := range map[string]func(status *int, body []byte) []byte{
		"no list": func(_ *int, body []byte) []byte {
			return bytes.ReplaceAll(body, []byte(`"alerts":`), []byte(`"not alerts":`))
		},
		"206": func(status *int, body []byte) []byte { *status = http.StatusPartialContent; return body },
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) { cfg.CollectionInterval = time.Hour })
				h.RunOnce()
				h.Auth.Use(edited(func(r *http.Request, status *int, _ http.Header, body []byte) []byte {
					if strings.HasSuffix(r.URL.Path, "/incidents") {
						return edit(status, body)
					}
					return body
				}))
				h.Start()
				harness.Sleep(time.Minute)
				h.Assign(1001)
				harness.Sleep(time.Minute)
				require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())
				require.Equal(t, 2, h.Polls(1001))
			})
		})
	}
}

func TestWarningsAreBounded(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		n := 0
		h.Auth.Use(edited(func(_ *http.Request, _ *int, header http.Header, body []byte) []byte {
			n++
			header.Set("Warning", strings.Repeat("\x1b[31mw\u202e", n))
			return body
		}))
		h.Start()
		harness.Sleep(24 * time.Hour)
		warnings := h.Warnings()
		require.LessOrEqual(t, len(warnings), 20)
		require.GreaterOrEqual(t, len(warnings), 10)
		for _, entry := range h.Logs.FilterMessage(msgAPIWarning).All() {
			text := entry.ContextMap()["warning"].(string)
			require.Regexp(t, `^[ -~]{1,200}$`, text)
		}
		require.NotContains(t, h.Sink.Changes(), "1001 updated")
	})
}

// Empty pages with a link are documented for Graph.
func TestEmptyPagesOfAlertsAreFollowed(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := inPages(1)
		population.AlertsSkipToken = true
		h := harness.NewUnder(t, receiver.APIGraph, population)
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			token := r.URL.Query().Get("$skiptoken")
			if token == "" {
				return next.RoundTrip(r)
			}
			original, shown := strings.CutPrefix(token, "empty")
			if !shown {
				return respond(r, http.StatusOK, `{"value":[],"@odata.nextLink":"https://graph.microsoft.com/x?$skiptoken=empty`+token+`"}`), nil
			}
			r = r.Clone(r.Context())
			r.URL.RawQuery = "$skiptoken=" + original
			return next.RoundTrip(r)
		})
		h.Start()
		harness.Sleep(time.Hour)
		require.Len(t, h.Sink.Changes(), 8, "the incident and all of its alerts, once")
		require.Empty(t, h.Warnings())
	})
}

// What the response shows is delivered, and what it does not show stays.
func TestPagesOfAlertsThatFailForGoodRemoveNothing(t *testing.T) {
	for name, fail := range map[string]func(r *http.Request) *http.Response{
		"400": func(r *http.Request) *http.Response {
			return respond(r, 400, `{"error":{"code":"BadRequest","message":""}}`)
		},
		"404": func(r *http.Request) *http.Response {
			return respond(r, 404, `{"error":{"code":"NotFound","message":""}}`)
		},
		"500":     func(r *http.Request) *http.Response { return respond(r, 500, "") },
		"no list": func(r *http.Request) *http.Response { return respond(r, 200, `{}`) },
		"the same page": func(r *http.Request) *http.Response {
			return respond(r, 200, `{"value":[],"@odata.nextLink":"?$skip=3"}`)
		},
		"never ending": func(r *http.Request) *http.Response {
			return respond(r, 200, `{"value":[],"@odata.nextLink":"?$skiptoken=x`+r.URL.Query().Get("$skiptoken")+`"}`)
		},
		"an empty link": func(r *http.Request) *http.Response { return respond(r, 200, `{"value":[],"@odata.nextLink":""}`) },
		"a number":      func(r *http.Request) *http.Response { return respond(r, 200, `{"value":[],"@odata.nextLink":7}`) },
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, receiver.APIGraph, inPages(2), harness.WithIDs(1001))
				h.RunOnce()
				h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/1001/alerts") {
						return fail(r), nil
					}
					return next.RoundTrip(r)
				})
				h.Start()
				h.Assign(1001)
				harness.Sleep(20 * time.Minute)
				require.Equal(t, []string{"1001 updated"}, h.Sink.Changes(), "its own change, once")
				requests := len(h.Sim.Journal())
				harness.Sleep(2 * time.Hour)
				require.Empty(t, h.Sink.Changes())
				require.Less(t, len(h.Sim.Journal())-requests, 12*10, "with backoff")
				require.Equal(t, 1, h.Logs.FilterMessage(msgFetchFailed).Len(), "logged once")

				h.Auth.Use(nil)
				harness.Sleep(20 * time.Minute)
				require.Empty(t, h.Sink.Changes(), "nothing was removed, and nothing is new")
			})
		})
	}
}

// A new incident is delivered as far as it is known.
func TestNewIncidentIsDeliveredWithoutThePagesThatFail(t *testing.T) {
	for _, mode := range []receiver.AlertsMode{receiver.AlertsSplit, receiver.AlertsEmbedded} {
		t.Run(string(mode), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, receiver.APIGraph, inPages(1), func(cfg *receiver.Config) { cfg.Alerts = mode })
				h.Fail(defendersim.AlertRequests, "500")
				h.Start()
				harness.Sleep(20 * time.Minute)
				records := h.Sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
				require.NotContains(t, records.At(0).Attributes().AsRaw(), "microsoft.defender.incident.alert_count", "it is not known")
				changes := h.Sink.Changes()
				h.Sim.ClearFaults()
				harness.Sleep(20 * time.Minute)
				if mode == receiver.AlertsSplit {
					require.Len(t, changes, 1+3)
					require.Equal(t, slices.Repeat([]string{"1001 alert first_seen"}, 4), h.Sink.Changes())
				} else {
					require.Equal(t, []string{"1001 first_seen"}, changes)
					require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())
				}
			})
		})
	}
}

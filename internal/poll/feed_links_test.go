// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// withLink is middleware that ends each page of the list with a link, given as JSON. If it is empty, pages stay unchanged.
func withLink(link func(skip int, page []byte) string) harness.Middleware {
	linked := regexp.MustCompile(`,"@odata.nextLink":"[^"]*"`)
	return edited(func(r *http.Request, _ *int, _ http.Header, body []byte) []byte {
		if !strings.HasSuffix(r.URL.Path, "/incidents") {
			return body
		}
		skip, _ := strconv.Atoi(r.URL.Query().Get("$skip"))
		with := link(skip, body)
		if with == "" {
			return body
		}
		page := strings.TrimSuffix(strings.TrimSpace(linked.ReplaceAllString(string(body), "")), "}")
		return []byte(page + `,"@odata.nextLink":` + with + "}")
	})
}

// boundaries returns the distinct boundaries with which the list was requested since a moment.
func boundaries(h *harness.Harness, since time.Time) map[string]bool {
	all := map[string]bool{}
	for _, r := range h.Lists() {
		if !r.Time.Before(since) {
			filter, _, _ := strings.Cut(r.Query, "&")
			all[filter] = true
		}
	}
	return all
}

func TestFeedContinuesAfterLinksThatLeadNowhere(t *testing.T) {
	harness.Long(t)
	const incidents = 130 // two pages
	for name, link := range map[string]string{
		"to the same page":  `"https://api.security.microsoft.com/api/incidents?$skip=%d"`,
		"to the beginning":  `"https://api.security.microsoft.com/api/incidents?$skip=0"`,
		"to another place":  `"https://elsewhere.contoso.example/api/alerts"`,
		"an empty text":     `""`,
		"a number":          `7`,
		"an object":         `{}`,
		"a text":            `"next"`,
		"a token":           `"https://api.security.microsoft.com/api/incidents?$skiptoken=again"`,
		"a token, too long": `"https://api.security.microsoft.com/api/incidents?$skiptoken=` + strings.Repeat("x", 5000) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.Quiet(0), harness.WithIDs(1), harness.WithFeed(), func(cfg *receiver.Config) { cfg.CollectionInterval = 24 * time.Hour })
				addBare(t, h, incidents)
				h.Start()
				harness.Sleep(30*time.Minute + 5*time.Second) // between two calls
				require.Len(t, h.Sink.Changes(), incidents)
				h.Auth.Use(withLink(func(skip int, _ []byte) string {
					if strings.Contains(link, "%d") {
						return fmt.Sprintf(link, skip)
					}
					return link
				}))
				began, polls := time.Now(), h.Polls(0)
				h.Assign(h.Config.IncidentIDs...)
				harness.Sleep(3 * time.Minute)
				require.Len(t, h.Sink.Changes(), incidents, "all rows are read")
				require.Equal(t, polls, h.Polls(0))
				lists := len(h.Lists())
				harness.Sleep(20 * time.Minute)
				require.Less(t, len(h.Lists())-lists, 20*2*9, "no loop")
				h.Assign(7)
				later := time.Now()
				harness.Sleep(15 * time.Minute)
				require.Equal(t, []string{"7 updated"}, h.Sink.Changes())
				require.Greater(t, len(boundaries(h, began)), 1)
				require.NotContains(t, boundaries(h, later.Add(14*time.Minute)), boundaries(h, began), "the boundary advances")
				require.LessOrEqual(t, len(h.Warnings()), 2, "%v", h.Warnings())
			})
		})
	}
}

func TestListThatDoesNotEndDelaysTheBoundaryOnly(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(5), harness.WithFeed(), func(cfg *receiver.Config) { cfg.CollectionInterval = 24 * time.Hour })
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		h.Auth.Use(withLink(func(skip int, _ []byte) string { return fmt.Sprintf(`"?$skip=%d"`, skip+100) }))
		for range 10 {
			h.Assign(1001)
			harness.Sleep(3 * time.Minute)
			require.Equal(t, []string{"1001 updated"}, h.Sink.Changes(), "rows are delivered all the same")
		}
		require.Equal(t, []string{msgListGivenUp}, h.Warnings())
		before := boundaries(h, time.Now().Add(-time.Minute))
		h.Assign(1002)
		harness.Sleep(10 * time.Minute)
		after := boundaries(h, time.Now().Add(-time.Minute))
		require.NotEqual(t, before, after, "the boundary advances")
		require.Less(t, h.Sim.MaxInWindow(time.Minute), 51)

		h.Auth.Use(nil)
		harness.Sleep(5 * time.Minute)
		require.Equal(t, 1, h.Logs.FilterMessage(msgListShowsAll).Len())
		require.Len(t, h.Warnings(), 1, "logged once")
	})
}

// Graph refuses to skip more than 500 rows, and so may any list refuse a later page.
func TestListThatRefusesItsLaterPagesDoesNotStopTheFeed(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		const incidents = 120
		h := harness.New(t, harness.Quiet(0), harness.WithIDs(1), harness.WithFeed(), func(cfg *receiver.Config) { cfg.CollectionInterval = 6 * time.Hour })
		addBare(t, h, incidents)
		h.Start()
		harness.Sleep(30*time.Minute + 5*time.Second) // between two calls
		h.Sink.Reset()
		refused := harness.Rule(t, "400")
		refused.OnSkip = true
		require.NoError(t, h.Sim.SetFault(defendersim.ListRequests, refused))
		h.Assign(h.Config.IncidentIDs...)
		harness.Sleep(9 * time.Minute)
		first := boundaries(h, time.Now().Add(-time.Minute))
		require.Len(t, first, 1)
		require.Len(t, h.Sink.Changes(), 100, "those of the first page")
		harness.Sleep(20 * time.Minute)
		require.Equal(t, []string{msgListGivenUp}, h.Warnings())
		require.NotEqual(t, first, boundaries(h, time.Now().Add(-time.Minute)))
		h.Assign(100)
		harness.Sleep(2 * time.Minute)
		require.Contains(t, h.Sink.Changes(), "100 updated")
		harness.Sleep(7 * time.Hour)
		require.Len(t, h.Sink.Changes(), incidents-100, "the rest is found by ID")
	})
}

func TestPartialListDelaysTheBoundaryOnly(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(5), harness.WithFeed(), func(cfg *receiver.Config) { cfg.CollectionInterval = 24 * time.Hour })
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		h.Auth.Use(edited(func(r *http.Request, status *int, _ http.Header, body []byte) []byte {
			if strings.HasSuffix(r.URL.Path, "/incidents") {
				*status = http.StatusPartialContent
			}
			return body
		}))
		for range 10 {
			h.Assign(1001)
			harness.Sleep(2 * time.Minute)
			require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())
		}
		require.Equal(t, []string{msgListGivenUp}, h.Warnings())
		require.Greater(t, len(boundaries(h, time.Now().Add(-10*time.Minute))), 1)
	})
}

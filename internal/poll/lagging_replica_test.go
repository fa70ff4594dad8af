// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// rewrite changes the body of each response for a single incident, if the request's
// path has the suffix.
func rewrite(suffix string, body func([]byte) []byte) harness.Middleware {
	return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil || !strings.HasSuffix(r.URL.Path, suffix) || strings.HasSuffix(r.URL.Path, "/incidents") {
			return response, err
		}
		shown, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		shown = body(shown)
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(shown)), int64(len(shown))
		return response, nil
	}
}

// lagging shows an incident as it was when the lag began.
type lagging struct {
	behind atomic.Bool
	shown  []byte // one incident is polled at a time
}

func (l *lagging) body(now []byte) []byte {
	if l.behind.Load() {
		return l.shown
	}
	l.shown = now
	return now
}

func TestChangeIsFetchedAgainUntilTheResponseHasCaughtUpWithTheList(t *testing.T) {
	for name, c := range map[string]struct {
		lag, within time.Duration
		polls       int // at most
	}{
		"a lag of 40 s":  {40 * time.Second, 2 * time.Minute, 4},
		"a lag of a day": {24 * time.Hour, 30 * time.Hour, 30},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.NewUnder(t, receiver.APIGraph, harness.OneAlert(3), withUnusableRows, harness.WithFeed(func(f *receiver.ChangeFeedConfig) {
					f.Interval = c.lag - 10*time.Second
				}), func(cfg *receiver.Config) { cfg.CollectionInterval = 6 * time.Hour })
				var replica lagging
				h.Auth.Use(rewrite("/1002", replica.body))
				h.Start()
				harness.Sleep(10 * time.Minute)
				h.Sink.Reset()
				before := h.Polls(1002)
				replica.behind.Store(true)
				h.Assign(1002)
				harness.Sleep(c.lag)
				require.Empty(t, h.Sink.Changes())
				replica.behind.Store(false)
				harness.Sleep(c.within - c.lag)
				require.Equal(t, []string{"1002 updated"}, h.Sink.Changes())
				require.LessOrEqual(t, h.Polls(1002)-before, c.polls)
				require.Empty(t, h.Warnings())
			})
		})
	}
}

var lastUpdate = regexp.MustCompile(`"lastUpdateTime":"[^"]*"`)

func TestTimeThatGoesBackByMicrosecondsCountsAsEqual(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(5))
		var cut atomic.Bool
		h.Auth.Use(rewrite("", func(body []byte) []byte {
			if !cut.Load() {
				return body
			}
			return lastUpdate.ReplaceAllFunc(body, func(member []byte) []byte {
				whole, fraction, found := bytes.Cut(member, []byte("."))
				if !found || len(fraction) < 5 {
					return member
				}
				return append(append(whole[:len(whole):len(whole)], '.'), append(fraction[:3:3], `Z"`...)...)
			})
		}))
		h.Start()
		harness.Sleep(6 * time.Minute)
		for _, id := range h.Sim.IDs() { // so that each time has a fraction that is cut
			harness.Sleep(1_234_567 * time.Microsecond)
			h.Assign(id)
		}
		harness.Sleep(6 * time.Minute)
		h.Sink.Reset()
		before := h.Polls(0)
		cut.Store(true)
		first, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		require.NoError(t, h.Sim.UpdateAlert(1001, first.Alerts[0].ID, func(a *defendersim.Alert) { a.InvestigationState += "+" }))
		harness.Sleep(10 * time.Hour)
		require.Equal(t, []string{"1001 alert updated"}, h.Sink.Changes())
		require.LessOrEqual(t, h.Polls(0)-before, 5*12*10+5)
		require.Empty(t, h.Warnings())
	})
}

func TestResponseThatStaysOlderCountsAfterTenMinutes(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		delivered := time.Now()
		var back atomic.Bool
		h.Auth.Use(rewrite("/1001", func(body []byte) []byte {
			if !back.Load() {
				return body
			}
			hourBefore := delivered.Add(-time.Hour).UTC().Format(time.RFC3339)
			return lastUpdate.ReplaceAll(body, []byte(`"lastUpdateTime":"`+hourBefore+`"`))
		}))
		h.Assign(1001)
		h.Start()
		harness.Sleep(6 * time.Minute)
		h.Sink.Reset()
		back.Store(true)
		first, err := h.Sim.Incident(1001)
		require.NoError(t, err)
		require.NoError(t, h.Sim.UpdateAlert(1001, first.Alerts[0].ID, func(a *defendersim.Alert) { a.InvestigationState += "+" }))
		before := h.Polls(1001)
		harness.Sleep(6 * time.Minute)
		require.Equal(t, []string{"1001 alert updated"}, h.Sink.Changes(), "its time is newer")
		harness.Sleep(20 * time.Minute)
		require.Equal(t, []string{"1001 updated"}, h.Sink.Changes())
		harness.Sleep(10 * time.Hour)
		require.Empty(t, h.Sink.Changes())
		require.LessOrEqual(t, h.Polls(1001)-before, 10*12+20)
		require.Len(t, h.Warnings(), 1)
		require.Contains(t, h.Warnings()[0], "older state of an incident")
	})
}

func TestChangeThatPollsDoNotShowForHoursIsNotDeliveredBackAndForth(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.Interval = 2 * time.Minute }))
		var replica lagging
		h.Auth.Use(rewrite("/1001", replica.body))
		h.Start()
		harness.Sleep(6 * time.Minute)
		h.Sink.Reset()
		replica.behind.Store(true)
		h.Assign(1001)
		harness.Sleep(3 * time.Hour)
		require.Equal(t, updated(1001, 1001), h.Sink.Changes(), "as the list shows it, and as polls do")
		require.Len(t, h.Warnings(), 1)

		h.Assign(1001)
		harness.Sleep(2*time.Minute + time.Second)
		require.Equal(t, updated(1001), h.Sink.Changes(), "a later change counts")
		harness.Sleep(time.Hour)
		require.Equal(t, updated(1001), h.Sink.Changes())

		replica.behind.Store(false)
		harness.Sleep(6 * time.Minute)
		require.Equal(t, updated(1001), h.Sink.Changes(), "polls show the change at last")
		harness.Sleep(time.Hour)
		require.Empty(t, h.Sink.Changes())
	})
}

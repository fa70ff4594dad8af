package poll_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.opentelemetry.io/collector/component"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// A row that lacks an alert is a doubt. The change feed repeats it in each call while nothing else changes.
func TestDoubtfulRowsDoNotPutOffRoutinePolls(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIDefenderXDR, harness.OneAlert(3), harness.WithFeed())
		var list withoutAlerts
		h.Auth.Use(list.answer)
		h.Start()
		time.Sleep(10 * time.Minute)
		list.on.Store(true)
		h.Assign(1002)
		time.Sleep(5 * time.Minute)
		before := h.Polls(1002)
		time.Sleep(3 * time.Hour)
		require.GreaterOrEqual(t, h.Polls(1002)-before, 3*60/5-2, "collection_interval is 5 minutes")
	})
}

func TestDoubtfulRowsEmitNoSnapshotsBetweenPolls(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIDefenderXDR, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) {
			cfg.Emit = receiver.EmitSnapshots
		})
		var list withoutAlerts
		h.Auth.Use(list.answer)
		h.Start()
		time.Sleep(10 * time.Minute)
		list.on.Store(true)
		h.Assign(1002)
		time.Sleep(5 * time.Minute)
		h.Sink.Reset()
		time.Sleep(50 * time.Minute)
		emitted := 0
		for _, r := range h.Sink.Records() {
			if r.Incident == 1002 && r.Alert == "" {
				emitted++
			}
		}
		require.LessOrEqual(t, emitted, 11, "one for each collection_interval")
	})
}

// Pages of the list that take longer than the time between two of them leave the only slot to polls by ID as well.
func TestSweepsLeaveTheOnlySlotToOtherPolls(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := harness.OneAlert(2000)
		population.Statuses = defendersim.StatusMix{Active: 9, Resolved: 1}
		h := harness.New(t, population, harness.WithFeed(), func(cfg *receiver.Config) { cfg.MaxConcurrentRequests = 1 })
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "status") {
				select {
				case <-time.After(16 * time.Second):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			}
			return next.RoundTrip(r)
		})
		h.Start()
		time.Sleep(30 * time.Minute)
		before := h.Polls(0)
		time.Sleep(time.Hour)
		require.Greater(t, h.Polls(0)-before, 100, "some 200 resolved incidents are polled by ID")
	})
}

// What the list does not show whole was polled every 5 minutes before the restart.
func TestRestartKeepsTheCycleOfIncidentsThatAreNotSwept(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := open(700)
		population.LargeShare, population.AlertBytes = 0.01, 900
		h := harness.New(t, population, harness.WithFeed())
		h.Start()
		time.Sleep(30 * time.Minute)
		before := h.Polls(0)
		time.Sleep(30 * time.Minute)
		usual := h.Polls(0) - before
		require.Positive(t, usual)
		h.Stop()
		h.Start()
		time.Sleep(7 * time.Minute)
		before = h.Polls(0)
		time.Sleep(30 * time.Minute)
		t.Logf("polls by ID in half an hour: %d before, %d after the restart", usual, h.Polls(0)-before)
		require.Greater(t, h.Polls(0)-before, usual/2)
	})
}

// Runs that are shorter than a sweep and a quarter.
func TestShortRunsPollIncidentsThatAreNotSwept(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		population := open(300)
		population.LargeShare, population.AlertBytes = 0.01, 900
		h := harness.New(t, population, harness.WithFeed())
		h.Start()
		time.Sleep(20 * time.Minute)
		before := h.Polls(0)
		for range 12 {
			h.Stop()
			h.Start()
			time.Sleep(5 * time.Minute)
		}
		require.Positive(t, h.Polls(0)-before, "in an hour")
	})
}

// A job adds an ID each minute, and a page takes 3 s.
func TestChangesOfTheIDsDoNotBeginTheFirstPassAgain(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		var ids []string
		for id := range 3900 {
			ids = append(ids, strconv.Itoa(1001+id))
		}
		file := newIDsFile(t, ids...)
		h := harness.New(t, open(4000), harness.WithFeed(), file.only)
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/incidents") {
				time.Sleep(3 * time.Second)
			}
			return next.RoundTrip(r)
		})
		h.Start()
		for i := range 20 {
			time.Sleep(time.Minute)
			ids = append(ids, strconv.Itoa(4901+i))
			file.write(ids...)
		}
		delivered := map[int64]bool{}
		for _, r := range h.Sink.Records() {
			delivered[r.Incident] = true
		}
		t.Logf("%d incidents delivered, %d pages, %d polls by ID", len(delivered), len(h.Lists()), h.Polls(0))
		require.Greater(t, len(delivered), 3900)
	})
}

// The list refuses pages of sweeps with 429, and no others.
func TestSweepPagesThatAreRateLimitedDoNotHoldUpTheFeed(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(400), harness.WithFeed())
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "status") {
				refused := answer(r, http.StatusTooManyRequests, "")
				refused.Header.Set("Retry-After", "600")
				return refused, nil
			}
			return next.RoundTrip(r)
		})
		h.Start()
		time.Sleep(4 * time.Hour)
		before := len(h.Lists())
		time.Sleep(2 * time.Hour)
		require.Greater(t, len(h.Lists())-before, 100, "the feed lists every 30 s")
	})
}

// A row shows a change and lacks an alert, so the incident is to be fetched. The next calls show the row again while requests by ID have to wait.
func TestDoubtfulRowThatIsRepeatedKeepsItsIncidentMarked(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.NewUnder(t, receiver.APIDefenderXDR, harness.OneAlert(3), harness.WithFeed(), func(cfg *receiver.Config) {
			cfg.CollectionInterval = 6 * time.Hour
		})
		var list withoutAlerts
		h.Auth.Use(list.answer)
		h.Start()
		time.Sleep(20 * time.Minute)
		list.on.Store(true)
		paused := time.Now()
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/incidents") && time.Since(paused) < time.Minute {
				refused := answer(r, http.StatusTooManyRequests, "")
				refused.Header.Set("Retry-After", "120")
				return refused, nil
			}
			return list.answer(next, r)
		})
		h.Assign(1002)
		time.Sleep(time.Minute)
		before := h.Polls(1002)
		time.Sleep(5 * time.Minute)
		require.Equal(t, 1, h.Polls(1002)-before, "once the pause of two minutes is over")
	})
}

// The clock was a day ahead in the run before.
func TestDoubtsAreDecidedAfterTheClockWasSetBack(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, open(150), harness.WithFeed())
		var list withoutAlerts
		h.Auth.Use(list.answer)
		h.Start()
		time.Sleep(10 * time.Minute)
		h.Stop()
		client, err := h.Disk.GetClient(t.Context(), component.KindReceiver, h.Settings.ID, "")
		require.NoError(t, err)
		store, contents, err := checkpoint.Open(t.Context(), client, string(h.Config.API))
		require.NoError(t, err)
		for id := range contents.Summaries {
			state, err := store.Load(t.Context(), id)
			require.NoError(t, err)
			state.Fetched = state.Fetched.Add(24 * time.Hour)
			require.NoError(t, store.Save(t.Context(), id, state))
		}
		require.NoError(t, store.Close(t.Context()))
		list.on.Store(true)
		h.Start()
		time.Sleep(90 * time.Minute)
		never := 0
		for _, id := range h.Sim.IDs() {
			if h.Polls(id) == 0 {
				never++
			}
		}
		require.Zero(t, never, "rows have left a doubt about each of them")
	})
}

// Each row of the list is larger than the limit, so sweeps show nothing.
func TestSweepsThatShowNothingAreGivenUp(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		const limit = 64 << 10
		h := harness.New(t, open(300), harness.WithFeed(), func(cfg *receiver.Config) { cfg.MaxResponseBodySize = limit })
		padding := []byte(`"padding":"` + strings.Repeat("x", limit) + `","incidentId":`)
		h.Auth.Use(edited(func(r *http.Request, _ *int, _ http.Header, body []byte) []byte {
			if !strings.HasSuffix(r.URL.Path, "/incidents") || len(body) < 200 {
				return body
			}
			return bytes.Replace(body, []byte(`"incidentId":`), padding, 1) // one is enough for a page
		}))
		h.Start()
		time.Sleep(time.Hour)
		before, swept := len(h.Lists()), sweepPages(h)
		time.Sleep(2 * time.Hour)
		t.Logf("%d list requests an hour, %d of them of sweeps", (len(h.Lists())-before)/2, (sweepPages(h)-swept)/2)
		require.Less(t, (sweepPages(h)-swept)/2, 200)
	})
}

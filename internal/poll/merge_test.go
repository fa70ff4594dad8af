// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// redirect turns an incident into the stub of one that was merged into another,
// possibly into itself. With 0, the stub does not name the successor.
func redirect(t *testing.T, h *harness.Harness, id, into int64) {
	t.Helper()
	require.NoError(t, h.Sim.Update(id, func(i *defendersim.Incident) {
		i.Status, i.RedirectID, i.Alerts = defendersim.StatusRedirected, into, nil
	}))
}

func TestMergeChainIsFollowedToItsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		between time.Duration // one merge and the next
		want    []string
	}{
		"found at once": {0, []string{
			"1001 first_seen", "1001 merged", "1002 merged", "1003 merged", "1004 first_seen",
		}},
		"hop by hop": {5*time.Minute + time.Second, []string{
			"1001 first_seen", "1001 merged", "1002 first_seen", "1002 merged",
			"1003 first_seen", "1003 merged", "1004 first_seen",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(4), harness.WithIDs(1001))
				h.Start()
				harness.Sleep(time.Minute)
				for _, id := range []int64{1001, 1002, 1003} {
					require.NoError(t, h.Sim.Merge(id, id+1))
					harness.Sleep(test.between)
				}
				harness.Sleep(5*time.Minute + time.Second)
				h.RequireProof()
				require.Equal(t, test.want, h.Sink.IncidentChanges())

				before, lastBefore := h.Polls(0), h.Polls(1004)
				harness.Sleep(time.Hour)
				require.Equal(t, lastBefore+12, h.Polls(1004))
				require.Equal(t, before+12, h.Polls(0), "only the end of the chain is polled")

				h.Stop()
				h.Start()
				harness.Sleep(time.Hour)
				require.Equal(t, lastBefore+24, h.Polls(1004), "the schedule survives a restart")
				require.Equal(t, before+24, h.Polls(0))
				require.Empty(t, h.Sink.Changes())
				require.Empty(t, h.Warnings())
			})
		})
	}
}

func TestMergeChainPassesThroughConfiguredIncident(t *testing.T) {
	for name, test := range map[string]struct {
		merges []int64 // in this order, each into the next id
		want   []string
	}{
		"that is merged later": {[]int64{1001, 1002}, []string{
			"1001 first_seen", "1002 first_seen", "1001 merged", "1002 updated", "1002 merged", "1003 first_seen",
		}},
		"that was merged before": {[]int64{1002, 1001}, []string{
			"1001 first_seen", "1002 first_seen", "1002 merged", "1003 first_seen", "1001 merged",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(3), harness.WithIDs(1001, 1002))
				h.Start()
				harness.Sleep(time.Minute)
				for _, id := range test.merges {
					require.NoError(t, h.Sim.Merge(id, id+1))
					harness.Sleep(5 * time.Minute)
				}
				h.RequireProof()
				require.ElementsMatch(t, test.want, h.Sink.IncidentChanges(), "each hop is emitted once")

				before, lastBefore := h.Polls(0), h.Polls(1003)
				harness.Sleep(time.Hour)
				require.Equal(t, lastBefore+12, h.Polls(1003))
				require.Equal(t, before+12, h.Polls(0))
			})
		})
	}
}

func TestSuccessorTrackedAlreadyIsPolledOncePerCycle(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3))
		require.NoError(t, h.Sim.Merge(1001, 1003))
		h.FailOnce(1003, "slow=1s") // it is in flight when 1001 turns out to be merged into it
		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, 1, h.Polls(1003))

		require.NoError(t, h.Sim.Merge(1002, 1003))
		harness.Sleep(time.Hour)
		require.Equal(t, 13, h.Polls(1003))
		h.RequireProof()
		require.ElementsMatch(t, []string{
			"1001 merged", "1002 first_seen", "1003 first_seen", "1002 merged", "1003 updated",
		}, h.Sink.IncidentChanges())
	})
}

func TestTwoIncidentsMergedIntoOneAddOneSuccessor(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithIDs(1001, 1002))
		for id, wait := range map[int64]string{1002: "slow=1s", 1003: "slow=3s"} {
			h.FailOnce(id, wait) // 1002 arrives while 1003 is fetched because of 1001
		}
		require.NoError(t, h.Sim.Merge(1001, 1003))
		require.NoError(t, h.Sim.Merge(1002, 1003))
		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, []string{"1001 merged", "1002 merged", "1003 first_seen"}, h.Sink.IncidentChanges())
		require.Equal(t, 1, h.Polls(1003))
		harness.Sleep(time.Hour)
		require.Equal(t, 13, h.Polls(1003))
	})
}

// mergeCycles returns the incidents of each merge cycle that was logged.
func mergeCycles(h *harness.Harness) [][]any {
	var cycles [][]any
	for _, entry := range h.Logs.FilterMessage(msgMergeCycle).All() {
		cycles = append(cycles, entry.ContextMap()["incidents"].([]any))
	}
	return cycles
}

func TestIncidentsInMergeCycleAreNotPolled(t *testing.T) {
	for name, cycle := range map[string][]any{
		"one, into itself": {int64(1001)},
		"two":              {int64(1001), int64(1002)},
		"three":            {int64(1001), int64(1002), int64(1003)},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(4), harness.WithIDs(1001, 1004))
				var want []string
				for i, id := range cycle {
					redirect(t, h, id.(int64), cycle[(i+1)%len(cycle)].(int64))
					want = append(want, harness.Describe(proof.Record{Incident: id.(int64), Change: "merged"}))
				}
				h.Start()
				harness.Sleep(time.Hour + time.Second)
				require.ElementsMatch(t, append(want, "1004 first_seen"), h.Sink.IncidentChanges())
				require.Equal(t, [][]any{cycle}, mergeCycles(h), "logged once")
				require.Len(t, h.Warnings(), 1)
				require.Equal(t, 13, h.Polls(1004), "the other incident is polled as before")
				require.Equal(t, len(cycle)+13, h.Polls(0))

				h.Stop()
				h.Start()
				harness.Sleep(time.Hour)
				require.Equal(t, [][]any{cycle, cycle}, mergeCycles(h), "each start logs it again, since a configured incident yields nothing")
				require.Len(t, h.Warnings(), 2)
				require.Equal(t, len(cycle)+25, h.Polls(0), "a restart does not poll them either")
				require.Empty(t, h.Sink.Changes())
			})
		})
	}
}

func TestIncidentMergedIntoMergeCycleIsNotPolled(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(3), harness.WithIDs(1001, 1003))
		redirect(t, h, 1001, 1002)
		redirect(t, h, 1002, 1001)
		h.Start()
		harness.Sleep(time.Minute)
		cycle := []any{int64(1001), int64(1002)}
		require.Equal(t, [][]any{cycle}, mergeCycles(h))

		require.NoError(t, h.Sim.Merge(1003, 1001))
		harness.Sleep(5 * time.Minute)
		require.Equal(t, [][]any{cycle, cycle}, mergeCycles(h), "logged for this one too")
		before := h.Polls(0)
		harness.Sleep(time.Hour)
		require.Equal(t, before, h.Polls(0))

		h.Stop()
		h.Start()
		require.Equal(t, [][]any{cycle, cycle, cycle}, mergeCycles(h), "logged once, though both lead there")
	})
}

func TestMissingSuccessorIsEmittedOnceAndBacksOff(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2), harness.WithIDs(1001))
		require.NoError(t, h.Sim.Merge(1001, 1002))
		require.NoError(t, h.Sim.Remove(1002))
		h.Start()
		harness.Sleep(6 * time.Hour)
		require.Equal(t, []string{"1001 merged", "1002 not_found"}, h.Sink.IncidentChanges())
		require.Equal(t, []string{msgNotFound}, h.Warnings())
		require.Equal(t, 1, h.Polls(1001))
		require.Less(t, h.Polls(1002), 20)

		h.Stop()
		h.Start()
		before := h.Polls(1002)
		harness.Sleep(6 * time.Hour)
		require.Empty(t, h.Sink.Changes(), "not emitted again after a restart")
		require.Equal(t, 1, h.Polls(1001))
		require.Greater(t, h.Polls(1002), before)
		require.Less(t, h.Polls(1002), before+20)

		require.NoError(t, h.Sim.Restore(1002))
		harness.Sleep(time.Hour + time.Second)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen", "1002 alert first_seen"}, h.Sink.Changes())
	})
}

func TestMergeWithoutSuccessorIsPolledHourly(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(2), harness.WithIDs(1001))
		redirect(t, h, 1001, 0)
		h.Start()
		harness.Sleep(5*time.Hour + time.Second)
		require.Equal(t, []string{"1001 merged"}, h.Sink.IncidentChanges())
		require.Equal(t, []string{msgNoSuccessor}, h.Warnings())
		require.Equal(t, 6, h.Polls(1001))

		require.NoError(t, h.Sim.Update(1001, func(i *defendersim.Incident) { i.Name = "another name" }))
		h.Stop()
		h.Start()
		harness.Sleep(30 * time.Minute)
		require.Equal(t, 6, h.Polls(1001), "a restart does not poll it sooner")
		harness.Sleep(30 * time.Minute)
		require.Equal(t, 7, h.Polls(1001))
		require.Equal(t, []string{"1001 updated"}, h.Sink.IncidentChanges())

		redirect(t, h, 1001, 1002)
		harness.Sleep(time.Hour)
		require.Equal(t, []string{"1001 merged", "1002 first_seen"}, h.Sink.IncidentChanges(), "now the successor is known")
		require.Len(t, h.Warnings(), 1, "logged once")
		before := h.Polls(1001)
		harness.Sleep(3 * time.Hour)
		require.Equal(t, before, h.Polls(1001))
		require.Empty(t, h.Sink.Changes())
	})
}

// showsInstead is middleware that returns another incident for requests for one incident. which chooses it; 0 means the incident itself.
func showsInstead(id int64, which func() int64) harness.Middleware {
	return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if other := which(); other != 0 {
			r = r.Clone(r.Context())
			r.URL.Path = strings.ReplaceAll(r.URL.Path, strconv.FormatInt(id, 10), strconv.FormatInt(other, 10))
		}
		return next.RoundTrip(r)
	}
}

func TestSecondResponseWithTheSameOtherIDIsAMerge(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := harness.NewUnder(t, api, harness.OneAlert(3), harness.WithIDs(1001, 1003))
		h.RunOnce()
		stored := h.Disk.Entry("v1/incident/1001")
		before := h.Polls(1001)

		h.Auth.Use(showsInstead(1001, func() int64 { return 1002 }))
		h.Start()
		harness.Sleep(4*time.Minute + 30*time.Second)
		require.Equal(t, 1, h.Polls(1002))
		require.Empty(t, h.Sink.Changes())
		require.Equal(t, stored, h.Disk.Entry("v1/incident/1001"), "a single response leaves no trace")

		harness.Sleep(time.Minute)
		logs := h.Sink.AllLogs()
		require.Equal(t, []string{"1001 merged", "1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes())
		merged := logs[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		ids := map[receiver.API]map[string]any{
			receiver.APIDefenderXDR: {"incidentId": int64(1001), "redirectIncidentId": int64(1002)},
			receiver.APIGraph:       {"id": "1001", "redirectIncidentId": "1002"},
		}
		require.Equal(t, ids[api], merged.Body().Map().AsRaw())
		require.Equal(t, int64(1002), merged.Attributes().AsRaw()["microsoft.defender.incident.redirect_id"])
		require.Equal(t, 3, h.Polls(1002), "twice as 1001 and once as itself")

		for range 2 {
			before := h.Polls(1002)
			harness.Sleep(time.Hour)
			require.Equal(t, before+12, h.Polls(1002))
			h.Stop()
			h.Start()
		}
		require.Empty(t, h.Sink.Changes(), "its own responses are no change")
		require.Equal(t, before, h.Polls(1001))
		require.LessOrEqual(t, len(h.Warnings()), 1)
	})
}

func TestOddOtherIDsAreNoMerge(t *testing.T) {
	for name, left := range map[string][]int64{ // what responses for 1001 show; 0: the incident itself, as later ones do
		"once":                  {1002},
		"each time another":     {1002, 1003, 1002, 1003},
		"once, itself and once": {1002, 0, 1002, 0, 1002},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(4), harness.WithIDs(1001, 1004))
				h.RunOnce()
				var last time.Time
				shown := false
				h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					if !strings.HasSuffix(r.URL.Path, "/1001") {
						return next.RoundTrip(r)
					}
					if shown {
						require.GreaterOrEqual(t, time.Since(last), time.Minute, "no sooner than a minute after an odd response")
					}
					last, shown = time.Now(), len(left) > 0 && left[0] != 0
					return showsInstead(1001, func() (other int64) {
						if len(left) > 0 {
							other, left = left[0], left[1:]
						}
						return other
					})(next, r)
				})
				h.Start()
				harness.Sleep(time.Hour)
				require.Empty(t, left)
				require.Empty(t, h.Sink.Changes())
				require.Greater(t, h.Polls(1001), 5, "it is still polled")
				if name == "each time another" {
					require.Equal(t, []string{msgFetchFailed}, h.Warnings())
				}
			})
		})
	}
}

func TestSuccessorIsForgottenWithTheLastIncidentThatLeadsToIt(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(4), harness.WithIDs(1001, 1002))
		require.NoError(t, h.Sim.Merge(1001, 1003))
		require.NoError(t, h.Sim.Merge(1002, 1003))
		h.RunOnce()
		require.Equal(t, []int64{1001, 1002, 1003}, h.Disk.Incidents())

		h.Config.IncidentIDs = []int64{1002, 1004}
		h.Start()
		harness.Sleep(5 * time.Minute)
		h.Stop()
		require.Equal(t, []string{"1004 first_seen"}, h.Sink.IncidentChanges())
		require.Equal(t, 2, h.Polls(1003), "1002 still leads to it")
		require.Equal(t, []int64{1002, 1003, 1004}, h.Disk.Incidents())

		h.Config.IncidentIDs = []int64{1004}
		h.Start()
		require.Equal(t, []int64{1004}, h.Disk.Incidents())
		harness.Sleep(time.Hour)
		h.Stop()
		require.Equal(t, 2, h.Polls(1003))
		require.Empty(t, h.Sink.Changes())

		h.Config.IncidentIDs = []int64{1004, 1003}
		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, []string{"1003 first_seen"}, h.Sink.IncidentChanges(), "now configured, it starts afresh")
		require.Equal(t, 1, h.Polls(1001))
		require.Equal(t, 1, h.Polls(1002))
	})
}

func TestMergedIncidentsDoNotSlowTheCycleAfterRestart(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(8), harness.WithIDs(1001), func(cfg *receiver.Config) {
			cfg.RateLimit.RequestsPerHour = 20 // a cycle of two takes longer than the interval
		})
		for id := range int64(7) {
			require.NoError(t, h.Sim.Merge(1001+id, 1002+id))
		}
		h.RunOnce()
		require.Equal(t, 1, h.Polls(1008))
		h.Start()
		harness.Sleep(4*time.Minute - time.Second)
		require.Equal(t, 1, h.Polls(1008))
		harness.Sleep(2 * time.Second)
		require.Equal(t, 2, h.Polls(1008), "merged incidents take no part in the cycle")
	})
}

func TestKillAroundMergeLosesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		deliveries int      // accepted before the kill; the state of the last one is not written
		before     []string // emitted by then
		after      []string // emitted after the restart
	}{
		"before the merge is stored": {
			deliveries: 2,
			before:     []string{"1001 first_seen", "1001 merged"},
			after:      []string{"1001 merged", "1002 first_seen"},
		},
		"before the successor is stored": {
			deliveries: 3,
			before:     []string{"1001 first_seen", "1001 merged", "1002 first_seen"},
			after:      []string{"1002 first_seen"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(2), harness.WithIDs(1001))
				left := test.deliveries
				h.Sink.Refuse = func(context.Context) error {
					left--
					if left == 0 {
						h.Disk.Kill()
					}
					if left < 0 {
						return errUnavailable // a process that was killed delivers nothing
					}
					return nil
				}
				h.Start()
				harness.Sleep(time.Minute)
				require.NoError(t, h.Sim.Merge(1001, 1002))
				harness.Sleep(5 * time.Minute)
				h.Stop()
				records := h.Sink.Records()
				require.Equal(t, test.before, h.Sink.IncidentChanges())

				h.Sink.Refuse = nil
				h.Start()
				harness.Sleep(time.Minute)
				again := h.Sink.Records()
				require.Equal(t, test.after, h.Sink.IncidentChanges())
				uids := map[string]bool{}
				for _, r := range records {
					uids[r.UID] = true
				}
				require.True(t, uids[again[0].UID], "a repeat has the same uid")

				before := h.Polls(1001)
				harness.Sleep(time.Hour)
				require.Equal(t, before, h.Polls(1001))
				require.Empty(t, h.Sink.Changes())
			})
		})
	}
}

package defenderincidentsreceiver

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// listing lists these of the population's incidents, and no others.
func listing(ids ...int64) func(*Config) {
	return func(cfg *Config) { cfg.IncidentIDs = ids }
}

// redirect makes an incident the stub of one that was merged into another; into
// itself, or with 0 into none that is named.
func (w *world) redirect(id, into int64) {
	w.t.Helper()
	require.NoError(w.t, w.sim.Update(id, func(i *defendersim.Incident) {
		i.Status, i.RedirectID, i.Alerts = defendersim.StatusRedirected, into, nil
	}))
}

// told are the incidents' own records since the last call, as "id change".
func (w *world) told() []string {
	return slices.DeleteFunc(w.sink.changes(), func(change string) bool {
		var id int64
		var word, more string
		n, _ := fmt.Sscan(change, &id, &word, &more)
		return n > 2
	})
}

func TestAChainOfMergesIsFollowedToItsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		between time.Duration // one merge and the next
		told    []string
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
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(4), listing(1001))
				w.start()
				time.Sleep(time.Minute)
				for _, id := range []int64{1001, 1002, 1003} {
					require.NoError(t, w.sim.Merge(id, id+1))
					time.Sleep(test.between)
				}
				time.Sleep(5*time.Minute + time.Second)
				w.requireProof()
				require.Equal(t, test.told, w.told())

				asked, askedLast := w.requests(0), w.requests(1004)
				time.Sleep(time.Hour)
				require.Equal(t, askedLast+12, w.requests(1004))
				require.Equal(t, asked+12, w.requests(0), "of the chain only its end is fetched")

				w.stop()
				w.start()
				time.Sleep(time.Hour)
				require.Equal(t, askedLast+24, w.requests(1004), "a restart goes on with its round")
				require.Equal(t, asked+24, w.requests(0))
				require.Empty(t, w.sink.changes())
				require.Empty(t, w.complaints())
			})
		})
	}
}

func TestAChainLeadsThroughAnIncidentThatIsListedToo(t *testing.T) {
	for name, test := range map[string]struct {
		merges []int64 // in this order, each into the next id
		told   []string
	}{
		"that is merged later": {[]int64{1001, 1002}, []string{
			"1001 first_seen", "1002 first_seen", "1001 merged", "1002 updated", "1002 merged", "1003 first_seen",
		}},
		"that was merged before": {[]int64{1002, 1001}, []string{
			"1001 first_seen", "1002 first_seen", "1002 merged", "1003 first_seen", "1001 merged",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(3), listing(1001, 1002))
				w.start()
				time.Sleep(time.Minute)
				for _, id := range test.merges {
					require.NoError(t, w.sim.Merge(id, id+1))
					time.Sleep(5 * time.Minute)
				}
				w.requireProof()
				require.ElementsMatch(t, test.told, w.told(), "each hop is told once")

				asked, askedLast := w.requests(0), w.requests(1003)
				time.Sleep(time.Hour)
				require.Equal(t, askedLast+12, w.requests(1003))
				require.Equal(t, asked+12, w.requests(0))
			})
		})
	}
}

func TestASuccessorThatIsFollowedAlreadyIsFetchedOnceARound(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3))
		require.NoError(t, w.sim.Merge(1001, 1003))
		late := rule(t, "slow=1s") // its first answer is under way when 1001 turns out to be merged into it
		late.Times = 1
		require.NoError(t, w.sim.SetFault(1003, late))
		w.start()
		time.Sleep(time.Minute)
		require.Equal(t, 1, w.requests(1003))

		require.NoError(t, w.sim.Merge(1002, 1003))
		time.Sleep(time.Hour)
		require.Equal(t, 13, w.requests(1003))
		w.requireProof()
		require.ElementsMatch(t, []string{
			"1001 merged", "1002 first_seen", "1003 first_seen", "1002 merged", "1003 updated",
		}, w.told())
	})
}

func TestTwoIncidentsLeadToTheSameSuccessorOnce(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), listing(1001, 1002))
		for id, wait := range map[int64]string{1002: "slow=1s", 1003: "slow=3s"} {
			late := rule(t, wait) // 1002's answer comes while 1003 is fetched on behalf of 1001
			late.Times = 1
			require.NoError(t, w.sim.SetFault(id, late))
		}
		require.NoError(t, w.sim.Merge(1001, 1003))
		require.NoError(t, w.sim.Merge(1002, 1003))
		w.start()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"1001 merged", "1002 merged", "1003 first_seen"}, w.told())
		require.Equal(t, 1, w.requests(1003))
		time.Sleep(time.Hour)
		require.Equal(t, 13, w.requests(1003))
	})
}

const circleSaid = "incidents are merged in a circle: none of them is followed any more"

// circles are the incidents of each circle that was complained of.
func (w *world) circles() [][]any {
	var circles [][]any
	for _, entry := range w.logs.FilterMessage(circleSaid).All() {
		circles = append(circles, entry.ContextMap()["incidents"].([]any))
	}
	return circles
}

func TestIncidentsMergedInACircleAreNotFollowedAnyMore(t *testing.T) {
	for name, circle := range map[string][]any{
		"one, into itself": {int64(1001)},
		"two":              {int64(1001), int64(1002)},
		"three":            {int64(1001), int64(1002), int64(1003)},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(4), listing(1001, 1004))
				var told []string
				for i, id := range circle {
					w.redirect(id.(int64), circle[(i+1)%len(circle)].(int64))
					told = append(told, describe(proof.Record{Incident: id.(int64), Change: "merged"}))
				}
				w.start()
				time.Sleep(time.Hour + time.Second)
				require.ElementsMatch(t, append(told, "1004 first_seen"), w.told())
				require.Equal(t, [][]any{circle}, w.circles(), "said once")
				require.Len(t, w.complaints(), 1)
				require.Equal(t, 13, w.requests(1004), "the other one's round goes on")
				require.Equal(t, len(circle)+13, w.requests(0))

				w.stop()
				w.start()
				time.Sleep(time.Hour)
				require.Equal(t, [][]any{circle, circle}, w.circles(), "a start says it again, for nothing comes of what was listed")
				require.Len(t, w.complaints(), 2)
				require.Equal(t, len(circle)+25, w.requests(0), "nor does a restart fetch them")
				require.Empty(t, w.sink.changes())
			})
		})
	}
}

func TestWhatIsMergedIntoACircleIsNotFollowedEither(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), listing(1001, 1003))
		w.redirect(1001, 1002)
		w.redirect(1002, 1001)
		w.start()
		time.Sleep(time.Minute)
		circle := []any{int64(1001), int64(1002)}
		require.Equal(t, [][]any{circle}, w.circles())

		require.NoError(t, w.sim.Merge(1003, 1001))
		time.Sleep(5 * time.Minute)
		require.Equal(t, [][]any{circle, circle}, w.circles(), "it is said of this one too")
		asked := w.requests(0)
		time.Sleep(time.Hour)
		require.Equal(t, asked, w.requests(0))

		w.stop()
		w.start()
		require.Equal(t, [][]any{circle, circle, circle}, w.circles(), "once, though both lead there")
	})
}

func TestASuccessorThatIsNotFoundIsToldOnceAndLookedForSeldom(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2), listing(1001))
		require.NoError(t, w.sim.Merge(1001, 1002))
		require.NoError(t, w.sim.Remove(1002))
		w.start()
		time.Sleep(6 * time.Hour)
		require.Equal(t, []string{"1001 merged", "1002 not_found"}, w.told())
		require.Equal(t, []string{"incident not found: it is looked for again from time to time"}, w.complaints())
		require.Equal(t, 1, w.requests(1001))
		require.Less(t, w.requests(1002), 20)

		w.stop()
		w.start()
		asked := w.requests(1002)
		time.Sleep(6 * time.Hour)
		require.Empty(t, w.sink.changes(), "nor is it told again after a restart")
		require.Equal(t, 1, w.requests(1001))
		require.Greater(t, w.requests(1002), asked)
		require.Less(t, w.requests(1002), asked+20)

		require.NoError(t, w.sim.Restore(1002))
		time.Sleep(time.Hour + time.Second)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen", "1002 alert first_seen"}, w.sink.changes())
	})
}

func TestAMergeThatNamesNoSuccessorIsAskedForItHourly(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(2), listing(1001))
		w.redirect(1001, 0)
		w.start()
		time.Sleep(5*time.Hour + time.Second)
		require.Equal(t, []string{"1001 merged"}, w.told())
		require.Equal(t, []string{"incident was merged, but its successor is not named"}, w.complaints())
		require.Equal(t, 6, w.requests(1001))

		require.NoError(t, w.sim.Update(1001, func(i *defendersim.Incident) { i.Name = "another name" }))
		w.stop()
		w.start()
		time.Sleep(30 * time.Minute)
		require.Equal(t, 6, w.requests(1001), "a restart does not ask sooner")
		time.Sleep(30 * time.Minute)
		require.Equal(t, 7, w.requests(1001))
		require.Equal(t, []string{"1001 updated"}, w.told())

		w.redirect(1001, 1002)
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1001 merged", "1002 first_seen"}, w.told(), "now it says into what")
		require.Len(t, w.complaints(), 1, "that it was not named is said once")
		asked := w.requests(1001)
		time.Sleep(3 * time.Hour)
		require.Equal(t, asked, w.requests(1001))
		require.Empty(t, w.sink.changes())
	})
}

// detour is the auth extension with something between it and the API.
type detour struct {
	*auth
	around func(next http.RoundTripper, r *http.Request) (*http.Response, error)
}

func (d *detour) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	next, err := d.auth.RoundTripper(base)
	return roundTripper(func(r *http.Request) (*http.Response, error) { return d.around(next, r) }), err
}

// take puts the detour in for the starts to come.
func (w *world) take(around func(next http.RoundTripper, r *http.Request) (*http.Response, error)) {
	w.host.extensions[authID] = &detour{&auth{sim: w.sim, api: w.cfg.API}, around}
}

func TestAnAnswerThatShowsAnotherIncidentIsAMergeIntoThatOne(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(3), listing(1001, 1003))
		w.start()
		time.Sleep(time.Minute)
		w.stop()
		w.sink.Reset()
		asked := w.requests(1001)

		w.take(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.URL.Path = strings.ReplaceAll(r.URL.Path, "1001", "1002")
			return next.RoundTrip(r)
		})
		w.start()
		time.Sleep(5 * time.Minute)
		logs := w.sink.AllLogs()
		require.Equal(t, []string{"1001 merged", "1002 first_seen", "1002 alert first_seen"}, w.sink.changes())
		merged := logs[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		ids := map[API]map[string]any{
			APIDefenderXDR: {"incidentId": int64(1001), "redirectIncidentId": int64(1002)},
			APIGraph:       {"id": "1001", "redirectIncidentId": "1002"},
		}
		require.Equal(t, ids[api], merged.Body().Map().AsRaw())
		require.Equal(t, int64(1002), merged.Attributes().AsRaw()["microsoft.defender.incident.redirect_id"])
		require.Equal(t, 2, w.requests(1002), "once in the name of 1001 and once in its own")

		for range 2 {
			before := w.requests(1002)
			time.Sleep(time.Hour)
			require.Equal(t, before+12, w.requests(1002))
			w.stop()
			w.start()
		}
		require.Empty(t, w.sink.changes(), "its own answers are no change")
		require.Equal(t, asked, w.requests(1001))
		require.Empty(t, w.complaints())
	})
}

// incidents are those of which the disk holds a state.
func (d *disk) incidents() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []int64
	for key := range d.entries {
		var id int64
		if n, _ := fmt.Sscanf(key, "v1/incident/%d", &id); n == 1 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestASuccessorGoesWithTheLastIncidentThatLeadsToIt(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(4), listing(1001, 1002))
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		require.NoError(t, w.sim.Merge(1001, 1003))
		require.NoError(t, w.sim.Merge(1002, 1003))
		w.haveRun()
		require.Equal(t, []int64{1001, 1002, 1003}, kept.incidents())

		w.cfg.IncidentIDs = []int64{1002, 1004}
		w.start()
		time.Sleep(5 * time.Minute)
		w.stop()
		require.Equal(t, []string{"1004 first_seen"}, w.told())
		require.Equal(t, 2, w.requests(1003), "1002 leads to it still")
		require.Equal(t, []int64{1002, 1003, 1004}, kept.incidents())

		w.cfg.IncidentIDs = []int64{1004}
		w.start()
		require.Equal(t, []int64{1004}, kept.incidents())
		time.Sleep(time.Hour)
		w.stop()
		require.Equal(t, 2, w.requests(1003))
		require.Empty(t, w.sink.changes())

		w.cfg.IncidentIDs = []int64{1004, 1003}
		w.start()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"1003 first_seen"}, w.told(), "listed itself, it begins anew")
		require.Equal(t, 1, w.requests(1001))
		require.Equal(t, 1, w.requests(1002))
	})
}

func TestMergedIncidentsDoNotMakeTheRoundLongerAfterARestart(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(8), listing(1001), func(cfg *Config) {
			cfg.RateLimit.RequestsPerHour = 20 // a round of two takes more than the interval
		})
		for id := range int64(7) {
			require.NoError(t, w.sim.Merge(1001+id, 1002+id))
		}
		w.haveRun()
		require.Equal(t, 1, w.requests(1008))
		w.start()
		time.Sleep(4*time.Minute - time.Second)
		require.Equal(t, 1, w.requests(1008))
		time.Sleep(2 * time.Second)
		require.Equal(t, 2, w.requests(1008), "only what is fetched takes part in it")
	})
}

func TestAKillAroundTheCheckpointOfAMergeLosesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		deliveries int      // accepted before the kill; the last one's state is not written any more
		before     []string // told by then
		after      []string // told after the restart
	}{
		"before the merge is written": {
			deliveries: 2,
			before:     []string{"1001 first_seen", "1001 merged"},
			after:      []string{"1001 merged", "1002 first_seen"},
		},
		"after it, before its successor's": {
			deliveries: 3,
			before:     []string{"1001 first_seen", "1001 merged", "1002 first_seen"},
			after:      []string{"1002 first_seen"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(2), listing(1001))
				kept := &disk{entries: map[string][]byte{}}
				w.host.extensions[*w.cfg.StorageID] = kept
				left := test.deliveries
				w.sink.refuse = func(context.Context) error {
					left--
					if left == 0 {
						kept.kill()
					}
					if left < 0 {
						return errUnavailable // a process that was killed delivers nothing
					}
					return nil
				}
				w.start()
				time.Sleep(time.Minute)
				require.NoError(t, w.sim.Merge(1001, 1002))
				time.Sleep(5 * time.Minute)
				w.stop()
				records := w.sink.records()
				require.Equal(t, test.before, w.told())

				w.sink.refuse = nil
				w.start()
				time.Sleep(time.Minute)
				again := w.sink.records()
				require.Equal(t, test.after, w.told())
				uids := map[string]bool{}
				for _, r := range records {
					uids[r.UID] = true
				}
				require.True(t, uids[again[0].UID], "what comes twice has the same identity")

				asked := w.requests(1001)
				time.Sleep(time.Hour)
				require.Equal(t, asked, w.requests(1001))
				require.Empty(t, w.sink.changes())
			})
		})
	}
}

package defenderincidentsreceiver

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

func TestFiveRestartsInAnHourNeitherExceedNorWasteTheLimits(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		var ids []int64 // more than an hour allows, so that the quota is always wanted
		for id := range int64(2000) {
			ids = append(ids, id+1)
		}
		w := newWorldUnder(t, api, quiet(0), listing(ids...))
		for _, id := range ids { // without an alert, for there are many
			require.NoError(t, w.sim.Add(defendersim.Incident{ID: id}))
		}
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		late := rule(t, "slow=3s") // so that some are in flight at the end
		late.Probability = 0.6
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, late))

		began := time.Now()
		chance := rand.New(rand.NewPCG(10, 1))
		underWay := 0 // requests at an end, in sum
		for restart := range 5 {
			w.start()
			time.Sleep(time.Duration(chance.Int64N(int64(10 * time.Minute))))
			synctest.Wait() // or else one that is killed would go on for a moment without its disk
			if restart%2 == 1 {
				kept.kill()
			}
			for _, r := range w.sim.Journal() {
				if r.Ended.IsZero() {
					underWay++
				}
			}
			w.stop()
		}
		require.Greater(t, underWay, 5, "else this shows little")
		require.Less(t, time.Since(began), 50*time.Minute)
		w.start()
		time.Sleep(time.Until(began.Add(time.Hour)))
		sent := w.requests(0)
		time.Sleep(time.Minute)
		w.stop()

		for _, r := range w.sim.Journal() {
			require.NotEqual(t, http.StatusTooManyRequests, r.Status, "request %d", r.Number)
		}
		require.LessOrEqual(t, w.sim.MaxInWindow(time.Minute), 100)
		require.LessOrEqual(t, w.sim.MaxInWindow(time.Hour), 1500)
		require.Greater(t, sent, 1490, "nor is any of it wasted")
		require.Greater(t, w.requests(0)-sent, 90, "what was sent an hour ago makes room again")
	})
}

func TestARequestThatAStopGivesUpEndsWithIt(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		kept := &disk{entries: map[string][]byte{}}
		w.host.extensions[*w.cfg.StorageID] = kept
		require.NoError(t, w.sim.SetFault(1001, rule(t, "hang")))
		w.take(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			time.Sleep(time.Second) // giving up takes a moment
			return response, err
		})
		began := time.Now()
		w.start()
		time.Sleep(time.Second)
		w.stop()
		require.Equal(t, quota.Stored{Since: began.UTC(), Ended: []time.Time{tenthAfter(time.Now())}}, kept.account(t, api),
			"not with the next start, however much later that is")
	})
}

func TestWithoutStorageAStartSaysWhatThatMeansForTheLimits(t *testing.T) {
	const said = "no storage is set: every start emits every incident once, and forgets what was sent within the hour: " +
		"do not restart often, or the API's limits are exceeded"
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		w.haveRun()
		require.Empty(t, w.logs.FilterMessage(said).All(), "with a storage there is nothing to say")

		w.cfg.StorageID = nil
		for starts := range 2 {
			w.start()
			time.Sleep(time.Hour)
			w.stop()
			require.Len(t, w.logs.FilterMessage(said).FilterLevelExact(zap.InfoLevel).All(), starts+1, "once for each start")
		}
	})
}

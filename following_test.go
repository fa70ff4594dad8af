package defenderincidentsreceiver

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fileWorld follows incidents of an ids file that the test writes.
type fileWorld struct {
	*world
	file string
	disk *disk
}

func newFileWorld(t *testing.T, api API, incidents int, ids ...string) *fileWorld {
	t.Helper()
	w := &fileWorld{file: filepath.Join(t.TempDir(), "incidents.txt"), disk: &disk{entries: map[string][]byte{}}}
	w.world = newWorldUnder(t, api, oneAlert(incidents), func(cfg *Config) { cfg.IncidentIDs, cfg.IncidentIDsFile = nil, w.file })
	w.host.extensions[*w.cfg.StorageID] = w.disk
	w.list(ids...)
	return w
}

func (w *fileWorld) list(ids ...string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.file, []byte(strings.Join(ids, "\n")), 0o600))
}

func TestAnIdThatIsAddedToTheFileIsFetchedWithinTenSeconds(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newFileWorld(t, api, 3, "1001")
		w.start()
		time.Sleep(time.Minute)
		w.sink.Reset()
		w.list("1001", "1003", "nonsense")
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"1003 first_seen", "1003 alert first_seen"}, w.sink.changes())
		require.Equal(t, []string{"skipping a line of incident_ids_file that is not an incident ID"}, w.complaints())
		require.Equal(t, 1, w.requests(1001), "its round goes on as it was")
	})
}

func TestAnIdThatIsRemovedFromTheFileIsDroppedWithItsCheckpoint(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newFileWorld(t, api, 2, "1001", "1002")
		w.start()
		time.Sleep(time.Minute)
		w.sink.Reset()
		w.list("1001")
		time.Sleep(time.Hour)
		require.Equal(t, 1, w.requests(1002))
		require.Empty(t, w.disk.entry("v1/incident/1002"))
		require.NotEmpty(t, w.disk.entry("v1/incident/1001"))
		require.JSONEq(t, `[1001]`, w.disk.entry("v2/incidents/01"))
		require.JSONEq(t, `[]`, w.disk.entry("v2/incidents/02"))

		w.list("1001", "1002")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, w.sink.changes(), "nothing is known of it any more")
	})
}

func TestTheAnswerForAnIncidentThatWasDroppedMeanwhileIsNotEmitted(t *testing.T) {
	for name, prepare := range map[string]func(*fileWorld) string{
		"an incident": func(*fileWorld) string { return "slow=20s" },
		"a timeout":   func(*fileWorld) string { return "hang" },
		"not found": func(w *fileWorld) string {
			require.NoError(t, w.sim.Remove(1002))
			return "slow=20s"
		},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newFileWorld(t, api, 2, "1001", "1002")
				require.NoError(t, w.sim.SetFault(1002, rule(t, prepare(w))))
				w.start()
				time.Sleep(time.Second)
				w.list("1001")
				time.Sleep(2 * time.Minute)
				require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, w.sink.changes())
				require.Empty(t, w.disk.entry("v1/incident/1002"))
				require.Empty(t, w.complaints())
			})
		})
	}
}

func TestRecordsOfADroppedIncidentThatThePipelineRefusesAreStillDelivered(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newFileWorld(t, api, 1, "1001")
		var refusing atomic.Bool
		refusing.Store(true)
		w.sink.refuse = func(context.Context) error {
			if refusing.Load() {
				return errUnavailable
			}
			return nil
		}
		w.start()
		time.Sleep(time.Second)
		w.list("1002")
		time.Sleep(time.Minute)
		refusing.Store(false)
		time.Sleep(time.Minute)
		require.Contains(t, w.sink.changes(), "1001 first_seen")
		require.Empty(t, w.disk.entry("v1/incident/1001"))
	})
}

func TestASuccessorStaysInTheRoundWhileAnIdInTheFileLeadsToIt(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newFileWorld(t, api, 4, "1001", "1002")
		require.NoError(t, w.sim.Merge(1001, 1003))
		require.NoError(t, w.sim.Merge(1002, 1003))
		w.start()
		time.Sleep(time.Minute)
		w.list("1002")
		time.Sleep(time.Hour)
		before := w.requests(1003)
		w.list("1004")
		time.Sleep(10 * time.Second)
		require.Greater(t, before, 10)
		before = w.requests(1003)
		time.Sleep(time.Hour)
		require.Equal(t, before, w.requests(1003), "nothing leads to it any more")
		w.list("1003")
		time.Sleep(10 * time.Second)
		require.Equal(t, before+1, w.requests(1003))
	})
}

func TestIDsFileThatBecomesEmptyChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFileWorld(t, APIDefenderXDR, 2, "1001", "1002")
		w.start()
		time.Sleep(time.Minute)
		w.sink.Reset()
		w.list()
		time.Sleep(time.Hour)
		require.Greater(t, w.requests(1001), 10)
		require.NotEmpty(t, w.disk.entry("v1/incident/1001"))
		require.Equal(t, []string{"incident_ids_file has no IDs any more; keeping the last known IDs"}, w.complaints())

		w.list("1002")
		time.Sleep(time.Minute)
		require.Empty(t, w.disk.entry("v1/incident/1001"))
		require.Empty(t, w.sink.changes(), "1002 is known")
	})
}

func TestStartWithAnEmptyIDsFileKeepsTheIncidentsInTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFileWorld(t, APIDefenderXDR, 2, "1001", "1002")
		w.start()
		time.Sleep(time.Minute)
		w.stop()
		w.sink.Reset()
		before := w.requests(1001)
		w.list()
		w.start()
		time.Sleep(time.Hour)
		require.Greater(t, w.requests(1001), before+10)
		require.NotEmpty(t, w.disk.entry("v1/incident/1001"))
		require.Equal(t, []string{"incident_ids_file has no IDs; keeping the incidents in the checkpoint"}, w.complaints())

		w.list("1002")
		time.Sleep(time.Minute)
		require.Empty(t, w.disk.entry("v1/incident/1001"))
		require.Empty(t, w.sink.changes(), "1002 is known")
	})
}

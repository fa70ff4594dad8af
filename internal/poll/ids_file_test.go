// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// idsFile is an incident_ids_file that a test writes.
type idsFile struct {
	t    *testing.T
	path string
}

func newIDsFile(t *testing.T, ids ...string) idsFile {
	t.Helper()
	f := idsFile{t, filepath.Join(t.TempDir(), "incidents.txt")}
	f.write(ids...)
	return f
}

func (f idsFile) write(ids ...string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(f.path, []byte(strings.Join(ids, "\n")), 0o600))
}

// only configures the file as the only source of IDs.
func (f idsFile) only(cfg *receiver.Config) { cfg.IncidentIDs, cfg.IncidentIDsFile = nil, f.path }

func TestIDAddedToFileIsFetchedWithinTenSeconds(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "1001")
		h := harness.New(t, harness.OneAlert(3), file.only)
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		file.write("1001", "1003", "nonsense")
		harness.Sleep(10 * time.Second)
		require.Equal(t, []string{"1003 first_seen", "1003 alert first_seen"}, h.Sink.Changes())
		require.Equal(t, []string{msgBadLine}, h.Warnings())
		require.Equal(t, 1, h.Polls(1001), "it is not due yet")
	})
}

func TestIDsOfConfigurationAndFileAreUnited(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "# ours", "1002", "nonsense", "1001")
		h := harness.New(t, harness.OneAlert(3), file.only, harness.WithIDs(1001))
		h.Start()
		harness.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"1001 first_seen", "1001 alert first_seen", "1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes())
		require.Equal(t, []string{msgBadLine}, h.Warnings())
	})
}

func TestIDRemovedFromFileIsForgotten(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "1001", "1002")
		h := harness.New(t, harness.OneAlert(2), file.only)
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		file.write("1001")
		harness.Sleep(time.Hour)
		require.Equal(t, 1, h.Polls(1002))
		require.Empty(t, h.Disk.Entry("v1/incident/1002"))
		require.NotEmpty(t, h.Disk.Entry("v1/incident/1001"))
		require.JSONEq(t, `[1001]`, withoutChecksum(t, h.Disk.Entry("v2/incidents/01")))
		require.JSONEq(t, `[]`, withoutChecksum(t, h.Disk.Entry("v2/incidents/02")))

		file.write("1001", "1002")
		harness.Sleep(time.Minute)
		require.Equal(t, []string{"1002 first_seen", "1002 alert first_seen"}, h.Sink.Changes(), "its state was deleted")
	})
}

func TestIDsFileThatBecomesEmptyRemovesNothing(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "1001", "1002")
		h := harness.New(t, harness.OneAlert(2), file.only)
		h.Start()
		harness.Sleep(time.Minute)
		h.Sink.Reset()
		file.write()
		harness.Sleep(30 * time.Minute)
		require.Equal(t, []string{msgFileEmptied}, h.Warnings())
		require.Equal(t, 2*7, h.Polls(0), "both are polled every five minutes")

		h.Stop()
		h.Start()
		harness.Sleep(30 * time.Minute)
		require.Equal(t, []string{msgFileEmptied, msgFileEmpty}, h.Warnings())
		require.Equal(t, file.path, h.Logs.FilterMessage(msgFileEmpty).All()[0].ContextMap()["file"])
		require.Equal(t, 2*13, h.Polls(0))
		require.Equal(t, []int64{1001, 1002}, h.Disk.Incidents())
		require.Empty(t, h.Sink.Changes())

		file.write("1001")
		harness.Sleep(time.Minute)
		require.Equal(t, []int64{1001}, h.Disk.Incidents())
	})
}

// Discovery keeps the incidents of the checkpoint anyway.
func TestFirstStartWithAnEmptyIDsFileIsLoggedAndPollsOnceItHasIDs(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t)
		h := harness.New(t, harness.OneAlert(1), file.only)
		h.Start()
		harness.Sleep(time.Minute)
		require.Equal(t, []string{msgFileAlwaysEmpty}, h.Warnings())
		require.Equal(t, file.path, h.Logs.FilterMessage(msgFileAlwaysEmpty).All()[0].ContextMap()["file"])
		file.write("1001")
		harness.Sleep(10 * time.Second)
		require.Equal(t, []string{"1001 first_seen"}, h.Sink.IncidentChanges())
	})
}

func TestEmptyIDsFileDoesNotKeepDiscoveredIncidentsForEver(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1), harness.WithDiscovery(func(f *receiver.ChangeFeedConfig) { f.ForgetAfter = 2 * time.Hour }))
		h.Config.IncidentIDsFile = newIDsFile(t).path
		require.NoError(t, h.Sim.Update(1001, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
		h.RunOnce()
		require.Equal(t, []int64{1001}, h.Disk.Incidents())
		h.Start()
		harness.Sleep(2*time.Hour + time.Minute)
		require.Empty(t, h.Disk.Incidents())
		require.Empty(t, h.Warnings())
	})
}

func TestResponseForRemovedIncidentIsDropped(t *testing.T) {
	for name, prepare := range map[string]func(*harness.Harness) string{
		"found":     func(*harness.Harness) string { return "slow=20s" },
		"a timeout": func(*harness.Harness) string { return "hang" },
		"not found": func(h *harness.Harness) string {
			require.NoError(t, h.Sim.Remove(1002))
			return "slow=20s"
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				file := newIDsFile(t, "1001", "1002")
				h := harness.New(t, harness.OneAlert(2), file.only)
				h.Fail(1002, prepare(h))
				h.Start()
				harness.Sleep(time.Second)
				file.write("1001")
				harness.Sleep(2 * time.Minute)
				require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, h.Sink.Changes())
				require.Empty(t, h.Disk.Entry("v1/incident/1002"))
				require.Empty(t, h.Warnings())
			})
		})
	}
}

func TestRefusedRecordsOfRemovedIncidentAreStillDelivered(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "1001")
		h := harness.New(t, harness.OneAlert(1), file.only)
		var refusing atomic.Bool
		refusing.Store(true)
		h.Sink.Refuse = func(context.Context) error {
			if refusing.Load() {
				return errUnavailable
			}
			return nil
		}
		h.Start()
		harness.Sleep(time.Second)
		file.write("1002")
		harness.Sleep(time.Minute)
		refusing.Store(false)
		harness.Sleep(time.Minute)
		require.Contains(t, h.Sink.Changes(), "1001 first_seen")
		require.Empty(t, h.Disk.Entry("v1/incident/1001"))
	})
}

func TestSuccessorIsPolledWhileAnIDInTheFileLeadsToIt(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		file := newIDsFile(t, "1001", "1002")
		h := harness.New(t, harness.OneAlert(4), file.only)
		require.NoError(t, h.Sim.Merge(1001, 1003))
		require.NoError(t, h.Sim.Merge(1002, 1003))
		h.Start()
		harness.Sleep(time.Minute)
		file.write("1002")
		harness.Sleep(time.Hour)
		before := h.Polls(1003)
		file.write("1004")
		harness.Sleep(10 * time.Second)
		require.Greater(t, before, 10)
		before = h.Polls(1003)
		harness.Sleep(time.Hour)
		require.Equal(t, before, h.Polls(1003), "nothing leads to it now")
		file.write("1003")
		harness.Sleep(10 * time.Second)
		require.Equal(t, before+1, h.Polls(1003))
	})
}

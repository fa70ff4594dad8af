// SPDX-License-Identifier: Apache-2.0

package idlist

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"
)

const (
	lostIDs     = "incident_ids_file has no IDs any more; keeping the last known IDs"
	regainedIDs = "incident_ids_file has IDs again"
)

// watched is a List with ID 600 listed and a file that the test rewrites. The
// test also sets the time of each check.
type watched struct {
	*List
	t    *testing.T
	path string
	logs *observer.ObservedLogs
	now  time.Time
}

func watch(t *testing.T, content string) *watched {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	w := &watched{t: t, path: writeFile(t, content), logs: logs}
	var err error
	w.List, err = Open([]int64{600}, w.path, zap.New(core))
	require.NoError(t, err)
	return w
}

// checkTwice checks the file twice, each time when it is due.
func (w *watched) checkTwice() (changed bool) {
	for range 2 {
		w.now = w.now.Add(checkInterval)
		changed = w.Check(w.now) || changed
	}
	return changed
}

func (w *watched) write(content string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.path, []byte(content), 0o600))
}

// messages returns what was logged since the last call.
func (w *watched) messages() []string {
	var messages []string
	for _, entry := range w.logs.TakeAll() {
		messages = append(messages, entry.Message)
	}
	return messages
}

func TestListedIDsComeBeforeThoseOfTheFileEachOnce(t *testing.T) {
	path := writeFile(t, "552\n437\nabc\n551\n")
	list, err := Open([]int64{600, 437}, path, zap.NewNop())
	require.NoError(t, err)
	require.Equal(t, []int64{600, 437, 552, 551}, list.IDs())
	require.Equal(t, []badLine{{3, `"abc"`}}, list.bad)
	require.False(t, list.FileEmpty())
}

func TestWithoutAFileThereIsNothingToCheck(t *testing.T) {
	list, err := Open([]int64{437, 552}, "", zap.NewNop())
	require.NoError(t, err)
	require.Equal(t, []int64{437, 552}, list.IDs())
	require.False(t, list.FileEmpty())
	require.False(t, list.Check(time.Now()))
	_, ok := list.NextCheck()
	require.False(t, ok)
}

func TestOpenFailsWithoutTheFileEvenIfIDsAreListed(t *testing.T) {
	_, err := Open([]int64{437}, filepath.Join(t.TempDir(), "missing.txt"), zap.NewNop())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "incident_ids_file: ")
}

func TestNextCheckIsOneIntervalAfterTheLast(t *testing.T) {
	w := watch(t, "552\n")
	now := time.Unix(1_800_000_000, 0)
	at, ok := w.NextCheck()
	require.True(t, ok)
	require.True(t, at.Before(now), "never checked: due")
	w.Check(now)
	at, ok = w.NextCheck()
	require.True(t, ok)
	require.Equal(t, now.Add(checkInterval), at)
}

func TestTheFileIsNotReadBeforeACheckIsDue(t *testing.T) {
	w := watch(t, "552\n")
	now := time.Unix(1_800_000_000, 0)
	w.Check(now)
	w.write("553\n554\n")
	for range 2 * maxUnsettled {
		require.False(t, w.Check(now.Add(checkInterval-1)))
	}
	require.Equal(t, []int64{600, 552}, w.IDs())
}

func TestChangedFileIsReadWithinTenSeconds(t *testing.T) {
	require.LessOrEqual(t, 2*checkInterval, 10*time.Second)
	for name, change := range map[string]func(w *watched){
		"rewritten": func(w *watched) { w.write("552\n553\n") },
		"replaced by a rename": func(w *watched) {
			next := filepath.Join(filepath.Dir(w.path), "next.txt")
			require.NoError(w.t, os.WriteFile(next, []byte("552\n553\n"), 0o600))
			require.NoError(w.t, os.Rename(next, w.path))
		},
		"rewritten at the same time": func(w *watched) {
			info, err := os.Stat(w.path)
			require.NoError(w.t, err)
			w.write("552\n553\n")
			require.NoError(w.t, os.Chtimes(w.path, info.ModTime(), info.ModTime()))
		},
		"replaced by one of the same size and time": func(w *watched) {
			info, err := os.Stat(w.path)
			require.NoError(w.t, err)
			next := filepath.Join(filepath.Dir(w.path), "next.txt")
			require.NoError(w.t, os.WriteFile(next, []byte("553\n"), 0o600))
			require.NoError(w.t, os.Chtimes(next, info.ModTime(), info.ModTime()))
			require.NoError(w.t, os.Rename(next, w.path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, "552\n")
			require.False(t, w.checkTwice())
			change(w)
			require.True(t, w.checkTwice())
			require.Contains(t, w.IDs(), int64(553))
			require.Contains(t, w.IDs(), int64(600), "listed")
			require.False(t, w.checkTwice())
			require.Empty(t, w.messages())
		})
	}
}

// Kubernetes mounts a ConfigMap as symlinks through a directory that is itself
// a symlink, and replaces that symlink.
func TestReplacedConfigMapIsRead(t *testing.T) {
	mount := t.TempDir()
	publish := func(version, content string) {
		dir := filepath.Join(mount, version)
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "incidents.txt"), []byte(content), 0o600))
		require.NoError(t, os.Symlink(version, filepath.Join(mount, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")))
	}
	publish("..1", "437\n")
	path := filepath.Join(mount, "incidents.txt")
	require.NoError(t, os.Symlink(filepath.Join("..data", "incidents.txt"), path))

	list, err := Open(nil, path, zap.NewNop())
	require.NoError(t, err)
	w := &watched{List: list, t: t}
	require.False(t, w.checkTwice())
	publish("..2", "438\n")
	require.True(t, w.checkTwice())
	require.Equal(t, []int64{438}, list.IDs())
	require.NoError(t, os.RemoveAll(filepath.Join(mount, "..1")))
	require.False(t, w.checkTwice())
}

func TestHalfWrittenFileIsNotRead(t *testing.T) {
	w := watch(t, "552\n553\n")
	for _, last := range []string{"554", "5555"} {
		w.write("552\n")
		w.now = w.now.Add(checkInterval)
		require.False(t, w.Check(w.now))
		w.write("552\n553\n" + last + "\n")
		require.True(t, w.checkTwice())
		require.Len(t, w.IDs(), 4)
	}
}

func TestFileThatKeepsChangingIsReadAnyway(t *testing.T) {
	w := watch(t, "552\n")
	for n := range maxUnsettled + 1 {
		w.write("553\n" + string(make([]byte, n)))
		w.now = w.now.Add(checkInterval)
		require.Equal(t, n == maxUnsettled, w.Check(w.now))
	}
	require.Equal(t, []int64{600, 553}, w.IDs())
}

func TestRemovedFileKeepsTheLastKnownIDsAndIsLoggedOnce(t *testing.T) {
	w := watch(t, "552\n")
	require.NoError(t, os.Remove(w.path))
	require.False(t, w.checkTwice())
	require.False(t, w.checkTwice())
	require.Equal(t, []string{"cannot read incident_ids_file; keeping the last known IDs"}, w.messages())
	require.Equal(t, []int64{600, 552}, w.IDs())
	require.False(t, w.FileEmpty(), "nobody knows")

	w.write("552\n554\n")
	require.True(t, w.checkTwice())
	require.Equal(t, []string{"incident_ids_file can be read again"}, w.messages())
	require.Equal(t, []int64{600, 552, 554}, w.IDs())
}

func TestBadLinesAreLoggedWhenTheyChangeAndTheOthersAreUsed(t *testing.T) {
	w := watch(t, "552\nabc\n")
	require.Len(t, w.messages(), 1)
	w.write("552\nabc\n553\n")
	require.True(t, w.checkTwice())
	require.Empty(t, w.messages(), "the same line as before")
	w.write("552\n553\n-7\n")
	require.False(t, w.checkTwice(), "the same IDs as before")
	logged := w.logs.TakeAll()
	require.Len(t, logged, 1)
	require.Equal(t, map[string]any{"file": w.path, "line": int64(3), "text": `"-7"`}, logged[0].ContextMap())
}

func TestFileThatLosesItsIDsKeepsTheLastKnownOnesAndIsLoggedOnce(t *testing.T) {
	for name, content := range map[string]string{
		"empty":         "",
		"only comments": "# written by a job\n\n",
		"only bad":      "Internal Server Error\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, "552\n553\n")
			w.write(content)
			require.False(t, w.checkTwice())
			require.True(t, w.FileEmpty())
			require.Equal(t, []int64{600, 552, 553}, w.IDs())
			logged := w.logs.FilterMessage(lostIDs).All()
			require.Len(t, logged, 1)
			require.Equal(t, zap.WarnLevel, logged[0].Level)
			require.Equal(t, map[string]any{"file": w.path, "incidents": int64(2)}, logged[0].ContextMap())

			w.logs.TakeAll()
			w.write(content + "# still nothing\n")
			require.False(t, w.checkTwice())
			require.Empty(t, w.messages())

			w.write("553\n")
			require.True(t, w.checkTwice())
			require.False(t, w.FileEmpty())
			require.Equal(t, []int64{600, 553}, w.IDs())
			logged = w.logs.FilterMessage(regainedIDs).All()
			require.Len(t, logged, 1)
			require.Equal(t, zap.InfoLevel, logged[0].Level)
			require.Equal(t, map[string]any{"file": w.path, "incidents": int64(1)}, logged[0].ContextMap())
		})
	}
}

func TestFileThatRegainsTheSameIDsIsNoChange(t *testing.T) {
	w := watch(t, "552\n")
	w.write("")
	require.False(t, w.checkTwice())
	w.write("552\n")
	require.False(t, w.checkTwice())
	require.Equal(t, []string{lostIDs, regainedIDs}, w.messages())
	require.False(t, w.FileEmpty())
}

func TestOpenAcceptsAFileWithoutIDs(t *testing.T) {
	w := watch(t, "# none yet\n")
	require.True(t, w.FileEmpty())
	require.Equal(t, []int64{600}, w.IDs())
	w.write("552\n")
	require.True(t, w.checkTwice())
	require.False(t, w.FileEmpty())
	require.Equal(t, []int64{600, 552}, w.IDs())
	require.Empty(t, w.messages(), "nothing was lost")
}

// Whatever a file contains over time, the IDs are those of its last content
// that had any, and each loss and return of IDs is logged once.
func TestIDsAreTheLastOnesThatTheFileHad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		contents := rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.Int64Range(1, 3), 0, 2, rapid.ID), 1, 12).Draw(t, "contents")
		core, logs := observer.New(zap.InfoLevel)
		list := &List{logger: zap.New(core), path: "incidents.txt"}

		last := []int64{}
		var want, got []string
		for i, ids := range contents {
			before := list.IDs()
			changed := list.adopt(ids)
			require.Equal(t, len(ids) == 0, list.FileEmpty())
			if len(last) > 0 && len(ids) == 0 && len(contents[i-1]) > 0 {
				want = append(want, lostIDs)
			}
			if len(last) > 0 && len(ids) > 0 && len(contents[i-1]) == 0 {
				want = append(want, regainedIDs)
			}
			if len(ids) > 0 {
				last = ids
			}
			require.Equal(t, last, list.IDs())
			require.Equal(t, changed, !slices.Equal(before, last))
		}
		for _, entry := range logs.All() {
			got = append(got, entry.Message)
		}
		require.Equal(t, want, got)
	})
}

package defenderincidentsreceiver

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// watched is an ids file that is looked at, at moments that the test makes up.
type watched struct {
	*sources
	t    *testing.T
	path string
	logs *observer.ObservedLogs
	now  time.Time
}

func watch(t *testing.T, content string) *watched {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	w := &watched{t: t, path: writeIDs(t, content), logs: logs}
	var err error
	w.sources, err = newSources(&Config{IncidentIDs: []int64{600}, IncidentIDsFile: w.path}, zap.New(core))
	require.NoError(t, err)
	return w
}

// lookTwice looks at the file when it is time to, and once more.
func (w *watched) lookTwice() (changed bool) {
	for range 2 {
		w.now = w.now.Add(lookInterval)
		changed = w.look(w.now) || changed
	}
	return changed
}

func (w *watched) write(content string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.path, []byte(content), 0o600))
}

// said are the messages since the last call.
func (w *watched) said() []string {
	var messages []string
	for _, entry := range w.logs.TakeAll() {
		messages = append(messages, entry.Message)
	}
	return messages
}

func TestSourcesAreUnitedInOrder(t *testing.T) {
	cfg := &Config{IncidentIDs: []int64{600, 437}, IncidentIDsFile: writeIDs(t, "552\n437\nabc\n551\n")}
	s, err := newSources(cfg, zap.NewNop())
	require.NoError(t, err)
	require.Equal(t, []int64{600, 437, 552, 551}, s.all())
	require.Equal(t, []badLine{{3, `"abc"`}}, s.bad)
}

func TestSourceIsTheListWhenThereIsNoFile(t *testing.T) {
	s, err := newSources(&Config{IncidentIDs: []int64{437, 552}}, zap.NewNop())
	require.NoError(t, err)
	require.Equal(t, []int64{437, 552}, s.all())
	require.False(t, s.look(time.Now()))
	_, ok := s.nextLook()
	require.False(t, ok)
}

func TestSourceFileMissingIsAnErrorDespiteAList(t *testing.T) {
	_, err := newSources(&Config{IncidentIDs: []int64{437}, IncidentIDsFile: filepath.Join(t.TempDir(), "missing.txt")}, zap.NewNop())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAChangedFileIsReadWithinTenSeconds(t *testing.T) {
	require.LessOrEqual(t, 2*lookInterval, 10*time.Second)
	for name, change := range map[string]func(w *watched){
		"written": func(w *watched) { w.write("552\n553\n") },
		"replaced by a rename": func(w *watched) {
			next := filepath.Join(filepath.Dir(w.path), "next.txt")
			require.NoError(w.t, os.WriteFile(next, []byte("552\n553\n"), 0o600))
			require.NoError(w.t, os.Rename(next, w.path))
		},
		"of the same size and time": func(w *watched) {
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
			require.False(t, w.lookTwice())
			change(w)
			require.True(t, w.lookTwice())
			require.Contains(t, w.all(), int64(553))
			require.Contains(t, w.all(), int64(600), "what is listed stays")
			require.False(t, w.lookTwice())
			require.Empty(t, w.said())
		})
	}
}

// TestAConfigMapThatIsReplacedIsRead does as Kubernetes: the file is a link
// through a directory's link, which is replaced as a whole.
func TestAConfigMapThatIsReplacedIsRead(t *testing.T) {
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

	s, err := newSources(&Config{IncidentIDsFile: path}, zap.NewNop())
	require.NoError(t, err)
	w := &watched{sources: s, t: t}
	require.False(t, w.lookTwice())
	publish("..2", "438\n")
	require.True(t, w.lookTwice())
	require.Equal(t, []int64{438}, s.all())
	require.NoError(t, os.RemoveAll(filepath.Join(mount, "..1")))
	require.False(t, w.lookTwice())
}

func TestAFileThatIsJustBeingWrittenIsNotReadByHalves(t *testing.T) {
	w := watch(t, "552\n553\n")
	w.write("") // as a shell does that is about to write
	w.now = w.now.Add(lookInterval)
	require.False(t, w.look(w.now))
	w.write("552\n553\n554\n")
	require.True(t, w.lookTwice())
	require.Equal(t, []int64{600, 552, 553, 554}, w.all())
}

func TestAFileThatNeverStandsStillIsReadAllTheSame(t *testing.T) {
	w := watch(t, "552\n")
	for n := range mostChanging + 1 {
		w.write("553\n" + string(make([]byte, n)))
		w.now = w.now.Add(lookInterval)
		require.Equal(t, n == mostChanging, w.look(w.now))
	}
	require.Equal(t, []int64{600, 553}, w.all())
}

func TestAFileThatVanishesKeepsTheLastListAndIsSaidOnce(t *testing.T) {
	w := watch(t, "552\n")
	require.NoError(t, os.Remove(w.path))
	require.False(t, w.lookTwice())
	require.False(t, w.lookTwice())
	require.Equal(t, []string{"ids file cannot be read: the last list stays"}, w.said())
	require.Equal(t, []int64{600, 552}, w.all())

	w.write("552\n554\n")
	require.True(t, w.lookTwice())
	require.Equal(t, []string{"ids file can be read again"}, w.said())
	require.Equal(t, []int64{600, 552, 554}, w.all())
}

func TestABadLineIsReportedOnChangeAndTheRestIsUsed(t *testing.T) {
	w := watch(t, "552\nabc\n")
	require.Len(t, w.said(), 1)
	w.write("552\nabc\n553\n")
	require.True(t, w.lookTwice())
	require.Empty(t, w.said(), "the same line as before")
	w.write("552\n553\n-7\n")
	require.False(t, w.lookTwice(), "the ids are the same")
	said := w.logs.TakeAll()
	require.Len(t, said, 1)
	require.Equal(t, map[string]any{"file": w.path, "line": int64(3), "text": `"-7"`}, said[0].ContextMap())
}

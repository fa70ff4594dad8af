package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestADiskThatIsFullStopsNoRecordAndIsSaidOnce(t *testing.T) {
	t.Parallel()
	population := quiet(4)
	s := newStage(t, population, func(c *settings) { c.Interval = time.Second })
	s.start()
	s.awaitRecords(12)
	s.awaitRound(s.settings.IDs...)

	before := s.limitFiles(nil)
	s.limitFiles(&syscall.Rlimit{Cur: 0, Max: before.Max})
	for n := range 3 {
		s.change(1001, func(i *defendersim.Incident) { i.Comments = append(i.Comments, defendersim.Comment{Text: "no room"}) })
		s.awaitRecords(12 + n + 1)
		s.awaitRound(s.settings.IDs...)
	}
	output := s.process.log.String()
	require.Zero(t, said(output, "checkpoint is written again", "incidents"))

	s.limitFiles(&before)
	s.awaitRound(s.settings.IDs...)
	output = s.stop()
	for _, entry := range []string{"incidents", "quota"} {
		require.Equal(t, 1, said(output, "checkpoint not written: after a restart, changes of now may be emitted again", entry), entry)
		require.Equal(t, 1, said(output, "checkpoint is written again", entry), entry)
	}

	s.start()
	s.awaitRound(s.settings.IDs...)
	s.stop()
	s.requireProof(population) // by now all of it had been written: nothing comes again
}

// limitFiles lets no file of the collector's grow beyond a limit, nor be written
// there: its writes fail as on a disk that is full, and nothing has to be mounted
// for it. It returns the limit of before; nil leaves that.
func (s *stage) limitFiles(limit *syscall.Rlimit) (before syscall.Rlimit) {
	s.t.Helper()
	_, _, failure := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(s.process.cmd.Process.Pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(limit)), uintptr(unsafe.Pointer(&before)), 0, 0)
	require.Zero(s.t, failure)
	return before
}

// said counts the lines of a log with a message about an entry of the checkpoint.
func said(output, message, entry string) int {
	n := 0
	for line := range strings.Lines(output) {
		if strings.Contains(line, message) && strings.Contains(line, `"of": "`+entry+`"`) {
			n++
		}
	}
	return n
}

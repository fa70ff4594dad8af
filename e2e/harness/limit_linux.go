// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// LimitFileSize sets the largest size to which the program can write a file, and
// returns the previous limit. With a limit of 0 its writes fail as they do on a
// full disk. A nil limit changes nothing.
func (p *Program) LimitFileSize(t *testing.T, limit *syscall.Rlimit) (previous syscall.Rlimit) {
	t.Helper()
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.PID()), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(limit)), uintptr(unsafe.Pointer(&previous)), 0, 0)
	require.Zero(t, errno)
	return previous
}

//go:build unix

package backends

import (
	"bytes"
	"context"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// logShown is how much of a program's log a failed test shows, in bytes.
	logShown = 32 << 10
	// stopGrace is how long a program may take to end.
	stopGrace = 20 * time.Second
)

// program is one that was started: a collector, or Loki.
type program struct {
	cmd   *exec.Cmd
	log   transcript
	ended chan struct{} // closed once it has ended
	err   error         // how; read it after ended
}

// transcript is all that a program says.
type transcript struct {
	bell *bell

	mu   sync.Mutex // guards all that follows
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	defer l.bell.ring()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// launch starts a program, which rings the bell when it says something. Nothing
// of the test's environment takes part, such as a proxy. It is gone at the end of
// the test with all that it started, whatever happens.
func launch(t *testing.T, b *bell, environment []string, path string, args ...string) *program {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = t.TempDir(), append([]string{}, environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	p := &program{cmd: cmd, log: transcript{bell: b}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	started := make(chan error, 1)
	go p.run(started)
	t.Cleanup(func() {
		kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s said:\n%s", path, tail(p.log.String()))
		}
	})
	require.NoError(t, <-started)
	return p
}

// run starts the program and sees it end. It keeps its thread: where a child
// dies with its parent, that is the thread that started it.
func (p *program) run(started chan<- error) {
	runtime.LockOSThread()
	defer close(p.ended)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		err = p.cmd.Wait()
	}
	p.err = err
	p.log.bell.ring()
}

// stop asks the program to end, and wants it to do so in good order.
func (p *program) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-p.ended:
		require.NoError(t, p.err)
	case <-grace.C:
		require.FailNow(t, "it did not end within its grace")
	}
}

// over reports whether the program has ended.
func (p *program) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func tail(text string) string {
	if len(text) <= logShown {
		return text
	}
	return "[...] " + strings.ToValidUTF8(text[len(text)-logShown:], "")
}

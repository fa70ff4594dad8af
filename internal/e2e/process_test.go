//go:build unix

package e2e

import (
	"bytes"
	"context"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// logShown is how much of a collector's log a failed test shows, in bytes.
const logShown = 64 << 10

// process is a collector that was started.
type process struct {
	cmd   *exec.Cmd
	log   transcript
	ended chan struct{} // closed once it has ended
	err   error         // how; read it after ended
}

// transcript is all that a collector says. It comes through a pipe: what a
// limit does to its files, it does not do to that.
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

// command is a collector in a process group of its own, killed as a whole when
// ctx ends. Nothing of the environment takes part, such as a proxy.
func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, collector, args...)
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// launch starts a collector with the settings of a test; see launchWith.
func launch(ctx context.Context, t *testing.T, b *bell, s settings) *process {
	t.Helper()
	return launchWith(ctx, t, b, s.Env, s.arguments(t)...)
}

// launchWith starts a collector, which rings the bell when it says something. It
// is gone at the end of the test, whatever happens.
func launchWith(ctx context.Context, t *testing.T, b *bell, env []string, args ...string) *process {
	t.Helper()
	ctx, kill := context.WithCancel(ctx)
	p := &process{cmd: command(ctx, args...), log: transcript{bell: b}, ended: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	started := make(chan error, 1)
	go p.run(started)
	t.Cleanup(func() {
		kill()
		<-p.ended
		if t.Failed() {
			t.Logf("the collector said:\n%s", tail(p.log.String()))
		}
	})
	require.NoError(t, <-started)
	return p
}

// run starts the collector and sees it end. It keeps its thread: where a child
// dies with its parent, that is the thread that started it.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer close(p.ended)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		err = p.cmd.Wait()
	}
	p.err = err
}

func tail(text string) string {
	if len(text) <= logShown {
		return text
	}
	return "[...] " + text[len(text)-logShown:]
}

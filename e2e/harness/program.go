// SPDX-License-Identifier: Apache-2.0

//go:build unix

package harness

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// StopTimeout is how long a program may take to end after a signal. The
	// receiver gives a delivery 5 s; the rest is for a busy machine.
	StopTimeout = 20 * time.Second
	// maxLogShown is how much of a program's log a failed test prints, in bytes.
	maxLogShown = 64 << 10
)

// Program is a running program: a collector, or a backend. Its log goes through
// a pipe, so a limit on the size of its files does not affect it.
type Program struct {
	cmd  *exec.Cmd
	log  transcript
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read it after done
}

// transcript collects everything a program writes.
type transcript struct {
	notifier *Notifier

	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	defer l.notifier.Notify()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Command returns a command with an empty environment, so that no proxy of this
// machine takes part. It runs in a process group of its own, which is killed as
// a whole when ctx ends.
func Command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// Launch starts a program in an empty directory, with env as its whole
// environment. The program calls n whenever it logs something and when it ends.
// At the end of the test it is killed together with everything it started.
func Launch(ctx context.Context, t *testing.T, n *Notifier, env []string, path string, args ...string) *Program {
	t.Helper()
	ctx, kill := context.WithCancel(ctx)
	p := &Program{cmd: Command(ctx, path, args...), log: transcript{notifier: n}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = t.TempDir(), append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	started := make(chan error, 1)
	go p.run(started)
	t.Cleanup(func() {
		kill()
		<-p.done
		if t.Failed() {
			t.Logf("log of %s:\n%s", filepath.Base(path), tail(p.Log()))
		}
	})
	require.NoError(t, <-started)
	return p
}

// run starts the program and waits for its end. It keeps its goroutine locked
// to the thread for that time, because a child that dies with its parent dies
// with the thread that started it. Afterwards it unlocks the thread: a
// goroutine that ends while locked ends the thread too, and with it any child
// that another goroutine started there before.
func (p *Program) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer p.log.notifier.Notify()
	defer close(p.done)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		err = p.cmd.Wait()
	}
	p.err = err
}

// PID returns the process ID.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Log returns everything the program has written so far.
func (p *Program) Log() string { return p.log.String() }

// Done is closed when the program has ended. It is nil for a nil program.
func (p *Program) Done() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.done
}

// Err returns how the program ended; nil for exit code 0. Call it after
// Done is closed.
func (p *Program) Err() error { return p.err }

// End sends a signal and waits for the program to end.
func (p *Program) End(t *testing.T, signal syscall.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(signal))
	timeout := time.NewTimer(StopTimeout)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
		require.FailNow(t, "timeout", "%s still runs %v after signal %v", p.cmd.Path, StopTimeout, signal)
	}
}

// Stop signals the program to end and requires exit code 0.
func (p *Program) Stop(t *testing.T) {
	t.Helper()
	p.End(t, syscall.SIGTERM)
	require.NoError(t, p.err)
}

func tail(text string) string {
	if len(text) <= maxLogShown {
		return text
	}
	return "[...] " + strings.ToValidUTF8(text[len(text)-maxLogShown:], "")
}

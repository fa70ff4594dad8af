//go:build unix

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// logShown is how much of a collector's log a failed test shows, in bytes.
const logShown = 64 << 10

// process is a collector that was started.
type process struct {
	cmd   *exec.Cmd
	log   string        // the file that has all it says
	ended chan struct{} // closed once it has ended
	err   error         // how; read it after ended
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

// launch starts a collector. It is gone at the end of the test, whatever happens.
func launch(ctx context.Context, t *testing.T, config string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "collector.log"))
	require.NoError(t, err)
	ctx, kill := context.WithCancel(ctx)
	p := &process{cmd: command(ctx, "--config", config), log: log.Name(), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	started := make(chan error, 1)
	go p.run(started)
	t.Cleanup(func() {
		kill()
		<-p.ended
		if t.Failed() {
			t.Logf("the collector said:\n%s", tail(p.output(t)))
		}
	})
	require.NoError(t, <-started)
	require.NoError(t, log.Close())
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

// output is all that it has said so far.
func (p *process) output(t *testing.T) string {
	t.Helper()
	output, err := os.ReadFile(p.log)
	require.NoError(t, err)
	return string(output)
}

func tail(text string) string {
	if len(text) <= logShown {
		return text
	}
	return "[...] " + text[len(text)-logShown:]
}

package dashboards

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/template"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// logShown is how much of a program's log a failed test shows, in bytes.
const logShown = 16 << 10

// stage is a collector between a simulated API and a backend.
type stage struct {
	t       *testing.T
	sim     *defendersim.Sim
	full    atomic.Bool // the backend takes no records
	process *process
	metrics string // where they are served, host and port
}

// settings are what situations vary of the collector's configuration.
type settings struct {
	Interval   time.Duration
	RateLimit  string // as YAML; empty: no limit that is reached
	ChangeFeed string // as YAML; empty: there is none
}

const configText = `
extensions:
  oauth2client:
    token_url: {{.API}}/{{.Population.TenantID}}/oauth2/v2.0/token
    client_id: {{.Population.ClientID}}
    client_secret: {{.Population.ClientSecret}}
    scopes: [https://api.security.microsoft.com/.default]
  file_storage:
    directory: {{.Storage}}
    create_directory: true

receivers:
  defender_incidents:
    incident_ids: [{{.IDs}}]
    collection_interval: {{.Settings.Interval}}
    http:
      endpoint: {{.API}}
      auth: {authenticator: oauth2client}
    rate_limit: {{with .Settings.RateLimit}}{{.}}{{else}}{requests_per_minute: 6000, requests_per_hour: 60000}{{end}}
    {{with .Settings.ChangeFeed}}change_feed: {{.}}{{end}}
    storage: file_storage

exporters:
  otlp_http:
    endpoint: {{.Backend}}
    sending_queue: {enabled: false}
    retry_on_failure: {enabled: false}

service:
  extensions: [file_storage, oauth2client]
  telemetry:
    logs: {level: warn}
    metrics:
      level: detailed
      readers: [{pull: {exporter: {prometheus: {host: {{.Host}}, port: {{.Port}}}}}}]
  pipelines:
    logs:
      receivers: [defender_incidents]
      exporters: [otlp_http]
`

// newStage starts a collector that follows the whole population.
func newStage(ctx context.Context, t *testing.T, population defendersim.Config, s settings, faults map[int64]string) *stage {
	t.Helper()
	sim, err := defendersim.New(population)
	require.NoError(t, err)
	st := &stage{t: t, sim: sim, metrics: freeAddress(t)}
	for id, fault := range faults {
		st.strike(id, fault)
	}
	api := httptest.NewServer(sim)
	t.Cleanup(api.Close)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if st.full.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(backend.Close)
	host, port, err := net.SplitHostPort(st.metrics)
	require.NoError(t, err)
	ids := make([]string, 0, len(sim.IDs()))
	for _, id := range sim.IDs() {
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	var text strings.Builder
	require.NoError(t, template.Must(template.New("config").Parse(configText)).Execute(&text, map[string]any{
		"API": api.URL, "Backend": backend.URL, "Population": population, "Settings": s, "IDs": strings.Join(ids, ", "),
		"Storage": filepath.Join(t.TempDir(), "storage"), "Host": host, "Port": port,
	}))
	st.process = launch(ctx, t, collector, "--config", write(t, "config.yaml", text.String()))
	return st
}

// strike has a fault strike from now on.
func (s *stage) strike(id int64, fault string) {
	s.t.Helper()
	f, err := defendersim.ParseFault(fault)
	require.NoError(s.t, err)
	require.NoError(s.t, s.sim.SetFault(id, defendersim.Rule{Fault: f}))
}

// refuse has the backend take no more records.
func (s *stage) refuse() { s.full.Store(true) }

// fillDisk has the collector's writes to files fail as on a disk that is full.
func (s *stage) fillDisk() {
	s.t.Helper()
	none := syscall.Rlimit{}
	_, _, failure := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(s.process.cmd.Process.Pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(&none)), 0, 0, 0)
	require.Zero(s.t, failure)
}

// process is a program that was started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed once it has ended

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

func (p *process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(text)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.log.String()
	return text[max(0, len(text)-logShown):]
}

// launch starts a program in a process group of its own, which is gone at the
// end of the test, whatever happens.
func launch(ctx context.Context, t *testing.T, program string, args ...string) *process {
	t.Helper()
	ctx, kill := context.WithCancel(ctx)
	p := &process{cmd: exec.CommandContext(ctx, program, args...), ended: make(chan struct{})}
	p.cmd.Env = []string{} // such as a proxy takes no part
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Cancel = func() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // a child dies with the thread that started it
		defer close(p.ended)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait() //nolint:errcheck // it is killed
		}
	}()
	t.Cleanup(func() {
		kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), p.said())
		}
	})
	require.NoError(t, <-started)
	return p
}

// freeAddress is one of this machine on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// write makes a file in a directory of the test and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// perTenant is the number of incidents of each tenant.
const perTenant = 20

// tenancy is one collector that polls the incidents of many tenants, with a
// receiver, an app registration and a simulator for each.
type tenancy struct {
	*setup
	sims    []*defendersim.Sim
	config  string // file
	storage string // directory

	mu     sync.Mutex // guards what follows
	seen   map[int]time.Time
	served []time.Time // when each response with an incident ended
}

const tenancyText = `
extensions:
  file_storage: {directory: {{.Storage}}, create_directory: true, fsync: true}
{{- range $n := .Tenants}}
  oauth2client/{{$n}}:
    token_url: {{$.Address}}/{{$n}}/{{$.Population.TenantID}}/oauth2/v2.0/token
    client_id: {{$.Population.ClientID}}
    client_secret: {{$.Population.ClientSecret}}
    scopes: ["https://api.security.microsoft.com/.default"]
{{- end}}

receivers:
{{- range $n := .Tenants}}
  defender_incidents/{{$n}}:
    incident_ids: {{$.IDs}}
    collection_interval: {{$.Interval}}
    http: {endpoint: "{{$.Address}}/{{$n}}", auth: {authenticator: oauth2client/{{$n}}}}
    storage: file_storage
{{- end}}

exporters: {debug: {}}

service:
  extensions: [file_storage{{range $n := .Tenants}}, oauth2client/{{$n}}{{end}}]
  telemetry: {logs: {level: warn}, metrics: {level: none}}
  pipelines:
    logs: {receivers: [{{range $n := .Tenants}}defender_incidents/{{$n}}, {{end}}], exporters: [debug]}
`

// newTenancy makes that many simulators, each with the real rate limits. No
// collector runs yet.
func newTenancy(t *testing.T, tenants int, interval time.Duration) *tenancy {
	t.Helper()
	h := harness.NewWithoutSim(t, 15*time.Minute)
	all := &tenancy{
		setup:   &setup{Harness: h, connections: harness.NewConnections(h.Notifier)},
		storage: filepath.Join(t.TempDir(), "storage"), seen: map[int]time.Time{},
	}
	population := defendersim.DefaultConfig()
	population.Incidents, population.MergedShare, population.ChangesPerHour, population.AlertsPerIncident = perTenant, 0, 0, 2
	mux := http.NewServeMux()
	for n := range tenants {
		own := population
		own.Observe = func(r defendersim.Request) { all.observe(n, r) }
		sim, err := defendersim.New(own)
		require.NoError(t, err)
		all.sims = append(all.sims, sim)
		prefix := "/" + strconv.Itoa(n)
		mux.Handle(prefix+"/", http.StripPrefix(prefix, sim))
	}
	var text strings.Builder
	require.NoError(t, template.Must(template.New("config").Parse(tenancyText)).Execute(&text, map[string]any{
		"Storage": all.storage, "Tenants": tenants, "Address": all.connections.Serve(t, mux), "Population": population,
		"IDs": harness.List(all.sims[0].IDs()), "Interval": interval,
	}))
	all.config = harness.WriteFile(t, "config.yaml", text.String())
	return all
}

func (y *tenancy) observe(tenant int, r defendersim.Request) {
	if r.Endpoint != defendersim.EndpointIncident {
		return
	}
	defer y.Notifier.Notify()
	y.mu.Lock()
	defer y.mu.Unlock()
	if _, before := y.seen[tenant]; !before {
		y.seen[tenant] = r.Time
	}
	if r.Status == http.StatusOK {
		y.served = append(y.served, r.Ended)
	}
}

// responses returns how many responses contained an incident so far.
func (y *tenancy) responses() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.served)
}

// start starts the collector and returns when it did.
func (y *tenancy) start() (began time.Time) {
	y.T.Helper()
	began = time.Now()
	y.launch(nil, "--config", y.config)
	return began
}

// firstOfTheLast returns when the last tenant was requested for the first time.
func (y *tenancy) firstOfTheLast() time.Time {
	y.mu.Lock()
	defer y.mu.Unlock()
	var last time.Time
	for _, at := range y.seen {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// span is what a collector used over some time.
type span struct {
	cpu       time.Duration
	answers   int
	resident  int64 // minimum, in bytes
	anonymous int64
	peak      int64 // bytes
	files     int64 // maximum
	burst     int   // maximum of responses within a second
}

// watch measures the collector every 250 ms.
func (y *tenancy) watch(d time.Duration) (s span) {
	y.T.Helper()
	pid, over := y.process.PID(), time.Now().Add(d)
	v := &vitals{began: time.Now()}
	forgetPeak(y.T, pid)
	before, from := usageOf(y.T, pid), y.responses()
	s.anonymous = before.anonymous
	for time.Now().Before(over) {
		y.wait(min(250*time.Millisecond, time.Until(over)))
		v.look(y.T, pid)
		s.anonymous = min(s.anonymous, usageOf(y.T, pid).anonymous)
	}
	after := usageOf(y.T, pid)
	s.cpu, s.peak, s.files, s.resident = after.cpu-before.cpu, after.peak, v.files.highest(), v.resident.lowest(0, d)
	y.mu.Lock()
	defer y.mu.Unlock()
	of := slices.Clone(y.served[from:])
	slices.SortFunc(of, time.Time.Compare)
	s.answers = len(of)
	for i, first := 0, 0; i < len(of); i++ {
		for of[i].Sub(of[first]) >= time.Second {
			first++
		}
		s.burst = max(s.burst, i-first+1)
	}
	return s
}

// goroutines ends the collector with a dump of its goroutines. It returns their
// number, and which functions started most of them.
func (y *tenancy) goroutines() (n int, by string) {
	y.T.Helper()
	said := y.end(syscall.SIGQUIT).Log()
	creators := map[string]int{}
	for _, match := range regexp.MustCompile(`(?m)^created by (\S+)`).FindAllStringSubmatch(said, -1) {
		creators[match[1]]++
	}
	names := make([]string, 0, len(creators))
	for name := range creators {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return creators[b] - creators[a] })
	for _, name := range names[:min(6, len(names))] {
		by += fmt.Sprintf("; %d %s", creators[name], name)
	}
	return len(regexp.MustCompile(`(?m)^goroutine \d+ `).FindAllString(said, -1)), strings.TrimPrefix(by, "; ")
}

// stored returns the number of checkpoint files and their size in bytes.
func (y *tenancy) stored() (files int, bytes int64) {
	y.T.Helper()
	entries, err := os.ReadDir(y.storage)
	require.NoError(y.T, err)
	for _, e := range entries {
		at, err := e.Info()
		require.NoError(y.T, err)
		bytes += at.Size()
	}
	return len(entries), bytes
}

// taken is what a collector used from its start until each incident was fetched.
type taken struct {
	first, whole time.Duration // to the last tenant's first request, to the last incident's response
	usage
}

func (t taken) row() string {
	return fmt.Sprintf("%v | %v | %v | %s MiB", t.first.Round(time.Millisecond), t.whole.Round(time.Millisecond), t.cpu, mebibytes(t.peak))
}

// fetchAll starts the collector while each incident is due.
func (y *tenancy) fetchAll() taken {
	y.T.Helper()
	y.mu.Lock()
	before := len(y.served)
	clear(y.seen)
	y.mu.Unlock()
	began := y.start()
	y.await("each incident", func() bool { return y.responses()-before >= len(y.sims)*perTenant })
	return taken{whole: time.Since(began), first: y.firstOfTheLast().Sub(began), usage: usageOf(y.T, y.process.PID())}
}

func TestMeasureTenantsOfOneCollector(t *testing.T) {
	for _, c := range []struct {
		tenants  int
		interval time.Duration
		watched  time.Duration // whole intervals
	}{
		{1, time.Minute, 2 * time.Minute},
		{50, time.Minute, 2 * time.Minute},
		{500, time.Minute, 2 * time.Minute},
		{500, 5 * time.Minute, 5 * time.Minute},
	} {
		y := newTenancy(t, c.tenants, c.interval)
		asked := time.Now()
		checked, err := harness.Command(y.Ctx, collector, "validate", "--config", y.config).CombinedOutput()
		require.NoError(t, err, string(checked))
		parsing := time.Since(asked)

		cold := y.fetchAll()
		y.wait(5 * time.Second) // let the start finish
		s := y.watch(c.watched)
		require.GreaterOrEqual(t, s.answers, int(c.watched/c.interval)*c.tenants*perTenant*9/10, "polling goes on")
		require.Empty(t, strings.TrimSpace(y.process.Log()), "no warnings")
		files, stored := y.stored()
		goroutines, by := y.goroutines()

		y.wait(c.interval) // until each incident is due again
		restarted := y.fetchAll()
		require.Empty(t, strings.TrimSpace(y.process.Log()), "no warnings")
		y.end(syscall.SIGKILL)

		t.Logf("| tenants | interval | validate | resident | RssAnon | peak resident | goroutines | open files, most | CPU | CPU of one processor | per answer | "+
			"answers | most in a second | storage |\n| %d | %v | %v | %s MiB | %s MiB | %s MiB | %d | %d | %v in %v | %.2f %% | %v | %d | %d | %d files, %s MiB |",
			c.tenants, c.interval, parsing.Round(time.Millisecond), mebibytes(s.resident), mebibytes(s.anonymous), mebibytes(s.peak), goroutines, s.files, s.cpu,
			c.watched, 100*s.cpu.Seconds()/c.watched.Seconds(), (s.cpu / time.Duration(s.answers)).Round(time.Microsecond), s.answers, s.burst, files, mebibytes(stored))
		t.Logf("| start | last tenant's first request | each incident once | CPU until then | peak resident until then |\n| with nothing stored | %s |\n"+
			"| after a crash, when all is due again | %s |", cold.row(), restarted.row())
		t.Logf("goroutines by what started them: %s", by)
	}
}

// pace is how quickly tenants are served that do not fail.
type pace struct {
	firsts []time.Duration // from the start of the process to the first fetch of an incident, ascending
	gaps   []time.Duration // from each fetch of an incident to its next, ascending
}

// row formats a pace as a row of a table.
func (p pace) row() string {
	text := "|"
	for _, all := range [][]time.Duration{p.firsts, p.gaps} {
		for _, d := range []time.Duration{mean(all), all[len(all)*95/100], all[len(all)-1]} {
			text += fmt.Sprintf(" %v |", d.Round(time.Millisecond))
		}
	}
	return text
}

func mean(all []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	return sum / time.Duration(len(all))
}

// paceBeside runs a collector with fifty tenants for a while and returns the
// pace of those with even numbers. Those with odd numbers fail, in one of
// several ways each, or are served like the others.
func paceBeside(t *testing.T, failing bool) (p pace) {
	t.Helper()
	y := newTenancy(t, 50, time.Second) // the rate limits turn that into a cycle of 50.5 s
	faults := []string{"hang", "500", "401", "429=1m", "nested", "huge=40MiB", "reset", "truncated"}
	for n, sim := range y.sims {
		if !failing || n%2 == 0 {
			continue
		}
		fault, err := defendersim.ParseFault(faults[n/2%len(faults)])
		require.NoError(t, err)
		require.NoError(t, sim.SetFault(defendersim.AllIncidents, defendersim.Rule{Fault: fault}))
	}
	began := y.start()
	y.wait(4 * time.Minute)
	y.end(syscall.SIGKILL)
	for n, sim := range y.sims {
		if n%2 != 0 {
			require.Equal(t, failing, len(sim.AllServed()) == 0, "tenant %d", n)
			continue
		}
		last := map[int64]time.Time{}
		for _, r := range sim.Journal() {
			if r.Endpoint != defendersim.EndpointIncident {
				continue
			}
			if before, again := last[r.ID]; again {
				p.gaps = append(p.gaps, r.Time.Sub(before))
			} else {
				p.firsts = append(p.firsts, r.Time.Sub(began))
			}
			last[r.ID] = r.Time
		}
		require.Len(t, last, perTenant, "tenant %d", n)
	}
	slices.Sort(p.firsts)
	slices.Sort(p.gaps)
	return p
}

func TestMeasureFailingTenantsBesideOthers(t *testing.T) {
	alone, beside := paceBeside(t, false), paceBeside(t, true)
	t.Logf("| 25 others | first fetch: mean | p95 | longest | gap: mean | p95 | longest |\n| succeed %s\n| fail %s", alone.row(), beside.row())
	require.InDelta(t, 1, float64(mean(beside.gaps))/float64(mean(alone.gaps)), 0.05)
}

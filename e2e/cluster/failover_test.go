// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

const (
	// failoverLimit is the time limit of TestFailover.
	failoverLimit = 12 * time.Minute
	// quotaLimit is that of each part of TestNewLeaderKeepsToTheRateLimits.
	quotaLimit = 3 * time.Minute
	// perMinute and perHour are the rate limits. They leave room to catch up after a
	// takeover.
	perMinute = 180
	perHour   = 60 * perMinute
	// incidents is how many there are.
	incidents = 60
	// atOnce is the number of a kill that comes as soon as the leader polls.
	atOnce = 3
	// kills is how often the leader is killed.
	kills = 10
	// interval is the collection_interval. Two of them are longer than the wait for a
	// poll that was due when the leader died, two takeovers in a row, and the retry after
	// a failure together.
	interval = 40 * time.Second
	// takeover is how long nobody may poll after the leader has gone.
	takeover = leaseDuration + 5*time.Second
	// grace is how long a former leader may keep the storage locked, if the backend
	// does not respond.
	grace = 6 * time.Second
	// faultEvery is the time between two faults, so that never five of them wait for
	// the next leader.
	faultEvery = 3 * time.Second
)

// failover is two collectors with one storage and one lease, between a simulated API
// and a sink.
type failover struct {
	*harness.Harness
	cluster   *cluster
	senders   *senders
	sink      *harness.Sink
	settings  harness.Settings
	namespace string
	lease     string
	nodes     [2]*node
	leader    *node
	first     string // the first leader
	dice      *rand.Rand

	killed []time.Time // when collectors were killed
	table  []row
}

// row is a line of the report.
type row struct {
	event    string
	to       *node
	sender   string        // the new leader
	stopped  time.Duration // from the event to the end of the former leader's last request
	tookOver time.Duration // from the event to the new leader's start of polling
	within   time.Duration // how long that may take
}

func TestFailover(t *testing.T) {
	population := defendersim.DefaultConfig()
	population.Seed = harness.Seed(t, seed)
	population.Incidents, population.ChangesPerHour = incidents, 6000
	population.Weights = defendersim.DefaultWeights()
	population.Weights[defendersim.ChangeMerge] = 0.5 // merged incidents are not polled any more
	population.PerMinute, population.PerHour = perMinute, perHour
	population.LatencyMin, population.LatencyMax = 400*time.Millisecond, 1200*time.Millisecond // so that many events cut off a request
	f := newFailover(t, failoverLimit, population)
	f.settings.Interval, f.settings.Concurrent = interval, 3
	f.requireRoleBinding()
	began := time.Now()
	f.await("every incident", func() bool { return len(f.emitted()) == len(f.Sim.IDs()) })
	f.strike()

	for n := range kills {
		f.killLeader(n)
	}
	f.cutLeader("refuses connections", refusing, harness.Accept)
	f.cutLeader("drops packets", silent, harness.Accept)
	f.cutLeader("drops packets, while the backend hangs", silent, harness.Hang)
	late := f.run().Late(f.Sim.IDs(), began, 2*interval)
	back := f.restartAPIServer()
	f.wait(2*interval + 3*time.Second)
	f.requireProof(began, late, back)
}

// TestNewLeaderKeepsToTheRateLimits kills the leader once it has used up a limit.
// There are more incidents than the limit allows requests.
func TestNewLeaderKeepsToTheRateLimits(t *testing.T) {
	for name, c := range map[string]struct {
		perMinute, perHour int
		window             time.Duration
	}{
		"per minute": {100, 6000, time.Minute},
		"per hour":   {6000, 100, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			population := defendersim.DefaultConfig()
			population.Incidents, population.PerMinute, population.PerHour = 200, c.perMinute, c.perHour
			f := newFailover(t, quotaLimit, population)
			f.requireRoleBinding()
			f.await("the limit", func() bool { return f.Sim.MaxInWindow(c.window) == 100 })
			f.killLeader(atOnce)
			f.wait(2 * time.Second)
			require.Equal(t, 100, f.Sim.MaxInWindow(c.window))
		})
	}
}

// newFailover starts Kubernetes. No collector runs yet.
func newFailover(t *testing.T, limit time.Duration, population defendersim.Config) *failover {
	t.Helper()
	h := harness.New(t, limit, population)
	f := &failover{
		Harness: h, cluster: newCluster(t, h), sink: harness.NewSink(h.Notifier),
		senders: &senders{notifier: h.Notifier, api: h.Sim},
		dice:    rand.New(rand.NewPCG(population.Seed, 0)),
	}
	f.settings = h.Settings(harness.Serve(t, f.senders), harness.Serve(t, f.sink))
	f.settings.SignIn, f.settings.Interval, f.settings.Timeout = harness.Serve(t, h.Sim), 2*time.Second, 3*time.Second
	f.settings.RateLimit = fmt.Sprintf("{requests_per_minute: %d, requests_per_hour: %d}", population.PerMinute, population.PerHour)
	return f
}

// await waits until a condition holds.
func (f *failover) await(what string, condition func() bool) {
	f.T.Helper()
	f.Await(nil, what, condition)
}

func (f *failover) wait(d time.Duration) {
	f.T.Helper()
	f.Wait(nil, d)
}

// between returns a random duration.
func (f *failover) between(shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(f.dice.Int64N(int64(longest-shortest)))
}

// emitted returns the incidents with a record.
func (f *failover) emitted() map[int64]bool {
	emitted := map[int64]bool{}
	for _, r := range f.sink.Records() {
		emitted[r.Incident] = true
	}
	return emitted
}

// strike lets the requests for one incident after another fail once, until the test
// ends.
func (f *failover) strike() {
	dice := rand.New(rand.NewPCG(f.dice.Uint64(), 0))
	var faults []defendersim.Fault
	for _, text := range []string{"500", "503", "504", "reset", "truncated", "hang", "slow=1s", "close"} {
		fault, err := defendersim.ParseFault(text)
		require.NoError(f.T, err)
		faults = append(faults, fault)
	}
	var running sync.WaitGroup
	f.T.Cleanup(running.Wait) // its context has ended then
	running.Go(func() {
		ticker := time.NewTicker(faultEvery)
		defer ticker.Stop()
		for n := 0; ; n++ {
			ids := f.Sim.IDs()
			rule := defendersim.Rule{Fault: faults[dice.IntN(len(faults))], Times: 1}
			assert.NoError(f.T, f.Sim.SetFault(ids[n%len(ids)], rule))
			select {
			case <-ticker.C:
			case <-f.Ctx.Done():
				return
			}
		}
	})
}

// requireRoleBinding applies the manifests, and starts both collectors before the
// RoleBinding is there: until then the server refuses them the lease.
func (f *failover) requireRoleBinding() {
	t := f.T
	t.Helper()
	standby := newStandby(t)
	f.lease, f.namespace = standby.lease, standby.subject.Namespace
	user := f.cluster.newNamespace(t, f.namespace)
	for _, document := range standby.documents {
		require.NoError(t, user.applyOne(f.namespace, document))
	}
	token := user.requestToken(t, f.namespace, standby.subject.Name)
	for n, name := range []string{"a", "b"} {
		f.nodes[n] = f.cluster.newNode(t, name, token)
		f.start(f.nodes[n])
	}
	for _, n := range f.nodes {
		f.Await(n.process, "a refusal", func() bool {
			return strings.Contains(n.process.Log(), `is forbidden: User \"system:serviceaccount:`+f.namespace+`:`)
		})
	}
	f.wait(takeover)
	require.Empty(t, f.senders.all(), "nobody leads")
	require.Contains(t, f.nodes[0].process.Log(), "on standby; polling starts when this collector becomes the leader")

	require.NoError(t, user.applyOne(f.namespace, standby.binding))
	f.await("a leader", func() bool { return f.nodes[0].polls()+f.nodes[1].polls() > 0 })
	f.leader = f.nodes[f.nodes[1].polls()]
	f.first = f.leader.sender()

	account := f.cluster.account(t, token)
	for _, path := range []string{"/api/v1/namespaces/" + f.namespace + "/secrets", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"} {
		_, err := account.send(http.MethodGet, path, "", nil, nil)
		var denied *refused
		require.ErrorAs(t, err, &denied, "the Role permits nothing else")
		require.Equal(t, http.StatusForbidden, denied.status)
	}
}

// killLeader kills the leader at a random moment, and starts a new collector on its
// node once the other one polls.
func (f *failover) killLeader(n int) {
	f.T.Helper()
	event, soonest, latest := "SIGKILL", 5*time.Second, 13*time.Second
	if n == atOnce || n == 7 {
		event, soonest, latest = "SIGKILL as soon as it polls", 0, 300*time.Millisecond
	}
	f.wait(f.between(soonest, latest))
	switch n {
	case 1, 6:
		f.awaitDelivery(harness.Hang)
		event = "SIGKILL during a delivery"
	case 4:
		f.awaitDelivery(harness.AcceptAndHang)
		event = "SIGKILL after a delivery, before the response"
	case 9:
		f.awaitDelivery(harness.Accept)
		event = "SIGKILL right after a delivery"
	}
	killed, standby := f.leader, f.other(f.leader)
	at := time.Now()
	killed.process.End(f.T, syscall.SIGKILL)
	f.killed = append(f.killed, time.Now())
	f.sink.SetMode(harness.Accept)
	f.await("a takeover", func() bool { return standby.polls() > 0 })
	f.tookOver(row{event: event, to: standby, tookOver: time.Since(at), within: takeover}, at, time.Now())
	f.start(killed)
}

// cutLeader cuts the leader off from kube-apiserver until the other collector has
// polled for a while.
func (f *failover) cutLeader(how string, c cut, m harness.Mode) {
	f.T.Helper()
	f.wait(f.between(5*time.Second, 10*time.Second))
	if m != harness.Accept {
		f.awaitDelivery(m)
	}
	former, standby := f.leader, f.other(f.leader)
	polls, within := standby.polls(), takeover
	at := time.Now()
	former.link.set(c)
	f.await("the end of polling", former.stopped)
	f.sink.SetMode(harness.Accept)
	f.await("a takeover", func() bool { return standby.polls() > polls })
	tookOver := time.Since(at)
	if m == harness.Hang {
		within += grace
	}
	f.tookOver(row{event: "network " + how, to: standby, tookOver: tookOver, within: within}, at, time.Now())
	f.wait(2 * time.Second)
	former.link.set(whole)
	f.wait(leaseDuration)
	require.False(f.T, standby.stopped(), "the lease stays where it is")
}

// restartAPIServer kills kube-apiserver and starts it again once the leader has
// stopped polling, and returns when it was ready.
func (f *failover) restartAPIServer() (back time.Time) {
	f.T.Helper()
	f.wait(f.between(5*time.Second, 10*time.Second))
	former, standby := f.leader, f.other(f.leader)
	formers, standbys := former.polls(), standby.polls()
	at := time.Now()
	f.cluster.process.End(f.T, syscall.SIGKILL)
	f.await("the end of polling", former.stopped)
	stopped := time.Now()
	f.cluster.start(f.T)
	back = time.Now()
	f.await("a leader", func() bool { return former.polls() > formers || standby.polls() > standbys })
	tookOver, leader := time.Since(at), former
	if standby.polls() > standbys {
		leader = standby
	}
	down := back.Sub(at)
	event := fmt.Sprintf("API server killed, ready again after %.0f s", down.Seconds())
	f.tookOver(row{event: event, to: leader, tookOver: tookOver, within: down + takeover}, at, stopped)
	return back
}

// awaitDelivery waits for a delivery that the sink receives in that mode.
func (f *failover) awaitDelivery(m harness.Mode) {
	f.T.Helper()
	before := f.sink.SetMode(m)
	f.await("a delivery", func() bool { return f.sink.Received() > before })
}

// tookOver adds a row to the table about what happened at a time. The former leader
// had stopped by then.
func (f *failover) tookOver(r row, at, stopped time.Time) {
	f.T.Helper()
	for _, s := range f.senders.all() {
		if s.by == f.leader.sender() && s.arrived.Before(stopped) {
			r.stopped = max(r.stopped, s.ended.Sub(at))
		}
	}
	r.sender, f.leader = r.to.sender(), r.to
	f.table = append(f.table, r)
	f.T.Logf("%s: %s polls after %v", r.event, r.sender, r.tookOver.Round(time.Millisecond))
}

// run returns what was delivered.
func (f *failover) run() proof.Run {
	run := proof.Run{Sim: f.Sim, Alerts: proof.Split, Kills: f.killed}
	for _, logs := range f.sink.Deliveries() {
		run.Deliveries = append(run.Deliveries, proof.Deliveries(logs)...)
	}
	return run
}

// result is what the proof found.
type result struct {
	lasted         time.Duration
	records        int
	repeats        int
	late, problems []string
	perMinute      int // the most requests in a minute
	perHour        int // the most requests in an hour
	turns          []turn
	overlaps       []string
}

// requireProof compares all that arrived with all that was served, and the requests
// of all collectors together with the limits. late is what was missing until
// kube-apiserver was restarted.
func (f *failover) requireProof(began time.Time, late []string, back time.Time) {
	t := f.T
	t.Helper()
	f.other(f.leader).process.Stop(t)
	f.leader.process.Stop(t)
	records, run := f.sink.Records(), f.run()
	r := result{
		lasted: time.Since(began), records: len(records), repeats: proof.Repeats(records),
		late: append(late, run.Late(f.Sim.IDs(), back, 2*interval)...), problems: run.Problems(),
		perMinute: f.Sim.MaxInWindow(time.Minute), perHour: f.Sim.MaxInWindow(time.Hour),
	}
	r.turns, r.overlaps = turns(f.senders.all())
	f.report(r)

	require.Empty(t, r.overlaps)
	sent := sendersOf(r.turns)
	led := slices.DeleteFunc(f.leaders(), func(l string) bool { return !slices.Contains(sent, l) }) // killed before its first request
	require.Equal(t, led, sent, "one after another")
	require.Empty(t, r.problems)
	require.Empty(t, r.late)
	require.LessOrEqual(t, r.repeats*20, r.records, "repeats")
	require.LessOrEqual(t, r.perMinute, perMinute)
	require.LessOrEqual(t, r.perHour, perHour)
	for _, r := range f.Sim.Journal() {
		require.NotEqual(t, http.StatusTooManyRequests, r.Status, "request %d exceeds a rate limit", r.Number)
	}
	for _, r := range f.table {
		require.LessOrEqual(t, r.tookOver, r.within, r.event)
	}
}

// leaders returns who led one after another.
func (f *failover) leaders() []string {
	leaders := []string{f.first}
	for _, r := range f.table {
		leaders = append(leaders, r.sender)
	}
	return slices.Compact(leaders) // after a restart of kube-apiserver the same may lead again
}

// report logs the tables, and writes them to the file of -e2e.report.
func (f *failover) report(r result) {
	f.T.Helper()
	var text strings.Builder
	text.WriteString("| event | the former leader's last request ended after | the new leader polled after |\n|---|---|---|\n")
	for _, r := range f.table {
		fmt.Fprintf(&text, "| %s | %.1f s | %.1f s |\n", r.event, r.stopped.Seconds(), r.tookOver.Seconds())
	}
	fmt.Fprintf(&text, "\n| in %.0f s | required | measured |\n|---|---|---|\n", r.lasted.Seconds())
	fmt.Fprintf(&text, "| states that stood for two intervals and did not arrive | 0 | %d |\n", len(r.late))
	fmt.Fprintf(&text, "| records that no response explains | 0 | %d |\n", len(r.problems))
	fmt.Fprintf(&text, "| repeated records | at most 5 %% | %d of %d (%.1f %%) |\n", r.repeats, r.records, 100*float64(r.repeats)/float64(r.records))
	fmt.Fprintf(&text, "| requests in a minute, of all collectors | at most %d | %d |\n", perMinute, r.perMinute)
	fmt.Fprintf(&text, "| requests in an hour, of all collectors | at most %d | %d |\n", perHour, r.perHour)
	fmt.Fprintf(&text, "| requests of two collectors that overlap | 0 | %d; at least %.1f s between them |\n", len(r.overlaps), shortestPause(r.turns).Seconds())
	f.T.Log("\n" + text.String())
	if report != "" {
		require.NoError(f.T, os.WriteFile(report, []byte(text.String()), 0o600))
	}
}

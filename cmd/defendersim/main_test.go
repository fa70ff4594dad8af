// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// command runs to its end, which it must reach without serving.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestMistakesOnTheCommandLineExitWith2AndSaySo(t *testing.T) {
	for _, c := range []struct{ args, word string }{
		{"--nope", "nope"},
		{"extra", `unexpected argument "extra"`},
		{"--incidents x", "incidents"},
		{"--incidents -1", "incidents: -1 is negative"},
		{"--fault bogus", "bogus"},
		{"--fault 500 --fault-probability 2", "--fault-probability"},
		{"--fault-probability 0.5", "needs --fault"},
		{"--fault row-twice", "--fault: fault row-twice: applies to List requests only"},
		{"--fault AADSTS53003", "--fault: fault AADSTS53003: applies to the token endpoint only"},
		{"--fault-times 2", "--fault-times needs --fault"},
		{"--fault 500 --fault-times -1", "--fault-times: -1 is negative"},
		{"--token-fault bogus", "bogus"},
		{"--token-fault alerts-null", "which has no incidents"},
		{"--token-fault link-bare", "which has no links"},
		{"--graph-expand-fails -1", "graph expand fails"},
		{"--list-fault bogus", "bogus"},
		{"--list-fault 500 --list-fault-probability -1", "--list-fault-probability"},
		{"--list-fault-probability 0.5", "needs --list-fault"},
		{"--list-fault-every 1h", "needs --list-fault"},
		{"--list-fault 500 --list-fault-every -1h", "--list-fault-every: -1h0m0s is negative"},
		{"--statuses 60/40", "statuses"},
		{"--statuses a/b/c", "not a number"},
		{"--statuses -1/1/1", "statuses: -1"},
		{"--large-share 2", "large share"},
		{"--back-to-active 2", "back to active"},
		{"--close-hourly -1", "close hourly"},
		{"--latency-min 1s", "latency: 1s to 0s"},
		{"--latency-min -1s", "latency: -1s to 0s"},
		{"--list-fault-on-skip", "needs --list-fault"},
		{"--alerts-fault bogus", "bogus"},
		{"--alerts-fault row-twice", "--alerts-fault: fault row-twice: applies to List requests only"},
		{"--alerts-fault-probability 0.5", "needs --alerts-fault"},
		{"--graph-per-minute -1", "graph limits"},
		{"--alerts-page -1", "alerts page"},
		{"--list-lag -1s", "list lag"},
		{"--list-link-host here", "list link host"},
		{"--list-status-filter maybe", "unknown list status filter"},
		{"--list-max-skip -1", "list max skip"},
		{"--change-shares earthquake=0.1", "earthquake"},
		{"--change-shares merge", "not a number"},
		{"--change-shares merge=0.1,merge=0.2", "set twice"},
		{"--change-shares merge=0.6,name=0.6", "more than 1"},
		{"--change-shares merge=-0.1", "not between 0 and 1"},
		{"--list-ids -1", "--list-ids"},
		{"--throttle-form loud", "loud"},
		{"--tls-ca-file ca.pem", "--tls-ca-file needs --tls"},
		{"--listen 0.0.0.0:8470", "--allow-non-loopback"},
		{"--listen :8470", "--allow-non-loopback"},
		{"--listen nowhere", "--listen"},
	} {
		code, stdout, stderr := command(t, strings.Fields(c.args)...)
		assert.Equal(t, 2, code, c.args)
		assert.Empty(t, stdout, c.args)
		assert.Contains(t, stderr, c.word, c.args)
	}
}

func TestHelpListsEveryFlagAndFault(t *testing.T) {
	code, help, _ := command(t, "--help")
	require.Zero(t, code)
	o := defaults()
	fs, _ := flagSet(&o)
	fs.VisitAll(func(f *flag.Flag) {
		assert.Contains(t, help, "  --"+f.Name+" ", f.Name)
	})
	for _, g := range defendersim.FaultGroups() {
		for _, k := range g.Kinds {
			assert.Equal(t, 1, strings.Count(help, "\n  "+k.Name+argument(k)+" "), k.Name)
		}
	}
}

func TestDocsNameOnlyFlagsAndFaultsThatExist(t *testing.T) {
	docs, err := os.ReadFile("../../docs/simulator.md")
	require.NoError(t, err)
	o := defaults()
	fs, _ := flagSet(&o)
	flags := regexp.MustCompile(`[\s\x60]--([a-z-]+)`).FindAllStringSubmatch(string(docs), -1)
	require.Greater(t, len(flags), 20)
	for _, f := range flags {
		if f[1] != "help" && f[1] != "config" && f[1] != "data-urlencode" { // the last two are other programs'
			assert.NotNil(t, fs.Lookup(f[1]), f[1])
		}
	}
	var faults []string
	for _, g := range defendersim.FaultGroups() {
		for _, k := range g.Kinds {
			faults = append(faults, k.Name)
		}
	}
	named := regexp.MustCompile(`(?:--[a-z-]*fault |[?]fault=)([A-Za-z0-9-]+)`).FindAllStringSubmatch(string(docs), -1)
	require.Greater(t, len(named), 5)
	for _, f := range named {
		assert.Contains(t, faults, f[1])
	}
}

// argument is what stands behind the name of a fault that takes one.
func argument(k defendersim.FaultKind) string {
	if k.Argument == "" {
		return ""
	}
	return "=" + k.Argument
}

func TestListIDsPrintsThemAndExits(t *testing.T) {
	code, stdout, _ := command(t, "--list-ids", "3", "--first-id", "50")
	assert.Zero(t, code)
	assert.Equal(t, "50\n51\n52\n", stdout)
	_, stdout, _ = command(t, "--list-ids", "3", "--incidents", "2")
	assert.Equal(t, "1001\n1002\n", stdout)
}

func TestFlagsReachTheSimulator(t *testing.T) {
	o, err := parse(strings.Fields("--seed 9 --per-hour 7 --roles A,B --throttle-form bare --token-lifetime 5m --quiet-after 1h"))
	require.NoError(t, err)
	assert.EqualValues(t, 9, o.sim.Seed)
	assert.Equal(t, 7, o.sim.PerHour)
	assert.Equal(t, []string{"A", "B"}, o.sim.Roles)
	assert.Equal(t, defendersim.ThrottleBare, o.sim.ThrottleForm)
	assert.Equal(t, 5*time.Minute, o.sim.TokenLifetime)
	assert.Equal(t, time.Hour, o.sim.QuietAfter)

	o, err = parse(strings.Fields("--bursty --new-per-hour 3 --clock-skew -5s --list-per-minute 4 --list-per-hour 5 --list-foreign-per-minute 6 --list-delay 1m --list-lag 2m --list-differs --list-link-host https://a.example --list-upper-bounds --list-status-filter ignored --list-max-skip 8"))
	require.NoError(t, err)
	want := defaults().sim
	want.Bursty, want.NewPerHour, want.ClockSkew = true, 3, -5*time.Second
	want.ListPerMinute, want.ListPerHour, want.ListForeignPerMinute = 4, 5, 6
	want.ListDelay, want.ListLag, want.ListDiffers, want.ListLinkHost = time.Minute, 2*time.Minute, true, "https://a.example"
	want.ListUpperBounds, want.ListStatusFilter, want.ListMaxSkip = true, defendersim.StatusFilterIgnored, 8
	want.ThrottleForm, want.Roles, want.TokenLifetime = o.sim.ThrottleForm, o.sim.Roles, o.sim.TokenLifetime
	assert.Equal(t, want, o.sim)

	o, err = parse(strings.Fields("--quiet-alert-moves --change-shares alert-alone=0.25,merge=0"))
	require.NoError(t, err)
	weights, err := defendersim.DefaultWeights().WithShares(map[defendersim.Kind]float64{defendersim.ChangeAlertAlone: 0.25, defendersim.ChangeMerge: 0})
	require.NoError(t, err)
	assert.Equal(t, weights, o.sim.Weights)
	assert.True(t, o.sim.QuietAlertMoves)

	o, err = parse(strings.Fields("--statuses 60/30/10 --large-share 0.005 --back-to-active 0.3 --close-hourly 40 --latency-min 100ms --latency-max 1.5s --list-fault 429-retry-after=90s --list-fault-every 1h"))
	require.NoError(t, err)
	want = defaults().sim
	want.Statuses = defendersim.StatusMix{Active: 60, InProgress: 30, Resolved: 10}
	want.LargeShare, want.BackToActive, want.CloseHourly = 0.005, 0.3, 40
	want.LatencyMin, want.LatencyMax, want.TokenLifetime = 100*time.Millisecond, 1500*time.Millisecond, o.sim.TokenLifetime
	assert.Equal(t, want, o.sim)
	rule, err := o.listFault.rule("list-fault", defendersim.ListRequests)
	require.NoError(t, err)
	assert.Equal(t, defendersim.Rule{Fault: defendersim.Fault{Name: "429-retry-after", Wait: 90 * time.Second}, Every: time.Hour}, rule)

	o, err = parse(strings.Fields("--graph-per-minute 4 --graph-per-hour 5 --graph-foreign-per-minute 6 --alerts-page 7 --alerts-skip-token --graph-coarse-times --graph-expand-fails 8 --graph-skip-token --no-alert-list --graph-no-count --graph-orderby-alone --graph-no-upper-bounds --no-alert-role --loose-alerts 0.5 --silent-alert-moves --alert-list-fault 503 --alert-list-fault-on-skip"))
	require.NoError(t, err)
	want = defaults().sim
	want.GraphPerMinute, want.GraphPerHour, want.GraphForeignPerMinute = 4, 5, 6
	want.AlertsPage, want.AlertsSkipToken, want.GraphCoarseTimes, want.GraphExpandFails = 7, true, true, 8
	want.GraphSkipToken, want.GraphNoCount, want.GraphOrderByAlone, want.GraphNoUpperBounds = true, true, true, true
	want.NoAlertList, want.NoAlertRole, want.LooseAlerts, want.SilentAlertMoves = true, true, 0.5, true
	want.TokenLifetime = o.sim.TokenLifetime
	rule, err = o.alertListFault.rule("alert-list-fault", defendersim.AlertListRequests)
	require.NoError(t, err)
	assert.Equal(t, defendersim.Rule{Fault: defendersim.Fault{Name: "503"}, OnSkip: true}, rule)
	assert.Equal(t, want, o.sim, "roles and the form of a 429 are those of each API unless they are given")

	o, err = parse([]string{"--roles", ""})
	require.NoError(t, err)
	assert.Equal(t, []string{}, o.sim.Roles)
}

func TestFlagsOverrideTheDemoWhereverTheyStand(t *testing.T) {
	o, err := parse(strings.Fields("--incidents 20 --demo"))
	require.NoError(t, err)
	assert.Equal(t, 20, o.sim.Incidents)
	assert.Equal(t, defendersim.DemoConfig().FirstID, o.sim.FirstID)
	assert.InDelta(t, 480, o.sim.ChangesPerHour, 0)
}

func TestOtherAddressesAreAllowedOnDemand(t *testing.T) {
	_, err := parse(strings.Fields("--listen 0.0.0.0:0 --allow-non-loopback"))
	assert.NoError(t, err)
	for _, address := range []string{"localhost:1", "127.0.0.2:1", "[::1]:1"} {
		_, err := parse([]string{"--listen", address})
		assert.NoError(t, err, address)
	}
}

// start runs the program, and returns what its first lines announce, the lines
// after them, and its exit code once it has ended.
func start(ctx context.Context, args string) (announced map[string]string, lines <-chan string, code <-chan int) {
	reader, writer := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, strings.Fields(args), writer, io.Discard)
		_ = writer.Close()
	}()
	printed := make(chan string, 100) // so that printing never waits for the test
	go func() {
		defer close(printed)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			printed <- scanner.Text()
		}
	}()
	announced = make(map[string]string)
	for line := range printed {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "  ")
		announced[name] = strings.TrimSpace(value)
		if name == "end all faults" {
			break
		}
	}
	return announced, printed, ended
}

// The program serves what its first lines announce, and ends in good order
// although one request hangs.
func TestServesWhatItAnnouncesUntilItIsStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	announced, lines, code := start(ctx, "--demo --listen 127.0.0.1:0 --allow-anonymous --log --fault 503 --list-fault 504 --list-fault-on-skip --alerts-fault 500 --alert-list-fault 504 --alert-list-fault-on-skip --token-fault AADSTS90033 --token-fault-times 1")
	endpoint := announced["endpoint"]
	require.NotEmpty(t, endpoint)
	assert.Equal(t, "113", announced["unknown id"])
	assert.Equal(t, "https://graph.microsoft.com/.default", announced["graph scope"])
	assert.Equal(t, "150 per minute, no limit per hour", announced["graph limits"])
	assert.Contains(t, announced["incidents"], "12: ")
	assert.NotEqual(t, "none", announced["merged"])

	assert.Equal(t, http.StatusServiceUnavailable, status(t, http.MethodGet, endpoint+"/api/incidents/101"))
	assert.Regexp(t, `GET /api/incidents/101 503 \d+B .* fault=503$`, <-lines)
	assert.Equal(t, http.StatusOK, status(t, http.MethodGet, endpoint+"/api/incidents?$top=2"))
	assert.Regexp(t, `GET /api/incidents\?\$top=2 200 \d+B .* rows=2$`, <-lines)
	assert.Equal(t, http.StatusGatewayTimeout, status(t, http.MethodGet, endpoint+"/api/incidents?$skip=2"))
	<-lines
	assert.Equal(t, http.StatusOK, status(t, http.MethodGet, endpoint+"/v1.0/security/incidents?$top=2"))
	assert.Regexp(t, `GET /v1.0/security/incidents\?\$top=2 200 \d+B .* api=graph rows=2$`, <-lines)
	assert.Equal(t, http.StatusServiceUnavailable, status(t, http.MethodGet, endpoint+"/v1.0/security/incidents/101?$expand=alerts"))
	assert.Regexp(t, ` api=graph fault=503$`, <-lines)
	assert.Equal(t, http.StatusInternalServerError, status(t, http.MethodGet, endpoint+"/v1.0/security/incidents/101/alerts"))
	assert.Regexp(t, ` api=graph fault=500$`, <-lines)
	assert.Equal(t, http.StatusOK, status(t, http.MethodGet, endpoint+"/v1.0/security/alerts_v2?$top=3"))
	assert.Regexp(t, `GET /v1.0/security/alerts_v2\?\$top=3 200 \d+B .* api=graph rows=3$`, <-lines)
	assert.Equal(t, http.StatusGatewayTimeout, status(t, http.MethodGet, endpoint+"/v1.0/security/alerts_v2?$skip=3"))
	<-lines
	assert.Equal(t, http.StatusInternalServerError, status(t, http.MethodPost, announced["token url"]))
	assert.Regexp(t, ` 500 .* fault=AADSTS90033$`, <-lines)
	assert.Equal(t, http.StatusBadRequest, status(t, http.MethodPost, announced["token url"]), "it struck once")
	<-lines
	assert.Equal(t, http.StatusNoContent, status(t, http.MethodPut, endpoint+"/sim/faults/102?fault=hang"))
	hung, sent := make(chan error, 1), make(chan struct{})
	traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) },
	})
	r, err := http.NewRequestWithContext(traced, http.MethodGet, endpoint+"/api/incidents/102", nil)
	require.NoError(t, err)
	go func() {
		resp, err := new(http.Transport).RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		hung <- err
	}()
	<-sent
	stop()
	assert.Zero(t, <-code)
	assert.Error(t, <-hung)
}

func TestServesTLSThatTheFileMakesTrusted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	file := filepath.Join(t.TempDir(), "ca.pem")
	announced, _, code := start(ctx, "--demo --listen 127.0.0.1:0 --allow-anonymous --tls --tls-ca-file "+file)
	assert.Equal(t, "curl --cacert "+file+" "+announced["endpoint"]+"/sim/incidents", announced["show incidents"])
	inPEM, err := os.ReadFile(file)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(inPEM))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	_, port, _ := strings.Cut(strings.TrimPrefix(announced["endpoint"], "https://"), ":")
	for _, host := range []string{"127.0.0.1", "localhost"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+":"+port+"/api/incidents/101", nil)
		require.NoError(t, err)
		resp, err := transport.RoundTrip(r)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, "HTTP/2.0", resp.Proto)
		require.NoError(t, resp.Body.Close())
	}
	transport.CloseIdleConnections()
	stop()
	assert.Zero(t, <-code)
}

func TestACertificateThatCannotBeWrittenEndsTheProgram(t *testing.T) {
	code, stdout, stderr := command(t, "--listen", "127.0.0.1:0", "--tls", "--tls-ca-file", filepath.Join(t.TempDir(), "none", "ca.pem"))
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "ca.pem: no such file or directory")
}

func status(t *testing.T, method, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

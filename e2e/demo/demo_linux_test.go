// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// within is how long anything may take on a busy machine.
const within = 3 * time.Minute

// browserFlags keep Chromium from everything but the page.
var browserFlags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
	"--disable-background-networking", "--disable-component-update", "--disable-sync",
	"--window-size=1280,900", "--virtual-time-budget=10000",
}

func TestDemoShowsIncidentsAndTheirChangesInABrowser(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*within) // outlives the test until its programs have ended
	t.Cleanup(cancel)
	browser, err := exec.LookPath("chromium")
	require.NoError(t, err, "install Debian's package chromium")
	ports := freePorts(t, 3)
	notifier := harness.NewNotifier()
	demo := harness.Launch(ctx, t, notifier, []string{
		"PATH=" + os.Getenv("PATH"), "SIMULATOR_PORT=" + ports[0], "LOGS_PORT=" + ports[1], "METRICS_PORT=" + ports[2],
	}, script)
	t.Cleanup(func() { // before it is killed: then nobody would end its programs
		select {
		case <-demo.Done():
		default:
			demo.End(t, syscall.SIGTERM)
		}
	})
	eventually(t, "it says where to look", func() bool { return strings.Contains(demo.Log(), "Ctrl-C ends all") })
	links := map[string]string{}
	for _, link := range regexp.MustCompile(`(?m)^  (open and severe|what changed|one incident) +(http\S+)$`).FindAllStringSubmatch(demo.Log(), -1) {
		links[link[1]] = link[2]
	}
	require.Len(t, links, 3)
	api := "http://127.0.0.1:" + ports[0]

	// The page of one incident: what it was first, and then what it became.
	id := regexp.MustCompile(`incident\.id%3A%3D(\d+)`).FindStringSubmatch(links["one incident"])[1]
	page := func(link, want string) bool { return strings.Contains(dump(t, browser, links[link]), want) }
	eventually(t, "the incident is first seen", func() bool { return page("one incident", "incident "+id+" first_seen: ") })
	require.True(t, page("one incident", "incident "+id+" alert first_seen: "), "with its alerts")
	before := state(t, api, id)
	post(t, api+"/sim/incidents/"+id+"/change?kind=status")
	after := state(t, api, id)
	require.NotEqual(t, before, after)
	changed := regexp.MustCompile(`incident ` + id + ` (updated|resolved|reopened): [^\n]*, ` + after + `\b`)
	eventually(t, "the new state shows", func() bool { return changed.MatchString(dump(t, browser, links["one incident"])) })
	eventually(t, "so it does among the changes", func() bool { return changed.MatchString(dump(t, browser, links["what changed"])) })

	eventually(t, "there are open and severe incidents", func() bool { return page("open and severe", ", High, Active") })
	if screenshot != "" {
		run(t, browser, links["open and severe"], "--screenshot="+screenshot)
	}

	metrics := get(t, "http://127.0.0.1:"+ports[2]+"/metrics")
	require.Contains(t, metrics, "otelcol_receiver_defender_incidents_change_delay_count")
	require.Contains(t, metrics, "otelcol_receiver_defender_incidents_quota_remaining")

	demo.Stop(t)
	for _, port := range ports {
		connection, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			require.NoError(t, connection.Close())
		}
		require.Error(t, err, "nothing is left running at port %s", port)
	}
}

func TestDemoRefusesAPortThatIsInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	command := harness.Command(t.Context(), script)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "SIMULATOR_PORT=" + port}
	output, err := command.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "make demo: port "+port+" is in use")
}

// freePorts returns ports that nobody listens on.
func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { require.NoError(t, listener.Close()) }()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		require.NoError(t, err)
		ports = append(ports, port)
	}
	return ports
}

// eventually looks once a second until it sees what it waits for. It looks from the
// test's own goroutine: only that may end the test.
func eventually(t *testing.T, what string, look func() bool) {
	t.Helper()
	ticker, timeout := time.NewTicker(time.Second), time.After(within)
	defer ticker.Stop()
	for !look() {
		select {
		case <-ticker.C:
		case <-timeout:
			require.FailNow(t, "timeout", what)
		}
	}
}

// dump returns the text of a page after its scripts have run.
func dump(t *testing.T, browser, url string) string {
	t.Helper()
	document := run(t, browser, url, "--dump-dom")
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(document, "\n"))
}

// run opens a page in a browser without any history.
func run(t *testing.T, browser, url string, flags ...string) string {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "profile")
	command := harness.Command(t.Context(), browser, append(append(browserFlags, "--user-data-dir="+profile), append(flags, url)...)...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	output, err := command.Output()
	require.NoError(t, err)
	return string(output)
}

// state is the status of an incident at the simulator.
func state(t *testing.T, api, id string) string {
	t.Helper()
	var incidents []struct{ States []struct{ Status string } }
	require.NoError(t, json.Unmarshal([]byte(get(t, api+"/sim/states?id="+id)), &incidents))
	require.Len(t, incidents, 1)
	states := incidents[0].States
	require.NotEmpty(t, states)
	return states[len(states)-1].Status
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", body)
	return string(body)
}

func post(t *testing.T, url string) {
	t.Helper()
	response, err := http.Post(url, "", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Less(t, response.StatusCode, 300, url)
}

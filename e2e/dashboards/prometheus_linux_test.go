// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// prometheus is a running Prometheus that scrapes every second.
type prometheus struct {
	*harness.Harness
	process *harness.Program
	url     string
}

// installed returns the path of a program of the Debian package prometheus.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	require.NoError(t, err, "install Prometheus, with %s: apt-get install prometheus", program)
	return path
}

// newPrometheus starts a Prometheus that scrapes each collector as an instance of
// that name.
func newPrometheus(t *testing.T, setups map[string]*setup, rules string) *prometheus {
	t.Helper()
	type targets struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	var all []targets
	for name, s := range setups {
		all = append(all, targets{[]string{s.metrics}, map[string]string{"instance": name}})
	}
	config, err := json.Marshal(map[string]any{ // JSON is YAML, too
		"global":         map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{harness.WriteFile(t, "rules.yml", rules)},
		"scrape_configs": []any{map[string]any{"job_name": "otelcol", "static_configs": all}},
	})
	require.NoError(t, err)
	address := harness.FreeAddress(t)
	p := &prometheus{Harness: harness.NewWithoutSim(t, timeLimit), url: "http://" + address}
	p.process = harness.Launch(p.Ctx, t, p.Notifier, nil, installed(t, "prometheus"), "--config.file="+harness.WriteFile(t, "prometheus.yml", string(config)),
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address)
	p.await("a Prometheus that answers", func() bool { return p.get("/-/ready", nil, nil) == nil })
	return p
}

// await checks a condition until it holds.
func (p *prometheus) await(what string, condition func() bool) {
	p.T.Helper()
	p.Poll(p.process, what, 250*time.Millisecond, condition)
}

// line is one series of a query's result.
type line struct {
	Metric map[string]string
	Value  point
}

// point is a value at a time, in seconds.
type point struct{ at, value float64 }

func (p *point) UnmarshalJSON(text []byte) error {
	var pair [2]any
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	at, ok := pair[0].(float64)
	value, isText := pair[1].(string)
	if !ok || !isText {
		return fmt.Errorf("%s is no point", text)
	}
	number, err := strconv.ParseFloat(value, 64)
	*p = point{at, number}
	return err
}

// now returns the current result of a query.
func (p *prometheus) now(expr string) []line {
	p.T.Helper()
	var response struct{ Data struct{ Result []line } }
	require.NoError(p.T, p.get("/api/v1/query", url.Values{"query": {expr}}, &response), expr)
	return response.Data.Result
}

// values returns the values of a label, as Grafana does for a variable.
func (p *prometheus) values(label, selector string) []string {
	p.T.Helper()
	var answer struct{ Data []string }
	require.NoError(p.T, p.get("/api/v1/label/"+label+"/values", url.Values{"match[]": {selector}}, &answer), selector)
	return answer.Data
}

// alerts returns the alerts in a state, by instance: firing, or pending.
func (p *prometheus) alerts(state string) map[string][]string {
	p.T.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	require.NoError(p.T, p.get("/api/v1/alerts", nil, &answer))
	all := map[string][]string{}
	for _, a := range answer.Data.Alerts {
		if a.State == state {
			all[a.Labels["instance"]] = append(all[a.Labels["instance"]], a.Labels["alertname"])
		}
	}
	return all
}

// get sends a request and decodes the response into answer, unless that is nil.
func (p *prometheus) get(path string, form url.Values, answer any) error {
	request, err := http.NewRequestWithContext(p.Ctx, http.MethodGet, p.url+path+"?"+form.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", response.Status, text)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}

// filled is a query as Grafana sends it, with the values of its variables.
func filled(expr, instance, window, interval string) string {
	return strings.NewReplacer("$__rate_interval", interval, "$window", window, "$job", ".*", "$instance", instance, "$receiver", "defender_incidents.*").Replace(expr)
}

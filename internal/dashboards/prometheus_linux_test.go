package dashboards

import (
	"context"
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
)

// prometheus is one that scrapes each second.
type prometheus struct {
	t       *testing.T
	ctx     context.Context // the deadline of the test, whose steps are methods
	process *process
	url     string
}

// installed is the path of a program of Debian's package prometheus.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	require.NoError(t, err, "install Prometheus, with %s: apt-get install prometheus", program)
	return path
}

// newPrometheus scrapes stages, each as an instance of its name.
func newPrometheus(ctx context.Context, t *testing.T, stages map[string]*stage, rules string) *prometheus {
	t.Helper()
	type targets struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	var all []targets
	for name, s := range stages {
		all = append(all, targets{[]string{s.metrics}, map[string]string{"instance": name}})
	}
	config, err := json.Marshal(map[string]any{ // which is YAML, too
		"global":         map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{write(t, "rules.yml", rules)},
		"scrape_configs": []any{map[string]any{"job_name": "otelcol", "static_configs": all}},
	})
	require.NoError(t, err)
	address := freeAddress(t)
	p := &prometheus{t: t, ctx: ctx, url: "http://" + address}
	p.process = launch(ctx, t, installed(t, "prometheus"), "--config.file="+write(t, "prometheus.yml", string(config)),
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address)
	p.await("a Prometheus that answers", func() bool { return p.get("/-/ready", nil, nil) == nil })
	return p
}

// await looks again and again whether a condition holds.
func (p *prometheus) await(what string, holds func() bool) {
	p.t.Helper()
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-p.process.ended:
			require.FailNow(p.t, "Prometheus has ended", "while waiting for %s", what)
		case <-p.ctx.Done():
			require.FailNow(p.t, "the time is up", "while waiting for %s", what)
		}
	}
}

// line is one that a query has for an answer.
type line struct {
	Metric map[string]string
	Value  point   // of a query for a moment
	Values []point // of one for a time
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

// now asks for the present answer.
func (p *prometheus) now(expr string) []line {
	p.t.Helper()
	return p.lines("/api/v1/query", url.Values{"query": {expr}})
}

func (p *prometheus) lines(path string, form url.Values) []line {
	p.t.Helper()
	var answer struct{ Data struct{ Result []line } }
	require.NoError(p.t, p.get(path, form, &answer), "%v", form["query"])
	return answer.Data.Result
}

// values are those of a label, as Grafana asks for the choices of a variable.
func (p *prometheus) values(label, selector string) []string {
	p.t.Helper()
	var answer struct{ Data []string }
	require.NoError(p.t, p.get("/api/v1/label/"+label+"/values", url.Values{"match[]": {selector}}, &answer), selector)
	return answer.Data
}

// firing are the alerts that fire, by instance.
func (p *prometheus) firing() map[string][]string {
	p.t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	require.NoError(p.t, p.get("/api/v1/alerts", nil, &answer))
	all := map[string][]string{}
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			all[a.Labels["instance"]] = append(all[a.Labels["instance"]], a.Labels["alertname"])
		}
	}
	return all
}

// get asks and decodes the answer; nil: it is of no interest.
func (p *prometheus) get(path string, form url.Values, answer any) error {
	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, p.url+path+"?"+form.Encode(), http.NoBody)
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

// filled is a query as Grafana sends it once it has filled in what was chosen.
func filled(expr, instance, window, interval string) string {
	return strings.NewReplacer("$__rate_interval", interval, "$window", window, "$job", ".*", "$instance", instance, "$receiver", "defender_incidents.*").Replace(expr)
}

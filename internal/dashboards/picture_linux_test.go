package dashboards

import (
	"context"
	"math"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// TestPicture draws the dashboard as it looks after a collector has run for a
// while, with changes, a change feed, and some 429s towards the middle.
func TestPicture(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), shown+2*time.Minute)
	defer cancel()
	cfg := lively(40)
	cfg.ChangesPerHour, cfg.AlertsPerIncident, cfg.PerMinute, cfg.PerHour = 900, 0, 100, 1500
	s := newStage(ctx, t, cfg, settings{
		Interval: 30 * time.Second, RateLimit: "{requests_per_minute: 100, requests_per_hour: 1500}",
		ChangeFeed: "{interval: 15s, rate_limit: {requests_per_minute: 50, requests_per_hour: 1500}}",
	}, nil)
	p := newPrometheus(ctx, t, map[string]*stage{"127.0.0.1:8888": s}, "groups: []")
	d, began := readDashboard(t), time.Now()

	pause(ctx, t, shown*2/5)
	f, err := defendersim.ParseFault("429=15s")
	require.NoError(t, err)
	require.NoError(t, s.sim.SetFault(defendersim.AllIncidents, defendersim.Rule{Fault: f, Times: 6}))
	pause(ctx, t, shown*3/5)

	from, to := began.Add(15*time.Second), time.Now()
	drawn := drawing{from: from, to: to}
	for _, panel := range d.Panels {
		var curves []curve
		for _, each := range panel.Targets {
			lines := p.during(filled(each.Expr, ".*", "2m", "15s"), from, to, to.Sub(from)/150)
			require.NotEmpty(t, lines, each.Expr)
			for _, l := range lines {
				curves = append(curves, curve{name: legend(each.LegendFormat, l.Metric), points: finite(l.Values)})
			}
		}
		drawn.panel(panel, curves)
	}
	require.NoError(t, os.WriteFile(picture, []byte(drawn.svg()), 0o600))
	require.NoError(t, os.Chmod(picture, 0o644)) // it is part of the docs
}

// pause waits for as long as something is to be watched.
func pause(ctx context.Context, t *testing.T, d time.Duration) {
	t.Helper()
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
		require.FailNow(t, "the time is up")
	}
}

// during asks for the answers of a time.
func (p *prometheus) during(expr string, from, to time.Time, step time.Duration) []line {
	p.t.Helper()
	seconds := func(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64) }
	return p.lines("/api/v1/query_range", url.Values{
		"query": {expr}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', 3, 64)},
	})
}

// finite leaves out the moments at which there was nothing to divide.
func finite(points []point) []point {
	var kept []point
	for _, p := range points {
		if !math.IsNaN(p.value) && !math.IsInf(p.value, 0) {
			kept = append(kept, p)
		}
	}
	return kept
}

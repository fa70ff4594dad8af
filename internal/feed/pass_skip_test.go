// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestPassReadsOnlyIncidentsIfTheListOfAlertsFails(t *testing.T) {
	for name, requested := range map[string]bool{"before their number was requested": false, "and after": true} {
		t.Run(name, func(t *testing.T) {
			l := newLists(120, 300)
			p := newPasser(graphLimits())
			if requested {
				require.True(t, p.request(t))
			}
			p.SkipAlerts(p.now)
			require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
			p.requireShown(t, l.incidents...)
			require.True(t, p.Progress().IncidentsRead)
			require.Zero(t, p.Progress().AlertsShown)
			for _, q := range p.requests {
				require.False(t, q.Alerts && q.Top > 1)
				require.False(t, q.Alerts && !requested)
			}
		})
	}
}

func TestSkipAlertsDoesNotEndThePhaseOfAlerts(t *testing.T) {
	l := newLists(60, 700)
	p := newPasser(graphLimits())
	skipped := false
	require.Equal(t, []Ending{AllRead, AllRead}, p.run(t, func(q defender.ListRequest) *defender.Page {
		if p.Phase() == PhaseAlerts && !skipped {
			p.SkipAlerts(p.now)
			skipped = true
		}
		return l.page(q)
	}))
	p.requireShown(t, l.alerts...)
	require.True(t, skipped)
}

func TestPassOfAlertsReadsThoseCreatedSinceATime(t *testing.T) {
	l := newLists(60, 1500)
	p := newPasser(graphLimits())
	p.Stop()
	since := noon.Add(700 * time.Second)
	p.BeginAlerts(since, p.now)
	began := p.now
	_, known := p.Expected()
	require.False(t, known)
	require.True(t, p.request(t))
	require.Equal(t, defender.ListRequest{Alerts: true, ByCreation: true, Count: true, CreatedSince: since, Top: 200}, p.requests[0])
	p.arrive(0, l.page(p.inFlight[0]))
	p.handle(t)
	expected, known := p.Expected()
	require.True(t, known)
	require.Equal(t, []Ending{AllRead}, p.run(t, l.page))
	p.requireShown(t, l.alerts[700:]...)
	require.Len(t, p.shown, 800)
	require.Len(t, p.requests, expected)
	require.Equal(t, PassProgress{Phase: PhaseDone, AlertsShown: began}, p.Progress())
}

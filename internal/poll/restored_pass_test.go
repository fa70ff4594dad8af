// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
)

func TestPassOfAnEarlierRunIsRestored(t *testing.T) {
	now := time.Date(2026, 9, 6, 12, 0, 0, 0, time.UTC)
	before, since := now.Add(-time.Hour), now.AddDate(0, -1, 0)
	for name, c := range map[string]struct {
		stored checkpoint.Pass
		want   feed.PassProgress
	}{
		"none": {checkpoint.Pass{}, feed.PassProgress{}},
		"under way": {
			checkpoint.Pass{Phase: feed.PhaseAlerts, Since: since, IncidentsRead: true, AlertsFrom: before, AlertsShown: since},
			feed.PassProgress{Phase: feed.PhaseAlerts, Since: since, IncidentsRead: true, AlertsFrom: before, AlertsShown: since},
		},
		"under way, of an earlier version": {
			checkpoint.Pass{Phase: feed.PhaseAlerts, Since: since, IncidentsRead: true},
			feed.PassProgress{Phase: feed.PhaseAlerts, IncidentsRead: true, AlertsFrom: now}, // reads all alerts again
		},
		"done": {
			checkpoint.Pass{Phase: feed.PhaseDone, IncidentsRead: true, AlertsShown: before},
			feed.PassProgress{Phase: feed.PhaseDone, IncidentsRead: true, AlertsShown: before},
		},
		"done, of an earlier version": {
			checkpoint.Pass{Phase: feed.PhaseDone, AlertsRead: true}, feed.PassProgress{Phase: feed.PhaseDone, AlertsShown: now},
		},
		"done, without all alerts": {checkpoint.Pass{Phase: feed.PhaseDone, IncidentsRead: true}, feed.PassProgress{Phase: feed.PhaseDone, IncidentsRead: true}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, restoredPass(c.stored, now)) })
	}
}

// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestFeedKnowsARowThatAnEarlierCallHasShown(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	changed := now.Add(-time.Hour)
	f := New(Settings{Interval: time.Minute, Lookback: time.Hour, MaxTop: 100, Boundary: now.Add(-24 * time.Hour)}, now)
	row := defender.Row{ID: 1, LastUpdate: changed}
	require.False(t, f.ShownBefore(row))

	page := &defender.Page{Rows: []defender.Row{row}, Date: now}
	f.Requested(now)
	f.Arrived(page, now)
	require.False(t, f.ShownBefore(row), "the call that shows it for the first time has not ended")
	f.TakePage()
	require.Equal(t, Complete, f.FinishPage(page, now))
	require.False(t, changed.Before(f.Boundary()), "the next call shows it again")
	require.True(t, f.ShownBefore(row))
	require.False(t, f.ShownBefore(defender.Row{ID: 1, LastUpdate: changed.Add(time.Nanosecond)}))
}

func TestCallEndsIfItsPagesShowNothingNew(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	boundary := now.Add(-24 * time.Hour)
	f := New(Settings{Interval: time.Minute, Lookback: time.Hour, MaxTop: 100, Boundary: boundary}, now)
	rows := []defender.Row{{ID: 1, LastUpdate: now}, {ID: 2, LastUpdate: now}}
	answer := func(rows []defender.Row, next int) CallResult {
		return f.FinishPage(&defender.Page{Rows: rows, Next: next, Date: now}, now)
	}
	pages := 1
	for ; answer(rows, 100*pages) == Continues; pages++ {
	}
	require.Equal(t, 7, pages, "the first page shows new ones")
	require.Equal(t, boundary, f.Boundary())
	require.Equal(t, now, f.Completed(), "since the start")

	for page := range int64(30) {
		require.Equal(t, Continues, answer([]defender.Row{{ID: 1}, {ID: 100 + page}}, 100*int(page+1)), "each shows a new one")
	}
	require.Equal(t, Complete, answer(rows, 0))
}

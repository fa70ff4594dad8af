// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestAConditionIsLoggedOnceUntilItEnds(t *testing.T) {
	var c Conditions
	now := time.Unix(0, 0)
	require.NotNil(t, c.Failed("storage", now, zap.ErrorLevel, "fails"))
	require.Nil(t, c.Failed("storage", now.Add(time.Hour), zap.ErrorLevel, "fails"))
	require.NotNil(t, c.Failed("pipeline", now, zap.ErrorLevel, "fails"), "another one is another matter")

	works := c.Succeeded("storage", now.Add(2*time.Hour), "works")
	require.NotNil(t, works)
	require.Equal(t, "works", works.Message)
	require.Equal(t, []zap.Field{zap.Int("failures", 2), zap.String("after", "2h")}, works.Fields)
	require.Nil(t, c.Succeeded("storage", now.Add(3*time.Hour), "works"))
	require.Nil(t, c.Succeeded("never failed", now, "works"))
}

func TestAConditionThatWorksByTurnsHasSettledWhenItNoLongerFails(t *testing.T) {
	var c Conditions
	began := time.Unix(0, 0)
	require.Nil(t, c.Settled("storage", began, time.Minute, "works"), "it never failed")
	require.NotNil(t, c.Failed("storage", began, zap.ErrorLevel, "fails"))
	for second := range 120 {
		now := began.Add(time.Duration(second) * time.Second)
		require.Nil(t, c.Settled("storage", now, time.Minute, "works"))
		require.Nil(t, c.Failed("storage", now, zap.ErrorLevel, "fails"))
	}
	require.Nil(t, c.Settled("storage", began.Add(178*time.Second), time.Minute, "works"))
	works := c.Settled("storage", began.Add(179*time.Second), time.Minute, "works")
	require.NotNil(t, works)
	require.Equal(t, []zap.Field{zap.Int("failures", 121), zap.String("after", "1m59s")}, works.Fields)
	require.Nil(t, c.Settled("storage", began.Add(time.Hour), time.Minute, "works"), "logged once")
}

func TestAConditionThatComesAndGoesTakesFewLinesADay(t *testing.T) {
	var c Conditions
	lines := 0
	for second := range 24 * 60 * 60 {
		now := time.Unix(int64(second), 0)
		if c.Failed("storage", now, zap.ErrorLevel, "fails") != nil {
			lines++
		}
		if c.Succeeded("storage", now, "works") != nil {
			lines++
		}
	}
	require.Greater(t, lines, 2)
	require.Less(t, lines, 25)
}

func TestAConditionThatReturnsMuchLaterIsLoggedAtOnce(t *testing.T) {
	var c Conditions
	now := time.Unix(0, 0)
	for range 5 {
		require.NotNil(t, c.Failed("storage", now, zap.ErrorLevel, "fails"))
		require.NotNil(t, c.Succeeded("storage", now, "works"))
		now = now.Add(2 * quietFirst)
	}
}

func TestTenEventsOfAKindAnHourAreLogged(t *testing.T) {
	var c Conditions
	now := time.Unix(0, 0)
	for n := range 25 {
		require.Equal(t, n < maxOfAKind, c.Event("merged", now, zap.WarnLevel, "merged") != nil)
	}
	require.NotNil(t, c.Event("older", now, zap.WarnLevel, "older"))
	require.NotNil(t, c.Event("merged", now.Add(time.Hour), zap.WarnLevel, "merged"))
}

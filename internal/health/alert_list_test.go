// SPDX-License-Identifier: Apache-2.0

package health

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"pgregory.net/rapid"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestTheLastFailureOfTheAlertListMakesAStateButNoStatus(t *testing.T) {
	for name, c := range map[string]struct {
		steps   []step // only the last one raises the state
		message string
	}{
		"forbidden":       {times(2, alerts, defender.Forbidden), msgAlertListDenied},
		"unauthorized":    {times(2, alerts, defender.Unauthorized), msgAlertListDown},
		"server errors":   {times(3, alerts, defender.ServerError), msgAlertListDown},
		"web pages":       {times(2, alerts, defender.Malformed), msgAlertListDown},
		"no such list":    {times(2, alerts, defender.Rejected), msgAlertListDown},
		"after a success": {join(times(2, alerts, defender.ServerError), times(1, alerts, 0), times(3, alerts, defender.ServerError)), msgAlertListDown},
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, 20)
			last := len(c.steps) - 1
			for _, s := range c.steps[:last] {
				require.Zero(t, h.do(s).Hold)
				require.False(t, h.AlertListDown())
				require.Empty(t, h.messages())
			}
			v := h.do(c.steps[last])
			require.Positive(t, v.Hold)
			require.Equal(t, v.Hold, v.Retry)
			require.Equal(t, AlertList, v.Held)
			require.Equal(t, []zapcore.Level{zapcore.WarnLevel}, h.levels(c.message))
			require.Len(t, h.lines, 1)
			require.True(t, h.AlertListDown())
			require.False(t, h.ListDown())
			require.False(t, h.Down())

			h.do(step{1, 0}, step{0, 0})
			require.True(t, h.AlertListDown(), "not what another endpoint answers")
			h.do(step{alerts, 0})
			require.False(t, h.AlertListDown())
			h.wait(time.Hour)
			require.Equal(t, []string{c.message, msgAlertListCleared}, h.messages())
			require.Nil(t, h.status)
		})
	}
}

func TestOneFailureOfTheAlertListIsNoState(t *testing.T) {
	h := byHand(t, 20)
	for range 20 {
		v := h.do(step{alerts, defender.Forbidden})
		require.Zero(t, v.Hold)
		require.LessOrEqual(t, v.Retry, 15*time.Second)
		h.do(step{alerts, 0})
	}
	require.Empty(t, h.lines)
}

func TestWithoutPermissionTheAlertListIsRequestedHourly(t *testing.T) {
	day := 24 * time.Hour
	s := newSim(t, 20, true, func(id int64, now time.Time) *defender.Error {
		if id == alerts && now.Sub(start()) < day {
			return &defender.Error{
				Kind: defender.Forbidden, Advice: "grant it", Permission: "SecurityAlert.Read.All", Err: errors.New("as told"),
			}
		}
		return nil
	}).withAlerts()
	s.run(day)
	require.GreaterOrEqual(t, s.requests[alerts], 24)
	require.LessOrEqual(t, s.requests[alerts], 24*60/49+2)
	require.Len(t, s.lines, 1, "%v", s.messages())
	require.Equal(t, msgAlertListDenied, s.lines[0].Message)
	require.Equal(t, zapcore.WarnLevel, s.lines[0].Level)
	require.Contains(t, s.lines[0].Fields, zap.String("permission_needed", "SecurityAlert.Read.All"))

	s.run(time.Hour + 2*time.Minute)
	require.Equal(t, map[string]int{msgAlertListDenied: 1, msgAlertListCleared: 1}, s.messages())
	require.Empty(t, s.statuses)
}

// A token that is refused is refused everywhere, and soon works again.
func TestOtherFailuresOfTheAlertListAreRetriedAsThoseOfTheList(t *testing.T) {
	for kind, longest := range map[defender.Kind]time.Duration{
		defender.ServerError: time.Minute, defender.Rejected: 5 * time.Minute, defender.Unauthorized: 5 * time.Minute,
	} {
		h := byHand(t, 20)
		var most time.Duration
		for range 200 {
			v := h.do(step{alerts, kind})
			most = max(most, v.Hold)
			h.now = h.now.Add(v.Retry)
		}
		require.LessOrEqual(t, most, longest, kind)
		require.Greater(t, most, longest/2, kind)
	}
	h := byHand(t, 20)
	h.do(times(2, alerts, defender.Unauthorized)...)
	h.now = h.now.Add(time.Hour)
	require.Greater(t, h.do(step{alerts, defender.Forbidden}).Hold, 45*time.Minute, "now it is the permission")
	h.now = h.now.Add(time.Hour)
	require.LessOrEqual(t, h.do(step{alerts, defender.Unauthorized}).Hold, 5*time.Minute)
}

func TestASignInThatWorksAgainEndsTheHoldOfTheAlertList(t *testing.T) {
	h := byHand(t, 20)
	require.Equal(t, SignIn, h.do(step{alerts, defender.NoToken}).Held)
	require.Empty(t, h.do(step{alerts, 0}).Resume)
	require.Equal(t, []Endpoint{Get, List, AlertList}, h.do(step{1, 0}).Resume)
	require.Equal(t, []string{msgNoToken}, h.messages())

	h = byHand(t, 20)
	h.do(times(2, alerts, defender.Forbidden)...)
	h.do(step{1, defender.NoToken})
	require.Equal(t, []Endpoint{Get, List}, h.do(step{2, 0}, step{3, 0}).Resume)
}

func TestAMissingAlertListIsNoReasonToCheckTheEndpoint(t *testing.T) {
	failure := &defender.Error{Kind: defender.Rejected, Err: errors.New("there is no list of alerts")}
	require.Empty(t, advice(AlertList, misconfigured, failure))
	require.NotEmpty(t, advice(List, misconfigured, failure))
}

func TestA429OfTheAlertListPauses(t *testing.T) {
	h := byHand(t, 20)
	v := h.do(step{alerts, defender.Throttled})
	require.True(t, v.Pause)
	require.True(t, v.Learn)
	require.True(t, v.LogPause)
	require.Zero(t, v.Hold)
}

// Whatever the alert list does, the others are polled, logged and reported as if there were none.
func TestFailuresOfTheAlertListConcernNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var alone []defender.Kind
		for _, kind := range kinds() {
			if kind != defender.NoToken { // which is the sign-in's
				alone = append(alone, kind)
			}
		}
		mix := rapid.SliceOfN(rapid.SampledFrom(alone), 1, 4).Draw(t, "mix")
		down := time.Duration(rapid.IntRange(1, 300).Draw(t, "down")) * time.Second
		up := time.Duration(rapid.IntRange(0, 300).Draw(t, "up")) * time.Second
		incidents := rapid.IntRange(1, 20).Draw(t, "incidents")
		s := newSim(t, incidents, true, func(id int64, now time.Time) *defender.Error {
			if id != alerts || now.Sub(start())%(down+up) >= down {
				return nil
			}
			return failure(mix[rapid.IntRange(0, len(mix)-1).Draw(t, "which")])
		}).withAlerts()
		s.run(time.Hour)
		require.Empty(t, s.statuses)
		require.NoError(t, s.status())
		require.GreaterOrEqual(t, s.polls(0), incidents*(12-2))
		require.GreaterOrEqual(t, s.requests[0], 120*95/100)
		for message := range s.messages() {
			require.Contains(t, []string{msgAlertListDenied, msgAlertListDown, msgAlertListCleared, msgAnotherCause}, message)
		}
		require.LessOrEqual(t, len(s.lines), 30, "%v, as with other endpoints", s.messages())
		require.False(t, s.heldGet.After(start()), "no hold of another endpoint")
		require.False(t, s.heldList.After(start()))
	})
}

func TestAConstantFaultOfTheAlertListCostsALineADay(t *testing.T) {
	for _, kind := range kinds() {
		if kind == defender.NoToken {
			continue
		}
		t.Run(kind.String(), func(t *testing.T) {
			s := newSim(t, 20, true, func(id int64, _ time.Time) *defender.Error {
				if id == alerts {
					return failure(kind)
				}
				return nil
			}).withAlerts()
			s.run(24 * time.Hour)
			require.LessOrEqual(t, len(s.lines), 1, "%v", s.messages())
			require.Empty(t, s.statuses)
		})
	}
}

func TestTheAlertListIsRequestedSoonAfterAnOutageOfAll(t *testing.T) {
	for _, kind := range outages() {
		if kind == defender.Forbidden { // hourly
			continue
		}
		t.Run(kind.String(), func(t *testing.T) {
			s := newSim(t, 20, true, during(0, 100*time.Minute, kind)).withAlerts()
			s.run(106 * time.Minute)
			require.False(t, s.tracker.AlertListDown())
			before := s.requests[alerts]
			s.run(10 * time.Minute)
			require.GreaterOrEqual(t, s.requests[alerts]-before, 19)
			require.NoError(t, s.status())
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheServicesClockMayBeOff(t *testing.T) {
	for _, skew := range []time.Duration{3 * time.Hour, -90 * time.Second, -2400 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) { c.ClockSkew, c.PerMinute, c.ThrottleForm = skew, 1, ThrottleDate })
			start := time.Now()
			time.Sleep(time.Hour)
			service := time.Now().Add(skew)
			touch(t, s, 1001)
			require.NoError(t, s.Add(Incident{ID: 5}))

			resp, _ := get(t, s, 1001)
			assert.Equal(t, service.UTC().Format(http.TimeFormat), resp.Header.Get("Date"))
			assert.True(t, service.Equal(mustGet(t, s, 1001).LastUpdate))
			assert.True(t, service.Equal(mustGet(t, s, 5).Created))
			assert.True(t, service.Equal(mustGet(t, s, s.Appear()).Created))
			assert.False(t, mustGet(t, s, 1002).LastUpdate.After(start.Add(skew)), "the population is as old by the service's clock")
			assert.Len(t, list(t, s, "$filter", "lastUpdateTime ge "+service.UTC().Format(timeForm)).Value, 3)

			states, _ := s.History(1001)
			assert.True(t, start.Equal(states[0].From), "the history goes by the real clock")
			assert.True(t, time.Now().Equal(states[1].From))
			assert.True(t, time.Now().Equal(s.Served(1001)[0].At))
			resp, _ = get(t, s, 1001)
			date, err := http.ParseTime(resp.Header.Get("Retry-After"))
			require.NoError(t, err)
			assert.True(t, service.Add(time.Minute).Equal(date))
		})
	}
}

func TestTokensGoByTheRealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ClockSkew = 10 * time.Hour })
		_, response := postForm(t, s, s.cfg.TenantID, goodForm(), nil)
		header := "Bearer " + response["access_token"].(string)
		time.Sleep(59 * time.Minute)
		resp, _ := get(t, s, 1001, "Authorization", header)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		time.Sleep(time.Minute)
		resp, _ = get(t, s, 1001, "Authorization", header)
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	})
}

func TestALaggingListGoesByTheRealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ClockSkew, c.ListLag = -time.Hour, time.Minute })
		time.Sleep(time.Minute)
		s.Appear()
		time.Sleep(time.Minute - time.Nanosecond)
		assert.Len(t, list(t, s).Value, 10)
		time.Sleep(time.Nanosecond)
		assert.Len(t, list(t, s).Value, 11)
	})
}

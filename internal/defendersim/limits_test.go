// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func limited(t *testing.T, change func(*Config)) *Sim {
	t.Helper()
	return newSim(t, func(c *Config) {
		c.PerMinute, c.PerHour = 100, 1500
		if change != nil {
			change(c)
		}
	})
}

func TestRequest101IsRefusedUntilAMinuteAfterTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limited(t, nil)
		for range 100 {
			resp, _ := get(t, s, 1001)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			time.Sleep(100 * time.Millisecond)
		}
		resp, body := get(t, s, 1001)
		code, message := apiError(t, body)
		assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
		assert.Equal(t, "429", code)
		assert.Equal(t, "API calls quota exceeded! Maximum allowed 100 per 00:01:00 for the key Destination+TenantID+AppID. You can send requests again in 50 seconds.", message)
		assert.Empty(t, resp.Header.Get("Retry-After"))

		time.Sleep(50*time.Second - time.Nanosecond)
		resp, _ = get(t, s, 1001)
		assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
		time.Sleep(time.Nanosecond)
		resp, _ = get(t, s, 1001)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		resp, _ = get(t, s, 1001)
		assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	})
}

func TestTheHourHasALimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limited(t, nil)
		for range 1500 {
			resp, _ := get(t, s, 1001)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			time.Sleep(time.Second)
		}
		_, body := get(t, s, 1001)
		_, message := apiError(t, body)
		assert.Contains(t, message, "Maximum allowed 1500 per 01:00:00")
		assert.Contains(t, message, "again in 2100 seconds")

		time.Sleep(2100 * time.Second)
		resp, _ := get(t, s, 1001)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	})
}

func TestEveryRequestForAnIncidentTakesQuota(t *testing.T) {
	s := limited(t, func(c *Config) { c.PerMinute = 4 })
	require.NoError(t, s.SetFault(1002, Rule{Fault: Fault{Name: "500"}}))
	get(t, s, s.UnknownID())
	get(t, s, 1002)
	get(t, s, 1001, "Authorization", "Bearer nonsense")
	call(t, s, http.MethodPut, "/api/incidents/1001")

	resp, _ := get(t, s, 1001)
	assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
}

func TestApplicationsHaveQuotasOfTheirOwn(t *testing.T) {
	s := limited(t, func(c *Config) { c.PerMinute = 1 })
	other := s.TokenFor(Grant{ApplicationID: "another"})
	get(t, s, 1001)
	resp, _ := get(t, s, 1001, "Authorization", "Bearer "+other)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = get(t, s, 1001, "Authorization", "Bearer "+other)
	assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
}

func TestRefusedRequestsTakeQuotaOnlyOnDemand(t *testing.T) {
	for _, counted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := limited(t, func(c *Config) { c.PerMinute, c.CountThrottled = 1, counted })
			get(t, s, 1001)
			time.Sleep(30 * time.Second)
			get(t, s, 1001)
			time.Sleep(30 * time.Second)
			resp, _ := get(t, s, 1001)
			assert.Equal(t, counted, resp.StatusCode == http.StatusTooManyRequests)
		})
	}
}

func TestAnotherProgramTakesItsPartOfTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limited(t, func(c *Config) { c.ForeignPerMinute, c.PerHour = 30, 0 })
		time.Sleep(10 * time.Hour)
		allowed := 0
		for range 100 {
			if resp, _ := get(t, s, 1001); resp.StatusCode == http.StatusOK {
				allowed++
			}
		}
		assert.Equal(t, 70, allowed)
	})
}

func TestThrottleFormsSayWhenInTheirOwnWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttled := func(form ThrottleForm) (*http.Response, []byte) {
			s := limited(t, func(c *Config) { c.PerMinute, c.ThrottleForm = 1, form })
			get(t, s, 1001)
			return get(t, s, 1001)
		}
		time.Sleep(300 * time.Millisecond)

		resp, body := throttled(ThrottleSeconds)
		_, message := apiError(t, body)
		assert.Equal(t, "60", resp.Header.Get("Retry-After"))
		assert.NotContains(t, message, "again in")

		resp, _ = throttled(ThrottleDate)
		date, err := http.ParseTime(resp.Header.Get("Retry-After"))
		require.NoError(t, err)
		assert.Equal(t, 60700*time.Millisecond, time.Until(date), "a minute, rounded up to the second")

		resp, body = throttled(ThrottleBare)
		_, message = apiError(t, body)
		assert.Empty(t, resp.Header.Get("Retry-After"))
		assert.NotContains(t, message, "again in")

		resp, body = throttled(ThrottleEmpty)
		assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
		assert.Empty(t, body)
	})
}

func TestAdmittedRequestsNeverExceedAWindowAndUseAllOfIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{PerMinute: rapid.IntRange(1, 5).Draw(t, "minute"), PerHour: rapid.IntRange(1, 20).Draw(t, "hour")}
		l := newLimits(c, EndpointIncident)
		now := time.Unix(0, 0)
		var admitted []time.Time
		for _, gap := range rapid.SliceOfN(rapid.IntRange(0, 40), 1, 200).Draw(t, "gaps") {
			now = now.Add(time.Duration(gap) * 5 * time.Second)
			refused := l.arrive(quotaKey{}, now)
			minute := inWindow(admitted, now, time.Minute) >= c.PerMinute
			hour := inWindow(admitted, now, time.Hour) >= c.PerHour
			if (refused != nil) != (minute || hour) {
				t.Fatalf("refused %v with minute full %v and hour full %v", refused, minute, hour)
			}
			if refused == nil {
				admitted = append(admitted, now)
				continue
			}
			free := now.Add(refused.wait)
			if inWindow(admitted, free, refused.span) >= refused.limit || inWindow(admitted, free.Add(-1), refused.span) < refused.limit {
				t.Fatalf("the window is not free just after %v", refused.wait)
			}
		}
		if most := maxInWindow(admitted, time.Minute); most > c.PerMinute {
			t.Fatalf("%d in a minute", most)
		}
	})
}

// inWindow counts the moments within the half-open window that ends now.
func inWindow(moments []time.Time, now time.Time, span time.Duration) int {
	return len(slices.DeleteFunc(slices.Clone(moments), func(m time.Time) bool { return now.Sub(m) >= span }))
}

func TestMaxInWindowIsHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		assert.Zero(t, s.MaxInWindow(time.Minute))
		for range 3 {
			get(t, s, 1001)
			call(t, s, http.MethodGet, "/elsewhere") // not the API's
			time.Sleep(30 * time.Second)
		}
		assert.Equal(t, 2, s.MaxInWindow(time.Minute))
		assert.Equal(t, 3, s.MaxInWindow(time.Minute+1))
		assert.Equal(t, 1, s.MaxInWindow(time.Second))
	})
}

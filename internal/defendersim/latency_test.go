// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnswersTakeAsLongAsTheSeedDecides(t *testing.T) {
	measure := func(seed uint64) (took []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) {
				c.Seed, c.LatencyMin, c.LatencyMax, c.ListPerMinute = seed, 100*time.Millisecond, 1500*time.Millisecond, 1000
			})
			for range 100 {
				start := time.Now()
				list(t, s)
				took = append(took, time.Since(start))
			}
			start := time.Now()
			get(t, s, 1001)
			assert.Positive(t, time.Since(start), "Get takes its time too")
		})
		return took
	}
	took, sum := measure(1), time.Duration(0)
	for _, d := range took {
		require.GreaterOrEqual(t, d, 100*time.Millisecond-time.Nanosecond)
		require.LessOrEqual(t, d, 1500*time.Millisecond)
		sum += d
	}
	assert.InDelta(t, 0.8, (sum / 100).Seconds(), 0.12)
	assert.Equal(t, took, measure(1))
	assert.NotEqual(t, took, measure(2))
}

func TestAnAnswerShowsHowThingsStoodHalfwayThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.LatencyMin, c.LatencyMax = time.Second, time.Second })
		start := time.Now()
		rename := func(name string) func() {
			return func() { assert.NoError(t, s.Update(1001, func(i *Incident) { i.Name = name })) }
		}
		time.AfterFunc(400*time.Millisecond, rename("early"))
		time.AfterFunc(600*time.Millisecond, rename("late"))
		var wait sync.WaitGroup
		wait.Go(func() { list(t, s, "$top", "1") })
		_, body := get(t, s, 1001)
		assert.Contains(t, string(body), "early")
		assert.Equal(t, time.Second, time.Since(start))
		wait.Wait()
		for _, served := range s.Served(1001) {
			assert.Equal(t, 1, served.State, served.Endpoint)
			assert.Equal(t, 500*time.Millisecond, served.At.Sub(start), served.Endpoint)
		}
		assert.Len(t, s.Served(1001), 2)
	})
}

func TestLatencyEndsWithTheRequestAndSparesTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.LatencyMin, c.LatencyMax, c.PerMinute = time.Minute, time.Minute, 1 })
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://api.example/api/incidents/1001", nil)
		require.NoError(t, err)
		resp, err := s.RoundTripper().RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))

		resp, _ = get(t, s, 1001)
		assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

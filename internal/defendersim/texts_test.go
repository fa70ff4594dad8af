// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fresh is an incident as Get shows it, written again.
func fresh(t *testing.T, s *Sim, id int64) string {
	t.Helper()
	return string(renderXDR(mustGet(t, s, id), s.cfg.TenantID))
}

// freshRow is what List shows of an incident that it shows as Get does.
func freshRow(t *testing.T, s *Sim, id int64) string {
	t.Helper()
	w := &writer{}
	w.xdrIncident(mustGet(t, s, id), s.cfg.TenantID)
	return "{" + string(w.buf) + "}"
}

func TestWhatIsKeptOfRowsFollowsEveryChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.Incidents, c.ChangesPerHour, c.MergedShare, c.NewPerHour = 30, 1800, 0.1, 20 })
		for n := range 60 {
			time.Sleep(20 * time.Second)
			if n%2 == 0 { // either may be the first to see a state
				_, body := get(t, s, 1001+int64(n%30))
				require.Equal(t, fresh(t, s, 1001+int64(n%30)), string(body))
			}
			page := list(t, s)
			for n, id := range page.ids(t) {
				require.Equal(t, freshRow(t, s, id), string(page.Value[n]))
			}
			_, body := get(t, s, 1001+int64(n%30))
			require.Equal(t, fresh(t, s, 1001+int64(n%30)), string(body))
		}
	})
}

func TestRowsThatHaveNotChangedAreWrittenOnce(t *testing.T) {
	s := newSim(t, nil)
	list(t, s)
	kept := s.texts.byKey[textKey{rowKey: rowKey{incident: 1001}}].members
	require.NotEmpty(t, kept)
	get(t, s, 1001)
	list(t, s)
	assert.Same(t, &kept[0], &s.texts.byKey[textKey{rowKey: rowKey{incident: 1001}}].members[0])
	touch(t, s, 1001)
	list(t, s)
	assert.NotEqual(t, string(kept), string(s.texts.byKey[textKey{rowKey: rowKey{incident: 1001}}].members))
	assert.Len(t, s.texts.byKey, 10, "one of each incident")
}

func TestFaultsLeaveWhatIsKeptOfRowsAlone(t *testing.T) {
	for _, fault := range []string{"lone-surrogate", "partial", "time-null", "other-id", "row-without-id", "nested", "padded"} {
		s := newSim(t, nil)
		want := list(t, s)
		for _, where := range []int64{ListRequests, AllIncidents} {
			f, err := ParseFault(fault)
			require.NoError(t, err)
			if f.Fits(where) == nil {
				require.NoError(t, s.SetFault(where, Rule{Fault: f}))
			}
		}
		call(t, s, http.MethodGet, "/api/incidents")
		get(t, s, 1001)
		touch(t, s, 1002)
		call(t, s, http.MethodGet, "/api/incidents") // the first that shows the new state
		s.ClearFaults()
		got := list(t, s)
		assert.Equal(t, want.Value[len(want.Value)-1], got.Value[len(got.Value)-1], fault)
		assert.Equal(t, freshRow(t, s, 1002), string(got.Value[0]), fault)
		_, body := get(t, s, 1001)
		assert.Equal(t, fresh(t, s, 1001), string(body), fault)
	}
}

func TestWhatIsKeptOfRowsIsBounded(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents, c.AlertsPerIncident, c.AlertBytes = 50, 1, 2000 })
	s.texts.limit = 20_000
	for range 3 {
		page := list(t, s)
		for n, id := range page.ids(t) {
			require.Equal(t, freshRow(t, s, id), string(page.Value[n]))
		}
		touch(t, s, 1001)
		sum := 0
		for _, kept := range s.texts.byKey {
			sum += len(kept.members)
		}
		assert.Equal(t, sum, s.texts.size)
		assert.LessOrEqual(t, sum, 20_000)
		assert.Greater(t, sum, 15_000)
	}
}

func TestPagesAtTheSameTimeDoNotMix(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Incidents, c.AlertsPerIncident = 40, 1 })
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			for range 10 {
				resp, body := call(t, s, http.MethodGet, fmt.Sprintf("/api/incidents?$top=5&$skip=%d", 5*n))
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				assert.True(t, json.Valid(body))
				for row := range 5 {
					id := s.xdrList.sorted(byUpdate)[39-5*n-row].incident.ID
					assert.Contains(t, string(body), fmt.Sprintf(`{"incidentId":%d,`, id))
				}
			}
		})
	}
	wait.Wait()
}

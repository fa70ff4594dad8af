// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestWhatStoodAndWasNotToldIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := defendersim.DefaultConfig()
		cfg.Incidents, cfg.AlertsPerIncident, cfg.MergedShare, cfg.ChangesPerHour = 3, 2, 0, 0
		sim, err := defendersim.New(cfg)
		require.NoError(t, err)
		s := &story{t: t, sim: sim, noted: map[int64]*defendersim.State{}}
		ids := sim.IDs()
		behind := func(records []Record) []string { return Behind(sim, ids, records, time.Minute) }

		s.cycle()
		time.Sleep(time.Hour)
		s.assign(1001)
		require.NoError(t, sim.RemoveAlert(1002, s.alert(1002)))
		require.NoError(t, sim.Merge(1003, 1001))
		require.Empty(t, behind(s.records), "not yet")
		time.Sleep(2 * time.Minute)
		require.Len(t, behind(s.records), 6, "three incidents, two alerts that came and one that left")
		before := len(s.records)
		s.cycle()
		require.Empty(t, behind(s.records))
		for i, r := range s.records[before:] {
			require.Len(t, behind(slices.Delete(slices.Clone(s.records), before+i, before+i+1)), 1, r.key())
		}
	})
}

func TestAnAlertThatNobodyCouldSeeIsNotBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := defendersim.DefaultConfig()
		cfg.Incidents, cfg.AlertsPerIncident, cfg.MergedShare, cfg.ChangesPerHour = 1, 2, 0, 0
		sim, err := defendersim.New(cfg)
		require.NoError(t, err)
		s := &story{t: t, sim: sim, noted: map[int64]*defendersim.State{}}
		s.cycle()
		time.Sleep(time.Hour)
		came, err := sim.AddAlert(1001)
		require.NoError(t, err)
		time.Sleep(30 * time.Second)
		require.NoError(t, sim.RemoveAlert(1001, came))
		time.Sleep(45 * time.Second)
		s.cycle() // a minute ago it was there, and it has left since
		require.Empty(t, Behind(sim, sim.IDs(), s.records, time.Minute))
	})
}

func TestAStateThatIsToldTwiceIsFoundWhateverItsIdentity(t *testing.T) {
	s := playStory(t, nothing)
	require.Empty(t, Twice(s.records))
	again := s.records[0]
	again.UID = "another"
	require.Equal(t, []string{again.key()}, Twice(append(s.records, again)))
}

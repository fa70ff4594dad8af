// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// benched returns an incident as large as those in captured responses: 16 fields, and
// that many alerts with 40 fields each.
func benched(alerts int) *Snapshot {
	members := map[string]any{"status": "Active", "lastUpdateTime": "2026-09-06T12:00:00Z"}
	for i := range 14 {
		members[fmt.Sprintf("memberNumber%02d", i)] = "a value of some length"
	}
	s := &Snapshot{
		ID: 437, API: "defender_xdr", Source: FromList, Status: "Active", LastUpdate: noon, AlertsField: "alerts",
		LastUpdateField: "lastUpdateTime", AlertLastUpdateField: "lastUpdatedTime", Object: object(members),
	}
	for i := range alerts {
		alert := map[string]any{"status": "New"}
		for j := range 39 {
			alert[fmt.Sprintf("memberNumber%02d", j)] = fmt.Sprint("a value of some length ", i)
		}
		s.Alerts = append(s.Alerts, Alert{ID: fmt.Sprintf("da637551227677560813_-961444%03d", i), Status: "New", LastUpdate: noon, Object: object(alert)})
	}
	return read(s)
}

// BenchmarkRow measures the cost of a row that shows nothing new, without its digests.
func BenchmarkRow(b *testing.B) {
	c := comparer(Split)
	for _, alerts := range []int{3, 30} {
		row := benched(alerts)
		_, state := c.Compare(State{}, row)
		_, state = c.Compare(state, row)
		summary := state.Summary()
		require.True(b, c.Unchanged(summary, row))
		var f Fingerprint
		for name, do := range map[string]func(){
			"digests":   func() { f.Snapshot(row) },
			"unchanged": func() { c.Unchanged(summary, row) },
			"compare":   func() { c.Compare(state, row) },
			"summary":   func() { state.Summary() },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, alerts), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					do()
				}
			})
		}
	}
}

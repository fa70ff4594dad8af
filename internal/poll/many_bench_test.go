// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint/checkpointtest"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadata"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// BenchmarkManyIncidents measures, by number of incidents, what the loop does besides requests: restore a checkpoint at the start, copy what
// the gauges show every 15 s, and read the same IDs again after the IDs file changed.
func BenchmarkManyIncidents(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		ids := make([]int64, n)
		summaries := make(map[int64]incident.Summary, n)
		for i := range ids {
			ids[i] = int64(1001 + i)
			summaries[ids[i]] = checkpointtest.StateOf(ids[i]).Summary()
		}
		now := time.Now()
		b.Run("restore/"+strconv.Itoa(n), func(b *testing.B) {
			list := listOf(b, ids)
			b.ReportAllocs()
			for b.Loop() {
				restored(b, list, summaries, now).Close()
			}
		})
		e := restored(b, listOf(b, ids), summaries, now)
		b.Cleanup(e.Close)
		b.Run("gauges/"+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.telemetry.published = time.Time{} // as if gaugeInterval had passed, at the same time: many overdue incidents take longer
				e.publish(now)
			}
		})
		b.Run("reconfigure/"+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.reconfigure(b.Context(), now)
			}
		})
	}
}

func listOf(b *testing.B, ids []int64) *idlist.List {
	b.Helper()
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(strconv.FormatInt(id, 10) + "\n")
	}
	path := filepath.Join(b.TempDir(), "incidents.txt")
	require.NoError(b, os.WriteFile(path, []byte(text.String()), 0o600))
	list, err := idlist.Open(nil, path, zap.NewNop())
	require.NoError(b, err)
	return list
}

// restored returns an engine that polls the IDs, with a checkpoint in memory.
func restored(b *testing.B, ids *idlist.List, summaries map[int64]incident.Summary, now time.Time) *Engine {
	b.Helper()
	store, contents, err := checkpoint.Open(b.Context(), checkpoint.NewMemory(), string(defender.XDR))
	require.NoError(b, err)
	contents.Summaries = summaries
	e, err := Open(b.Context(), Settings{
		API: string(defender.XDR), Interval: 5 * time.Minute, MaxConcurrentRequests: 4, Alerts: incident.Split,
		Limits: []quota.Limit{{Window: time.Minute, Requests: 100}, {Window: time.Hour, Requests: 1500}},
	}, Parts{
		Receiver: receivertest.NewNopSettings(metadata.Type), Next: consumertest.NewNop(), Report: func(*componentstatus.Event) {},
		Client: defender.NewClient(&http.Client{}, defender.Settings{Endpoint: &url.URL{}}), Store: store, IDs: ids,
		Clock: func() time.Time { return now },
	}, contents)
	require.NoError(b, err)
	require.Equal(b, len(summaries), e.roster.Tracked())
	return e
}

package defenderincidentsreceiver

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint/checkpointtest"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// BenchmarkManyIncidents has what the loop does beside fetching, next to how
// many incidents there are: take up what a checkpoint knows, at the start; set
// the gauges, each 15 s; take up the same ids again, after the ids file changed.
func BenchmarkManyIncidents(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		ids := make([]int64, n)
		known := make(map[int64]incident.Summary, n)
		for i := range ids {
			ids[i] = int64(1001 + i)
			known[ids[i]] = checkpointtest.StateOf(ids[i]).Summary()
		}
		now := time.Now()
		b.Run("restore/"+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				restored(b, ids, known, now)
			}
		})
		p := restored(b, ids, known, now)
		b.Run("gauges/"+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(measureInterval)
				p.measure(now)
			}
		})
		b.Run("refollow/"+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.refollow(ids, now)
			}
		})
	}
}

// restored is a poller that follows the ids, with a checkpoint in memory.
func restored(b *testing.B, ids []int64, known map[int64]incident.Summary, now time.Time) *poller {
	b.Helper()
	store, contents, err := checkpoint.Open(b.Context(), checkpoint.NewMemory(), string(APIDefenderXDR))
	require.NoError(b, err)
	contents.Summaries = known
	settings := receivertest.NewNopSettings(NewFactory().Type())
	client := defender.NewClient(&http.Client{}, defender.Settings{Endpoint: &url.URL{}})
	p, err := newPoller(createDefaultConfig().(*Config), settings, consumertest.NewNop(), func(*componentstatus.Event) {}, client, "", store)
	require.NoError(b, err)
	require.NoError(b, p.restore(b.Context(), ids, contents, now))
	require.Equal(b, len(ids), p.tracker.Len())
	return p
}

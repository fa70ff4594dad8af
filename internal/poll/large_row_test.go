// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// withLargeRow is middleware that makes an incident's row in each page of the list larger than the limit, and counts these pages. The incident
// itself does not change.
func withLargeRow(id int64, limit int, pages *atomic.Int64) harness.Middleware {
	name := fmt.Appendf(nil, `{"incidentId":%d,`, id)
	padded := append(bytes.Clone(name), `"padding":"`+strings.Repeat("x", limit)+`",`...)
	return edited(func(r *http.Request, _ *int, _ http.Header, body []byte) []byte {
		if !strings.HasSuffix(r.URL.Path, "/incidents") || !bytes.Contains(body, name) {
			return body
		}
		pages.Add(1)
		return bytes.Replace(body, name, padded, 1)
	})
}

func TestRowThatIsTooLargeDelaysNoOtherChangeAndIsReadOnce(t *testing.T) {
	const limit, large, isolated = 512 << 10, 1020, 7 // 100, 50, 25, 12, 6, 3 rows and 1
	for name, between := range map[string]time.Duration{"all at one instant": 0, "one after the other": 300 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(130), harness.WithFeed(), func(cfg *receiver.Config) {
					cfg.CollectionInterval, cfg.MaxResponseBodySize = 24*time.Hour, limit
				})
				h.Start()
				harness.Sleep(5 * time.Minute)
				h.Sink.Reset()
				var pages atomic.Int64
				h.Auth.Use(withLargeRow(large, limit, &pages))
				ids := h.Sim.IDs()[:40]
				lists, polls := len(h.Lists()), h.Polls(0)
				harness.Sleep(5 * time.Second)
				for _, id := range ids {
					h.Assign(id)
					harness.Sleep(between)
				}
				harness.Sleep(35 * time.Second)
				require.ElementsMatch(t, updated(ids...), h.Sink.Changes())
				require.LessOrEqual(t, int(pages.Load()), isolated)
				require.Less(t, len(h.Lists())-lists, 30)
				require.Equal(t, polls+1, h.Polls(0), "it alone was fetched by ID")

				harness.Sleep(time.Hour)
				require.LessOrEqual(t, int(pages.Load()), isolated, "it is left out")
				require.Equal(t, polls+1, h.Polls(0))
				require.Empty(t, h.Sink.Changes())

				h.Assign(large) // again, while its poll must wait for a minute
				harness.Sleep(35 * time.Second)
				require.Equal(t, updated(large), h.Sink.Changes())
				h.Assign(large)
				harness.Sleep(time.Minute + 5*time.Second)
				require.Equal(t, updated(large), h.Sink.Changes(), "no change is missed")
				require.LessOrEqual(t, int(pages.Load()), 3*isolated)
				pages.Store(0)

				h.Assign(1100)
				harness.Sleep(31 * time.Second)
				require.Equal(t, updated(1100), h.Sink.Changes())
				for range 20 {
					h.Assign(ids[0])
					harness.Sleep(31 * time.Second)
					require.Equal(t, updated(ids[0]), h.Sink.Changes())
				}
				require.Zero(t, pages.Load())
				require.Empty(t, h.Warnings())
			})
		})
	}
}

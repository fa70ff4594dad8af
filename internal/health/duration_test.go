// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestDurationsHaveUnitsAndNoZeros(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1500 * time.Millisecond: "1.5s", 10 * time.Second: "10s", time.Minute: "1m", 10 * time.Minute: "10m",
		90 * time.Second: "1m30s", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Hour + 30*time.Second: "1h0m30s", 24 * time.Hour: "24h",
	} {
		require.Equal(t, want, FormatDuration(d))
	}
	require.Equal(t, zap.String("wait", "5m"), Duration("wait", 5*time.Minute))
}

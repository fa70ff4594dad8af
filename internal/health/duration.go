// SPDX-License-Identifier: Apache-2.0

package health

import (
	"strings"
	"time"

	"go.uber.org/zap"
)

// Duration returns a field of a log line with a duration as people write it: 5m or 1h2m3s. The collector writes zap.Duration as a number
// of seconds, without the unit.
func Duration(key string, d time.Duration) zap.Field { return zap.String(key, FormatDuration(d)) }

// FormatDuration writes a duration as people do: 1m, not 1m0s.
func FormatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

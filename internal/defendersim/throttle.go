// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// ThrottleForm is how a 429 states when to retry.
type ThrottleForm string

// The forms of a 429.
const (
	ThrottleMessage ThrottleForm = "message"          // in the error's message, as Defender XDR does
	ThrottleSeconds ThrottleForm = "retry-after"      // in Retry-After, in seconds, as Graph does
	ThrottleDate    ThrottleForm = "retry-after-date" // in Retry-After, as an HTTP date
	ThrottleBare    ThrottleForm = "bare"             // not at all
	ThrottleEmpty   ThrottleForm = "empty"            // not at all, and without a body
)

func (f ThrottleForm) check() error {
	switch f {
	case "", ThrottleMessage, ThrottleSeconds, ThrottleDate, ThrottleBare, ThrottleEmpty:
		return nil
	}
	return fmt.Errorf("unknown throttle form %q: one of message, retry-after, retry-after-date, bare, empty", string(f))
}

// throttle responds with 429. Waiting times are rounded up to whole seconds.
func (x *exchange) throttle(form ThrottleForm, r refusal) {
	seconds := int(max(1, math.Ceil(r.wait.Seconds())))
	message := x.dialect.exceeded(r)
	switch form {
	case ThrottleMessage:
		message += fmt.Sprintf(" You can send requests again in %d seconds.", seconds)
	case ThrottleSeconds:
		x.w.Header().Set("Retry-After", strconv.Itoa(seconds))
	case ThrottleDate:
		at := x.s.stamp(time.Now()).Add(r.wait + time.Second - time.Nanosecond).Truncate(time.Second)
		x.w.Header().Set("Retry-After", at.UTC().Format(http.TimeFormat))
	case ThrottleEmpty:
		x.send(http.StatusTooManyRequests, "", nil)
		return
	}
	x.failAt(http.StatusTooManyRequests, x.dialect.throttled, message, x.s.cfg.TenantID)
}

// clockForm writes a span as hours, minutes and seconds.
func clockForm(d time.Duration) string {
	seconds := int(d.Seconds())
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

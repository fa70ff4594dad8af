package defender

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// WaitSource says where the waiting time of a 429 came from.
type WaitSource string

// The sources, in the order in which they are asked.
const (
	WaitFromHeader  WaitSource = "Retry-After"
	WaitFromMessage WaitSource = "message"
	WaitFromDefault WaitSource = "default"
)

const (
	// MaxWait caps what a 429 may ask for: the longest window is an hour.
	MaxWait = time.Hour
	// minWait keeps an answer of "0 seconds" from becoming a tight loop.
	minWait = time.Second
	// defaultWait is one whole short window.
	defaultWait = time.Minute
	// maxRequests and maxWindow bound a limit that can be meant.
	maxRequests = 1_000_000
	maxWindow   = 24 * time.Hour
)

// Limit is how many requests the API allows in a window of time. The zero
// value: it was not said.
type Limit struct {
	Requests int
	Window   time.Duration
}

// throttle takes out of a 429 how long to wait and the limit that was reached.
func (e *Error) throttle(header http.Header) {
	asked, from := wait(header, e.Message)
	e.RetryAfter, e.WaitFrom = min(max(asked, minWait), MaxWait), from
	if asked > MaxWait {
		e.Asked = asked
	}
	e.Limit = limitInMessage(e.Message)
}

// wait reads how long a 429 asks to wait. The incident pages of the vendor's
// documentation put the time into the body's message ("You can send requests
// again in 8 seconds."), the sibling pages promise a Retry-After header, in
// seconds or as an HTTP date.
func wait(header http.Header, message string) (time.Duration, WaitSource) {
	if d, ok := retryAfter(header); ok {
		return d, WaitFromHeader
	}
	if d, ok := waitInMessage(message); ok {
		return d, WaitFromMessage
	}
	return defaultWait, WaitFromDefault
}

// retryAfter reads Retry-After. A date is taken relative to the answer's own
// Date, so that the two clocks need not agree.
func retryAfter(header http.Header) (time.Duration, bool) {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, ok := parseSeconds(value); ok {
		return seconds, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return at.Sub(date), true
}

func waitInMessage(message string) (time.Duration, bool) {
	match := regexp.MustCompile(`in (\d+) seconds?`).FindStringSubmatch(message)
	if match == nil {
		return 0, false
	}
	return parseSeconds(match[1])
}

// parseSeconds reads a whole number of seconds; one too large for a duration
// is the longest there is.
func parseSeconds(digits string) (time.Duration, bool) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || seconds > int64(math.MaxInt64/time.Second) {
		return math.MaxInt64, true
	}
	return time.Duration(seconds) * time.Second, true
}

// limitInMessage reads the limit out of "Maximum allowed 30 per 00:01:00" (a
// 429 of a sibling API). The window is a TimeSpan of .NET, [d.]hh:mm:ss, of up
// to a day.
func limitInMessage(message string) Limit {
	match := regexp.MustCompile(`Maximum allowed (\d{1,7}) per (?:([01])\.)?([01]\d|2[0-3]):([0-5]\d):([0-5]\d)\.?(?:[^\w.:]|$)`).
		FindStringSubmatch(message)
	if match == nil {
		return Limit{}
	}
	requests, _ := strconv.Atoi(match[1]) // up to seven digits
	window, _ := time.ParseDuration(match[3] + "h" + match[4] + "m" + match[5] + "s")
	if match[2] == "1" {
		window += 24 * time.Hour
	}
	if requests < 1 || requests > maxRequests || window < time.Second || window > maxWindow {
		return Limit{}
	}
	return Limit{Requests: requests, Window: window}
}

package defender

import (
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
)

// wait reads how long a 429 asks to wait. The incident pages of the vendor's
// documentation put the time into the body's message ("You can send requests
// again in 8 seconds."), the sibling pages promise a Retry-After header, in
// seconds or as an HTTP date.
func wait(header http.Header, message string) (time.Duration, WaitSource) {
	if d, ok := retryAfter(header); ok {
		return min(max(d, minWait), MaxWait), WaitFromHeader
	}
	if d, ok := waitInMessage(message); ok {
		return min(max(d, minWait), MaxWait), WaitFromMessage
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
	match := regexp.MustCompile(`in (\d+) seconds`).FindStringSubmatch(message)
	if match == nil {
		return 0, false
	}
	return parseSeconds(match[1])
}

// parseSeconds reads a whole number of seconds; one too large for a duration
// is longer than any wait.
func parseSeconds(digits string) (time.Duration, bool) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || seconds > int64(MaxWait/time.Second) {
		return MaxWait, true
	}
	return time.Duration(seconds) * time.Second, true
}

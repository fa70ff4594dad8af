// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// WaitSource says where the waiting time was read.
type WaitSource string

// The sources, in order of precedence.
const (
	WaitFromHeader  WaitSource = "Retry-After"
	WaitFromMessage WaitSource = "message"
	WaitFromDefault WaitSource = "default"
)

const (
	// MaxWait caps the waiting time of a response: the longest window is an hour.
	MaxWait = time.Hour
	// minWait is the shortest wait.
	minWait = time.Second
	// defaultWait is one whole short window.
	defaultWait = time.Minute
	// maxRequests and maxWindow bound a plausible limit.
	maxRequests = 1_000_000
	maxWindow   = 24 * time.Hour
	// maxWords is how many bytes of a body are searched for a time or a limit.
	maxWords = 4 << 10
)

// Limit is how many requests the API allows in a window of time. The
// zero value: unknown.
type Limit struct {
	Requests int
	Window   time.Duration
}

// throttle reads from an error response how long to wait: after a 429 there
// is always a time, after any other status only if the response states one. A
// 429 may also state the limit that was reached. The body is searched as
// text, so the time may be in the error's own message, in an inner error, or
// on a proxy's page.
func (e *Error) throttle(header http.Header, body string) {
	body = body[:min(len(body), maxWords)]
	wanted, from := wait(header, body, e.Kind == Throttled)
	if e.Kind == Throttled {
		e.Limit = limitInMessage(body)
	} else if wanted <= 0 {
		return
	}
	e.RetryAfter, e.WaitFrom = min(max(wanted, minWait), MaxWait), from
	if wanted > MaxWait {
		e.Requested = wanted
	}
}

// wait reads how long to wait. The incident pages of the vendor's documentation
// put the time into the body's message ("You can send requests again in 8
// seconds."); the sibling pages and Graph's promise a Retry-After header.
func wait(header http.Header, body string, throttled bool) (time.Duration, WaitSource) {
	if d, ok := retryAfter(header); ok {
		return d, WaitFromHeader
	}
	if d, ok := waitInMessage(body, throttled); ok && d > 0 {
		return d, WaitFromMessage
	}
	if throttled {
		return defaultWait, WaitFromDefault
	}
	return 0, ""
}

// retryAfter returns the longest time in the headers, so that no request is
// earlier than any of them allows. Values may be joined with commas. A value
// that is zero or in the past is ignored: obeying it would cause an endless
// series of 429s. The two headers in milliseconds are those that Azure's SDK
// for Go reads besides Retry-After (azcore, shared.RetryAfter).
func retryAfter(header http.Header) (longest time.Duration, ok bool) {
	take := func(d time.Duration, readable bool) {
		if readable && d > 0 && d > longest {
			longest, ok = d, true
		}
	}
	for name, unit := range map[string]time.Duration{
		"Retry-After": time.Second, "Retry-After-Ms": time.Millisecond, "X-Ms-Retry-After-Ms": time.Millisecond,
	} {
		for _, value := range header.Values(name) {
			take(untilDate(value, header.Get("Date")))
			for part := range strings.SplitSeq(value, ",") {
				take(amount(part, unit))
			}
		}
	}
	return longest, ok
}

// untilDate reads an HTTP date relative to the response's own Date, so the two
// clocks need not agree. Without a Date it uses our own clock, but ignores a
// date in its past: the clock may be ahead.
func untilDate(value, date string) (time.Duration, bool) {
	at, err := http.ParseTime(strings.TrimSpace(value))
	if err != nil {
		return 0, false
	}
	if sent, err := http.ParseTime(date); err == nil {
		return at.Sub(sent), true
	}
	d := time.Until(at)
	return d, d > 0
}

// amount reads a number without a sign, possibly with a fraction.
func amount(text string, unit time.Duration) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	value, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0, false
	}
	return wholeSeconds(value * float64(unit)), true
}

// wholeSeconds rounds nanoseconds up to a second, and down to
// the longest duration.
func wholeSeconds(nanoseconds float64) time.Duration {
	seconds := math.Ceil(math.Round(nanoseconds) / float64(time.Second))
	if seconds > float64(math.MaxInt64/time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds) * time.Second
}

// A span is a number with a unit, or several of them: "2 minutes and 30 seconds".
const (
	onePart = `(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)\b`
	span    = `((?:` + onePart + `[\s,]*(?:and\s+)?)+)`
)

var (
	// askedBack has the time right after the words that say when to retry. An
	// error may also say how often, or for how long, something was tried.
	askedBack  = regexp.MustCompile(`(?i)\b(?:again\s+in|(?:try\s+again|retry|wait)(?:\s+(?:after|in|for))?:?)\s+` + span)
	comeBack   = regexp.MustCompile(`(?i)\b(?:again|retry|retried|retrying|wait)\b[^\d.;!?"<>+-]{0,40}` + span)
	inAWhile   = regexp.MustCompile(`(?i)(\b(?:requests?|calls?)\s+)?\bin\s+` + span)
	partOfSpan = regexp.MustCompile(`(?i)` + onePart)
)

// waitInMessage reads the time from a sentence such as "You can send requests
// again in 8 seconds" (seen), "Please retry after 6 seconds" or "Try again in 1
// minute". In a 429 "in 8 seconds" is enough, but not in "100 requests in 60
// seconds"; in other responses it may say how long something took.
func waitInMessage(message string, throttled bool) (time.Duration, bool) {
	if !throttled {
		if match := askedBack.FindStringSubmatch(message); match != nil {
			return spanOf(match[1]), true
		}
		return 0, false
	}
	if match := comeBack.FindStringSubmatch(message); match != nil {
		return spanOf(match[1]), true
	}
	for _, match := range inAWhile.FindAllStringSubmatch(message, 10) {
		if match[1] == "" {
			return spanOf(match[2]), true
		}
	}
	return 0, false
}

// spanOf adds up the parts of a span.
func spanOf(text string) time.Duration {
	var sum float64
	for _, part := range partOfSpan.FindAllStringSubmatch(text, -1) {
		value, _ := strconv.ParseFloat(part[1], 64) // infinite if it is too large
		sum += value * float64(unitOf(strings.ToLower(part[2])))
	}
	return wholeSeconds(sum)
}

func unitOf(name string) time.Duration {
	switch {
	case strings.HasPrefix(name, "ms"), strings.HasPrefix(name, "mil"):
		return time.Millisecond
	case strings.HasPrefix(name, "s"):
		return time.Second
	case strings.HasPrefix(name, "m"):
		return time.Minute
	case strings.HasPrefix(name, "h"):
		return time.Hour
	}
	return 24 * time.Hour
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

// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestWaitAfter429ComesFromHeaderThenMessageThenDefault(t *testing.T) {
	const (
		date     = "Tue, 03 Feb 2026 04:05:06 GMT"
		inAWhile = "You can send requests again in 8 seconds."
	)
	for name, c := range map[string]struct {
		retryAfter, date, message string
		want                      time.Duration
		from                      WaitSource
	}{
		"seconds":                      {"30", date, inAWhile, 30 * time.Second, WaitFromHeader},
		"seconds, padded":              {" 030 ", date, "", 30 * time.Second, WaitFromHeader},
		"an hour":                      {"3600", date, "", time.Hour, WaitFromHeader},
		"more than an hour":            {"3601", date, "", time.Hour, WaitFromHeader},
		"a day":                        {"86400", date, inAWhile, time.Hour, WaitFromHeader},
		"beyond a duration":            {"9223372036854775807", date, "", time.Hour, WaitFromHeader},
		"beyond an integer":            {"99999999999999999999999", date, "", time.Hour, WaitFromHeader},
		"zero":                         {"0", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"a date":                       {"Tue, 03 Feb 2026 04:05:36 GMT", date, inAWhile, 30 * time.Second, WaitFromHeader},
		"a date that is now":           {date, date, inAWhile, 8 * time.Second, WaitFromMessage},
		"a date in the past":           {"Tue, 03 Feb 2026 04:00:00 GMT", date, "", time.Minute, WaitFromDefault},
		"a date far away":              {"Tue, 03 Feb 2099 04:05:06 GMT", date, "", time.Hour, WaitFromHeader},
		"a date in the old style":      {"Tuesday, 03-Feb-26 04:05:36 GMT", date, "", 30 * time.Second, WaitFromHeader},
		"a date without Date":          {"Tue, 03 Feb 2026 04:05:36 GMT", "", inAWhile, 8 * time.Second, WaitFromMessage},
		"a date with a broken Date":    {"Tue, 03 Feb 2026 04:05:36 GMT", "today", "", time.Minute, WaitFromDefault},
		"negative":                     {"-5", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"negative, nothing else":       {"-5", date, "", time.Minute, WaitFromDefault},
		"a fraction":                   {"120.5", date, inAWhile, 121 * time.Second, WaitFromHeader},
		"less than a second":           {"0.249", date, "", time.Second, WaitFromHeader},
		"a fraction only":              {".5", date, inAWhile, time.Second, WaitFromHeader},
		"a fraction of nothing":        {"2.", date, inAWhile, 2 * time.Second, WaitFromHeader},
		"two points":                   {"1.2.3", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"a point":                      {".", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"blanks":                       {"  ", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"a date of C":                  {"Tue Feb  3 04:05:36 2026", date, inAWhile, 30 * time.Second, WaitFromHeader},
		"a power of ten":               {"1e30", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"hexadecimal":                  {"0x10", date, "", time.Minute, WaitFromDefault},
		"with a sign":                  {"+5", date, "", time.Minute, WaitFromDefault},
		"two in one":                   {"5, 30", date, inAWhile, 30 * time.Second, WaitFromHeader},
		"two in one, one of words":     {"5, soon", date, inAWhile, 5 * time.Second, WaitFromHeader},
		"a date of the year 1601":      {"Mon, 01 Jan 1601 00:00:00 GMT", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"a date of the year 9999":      {"Fri, 31 Dec 9999 23:59:59 GMT", date, inAWhile, time.Hour, WaitFromHeader},
		"a Date of the year 9999":      {"Tue, 03 Feb 2026 04:05:36 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "", time.Minute, WaitFromDefault},
		"words":                        {"soon", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"the message":                  {"", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"the message, one":             {"", date, "again in 1 second.", time.Second, WaitFromMessage},
		"the message, a fraction":      {"", date, "again in 1.5 seconds", 2 * time.Second, WaitFromMessage},
		"the message, a minute":        {"", date, "Try again in 1 minute.", time.Minute, WaitFromMessage},
		"the message, minutes of both": {"", date, "Try again in 2 minutes and 30 seconds.", 150 * time.Second, WaitFromMessage},
		"the message, 1.1 minutes":     {"", date, "again in 1.1 minutes", 66 * time.Second, WaitFromMessage},
		"the message, short units":     {"", date, "Retry after: 90s", 90 * time.Second, WaitFromMessage},
		"the message, mixed units":     {"", date, "Retry after 1h 30m", time.Hour, WaitFromMessage},
		"the message, milliseconds":    {"", date, "retry in 33000 ms", 33 * time.Second, WaitFromMessage},
		"the message, an hour":         {"", date, "Please wait for about an interval of 1 hour", time.Hour, WaitFromMessage},
		"the message, in capitals":     {"", date, "RETRY AFTER 5 SECONDS", 5 * time.Second, WaitFromMessage},
		"the message, only in":         {"", date, "The limit resets in 7 sec", 7 * time.Second, WaitFromMessage},
		"the message, a rate first": {
			"", date, "You have sent 1500 calls in 1 hour. Try again in 57 seconds.", 57 * time.Second, WaitFromMessage,
		},
		"the message, a rate only":     {"", date, "You have sent 1500 calls in 1 hour.", time.Minute, WaitFromDefault},
		"the message, another thing":   {"", date, "Do not retry. 100 seconds is too short", time.Minute, WaitFromDefault},
		"the message, another unit":    {"", date, "again in 3 attempts", time.Minute, WaitFromDefault},
		"the message, minutes":         {"", date, "again in 2 minutes", 2 * time.Minute, WaitFromMessage},
		"the message, zero":            {"", date, "again in 0 seconds", time.Minute, WaitFromDefault},
		"the message, beyond an hour":  {"", date, "again in 7200 seconds", time.Hour, WaitFromMessage},
		"the message, beyond integers": {"", date, "again in 99999999999999999999 seconds", time.Hour, WaitFromMessage},
		"the message, negative":        {"", date, "again in -8 seconds", time.Minute, WaitFromDefault},
		"the message with the limit": {
			"", date, "API calls quota exceeded! Maximum allowed 30 per 00:01:00 for the key Destination+TenantID+AppID. " +
				inAWhile, 8 * time.Second, WaitFromMessage,
		},
		"a message of something else": {"", date, "Too many requests", time.Minute, WaitFromDefault},
		"nothing":                     {"", "", "", time.Minute, WaitFromDefault},
	} {
		t.Run(name, func(t *testing.T) {
			failure := failed(t, get(t, responding(429, words("429", c.message), "Retry-After", c.retryAfter, "Date", c.date)))
			assert.Equal(t, Throttled, failure.Kind)
			assert.Equal(t, c.want, failure.RetryAfter)
			assert.Equal(t, c.from, failure.WaitFrom)
		})
	}
}

func TestLongestOfSeveralWaitsInTheHeadersCounts(t *testing.T) {
	const date = "Tue, 03 Feb 2026 04:05:06 GMT"
	for name, c := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"the first":             {http.Header{"Retry-After": {"30", "5"}}, 30 * time.Second},
		"the second":            {http.Header{"Retry-After": {"5", "30"}}, 30 * time.Second},
		"the readable one":      {http.Header{"Retry-After": {"soon", "5"}}, 5 * time.Second},
		"a date":                {http.Header{"Retry-After": {"5", "Tue, 03 Feb 2026 04:05:36 GMT"}, "Date": {date}}, 30 * time.Second},
		"milliseconds":          {http.Header{"Retry-After-Ms": {"8249"}}, 9 * time.Second},
		"milliseconds, of x-ms": {http.Header{"X-Ms-Retry-After-Ms": {"33000"}}, 33 * time.Second},
		"few milliseconds":      {http.Header{"X-Ms-Retry-After-Ms": {"249"}}, time.Second},
		"all three":             {http.Header{"Retry-After": {"5"}, "Retry-After-Ms": {"7000"}, "X-Ms-Retry-After-Ms": {"6000"}}, 7 * time.Second},
		"milliseconds of text":  {http.Header{"Retry-After": {"5"}, "Retry-After-Ms": {"many"}}, 5 * time.Second},
		"negative milliseconds": {http.Header{"Retry-After-Ms": {"-8000"}}, defaultWait},
	} {
		failure := failed(t, get(t, handled(func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), c.header)
			w.WriteHeader(http.StatusTooManyRequests)
		})))
		assert.Equal(t, c.want, failure.RetryAfter, name)
	}
}

func TestDateWithoutTheClockOfTheServiceIsComparedWithOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for ahead, want := range map[time.Duration]time.Duration{
			90 * time.Second:  90 * time.Second,
			100 * time.Hour:   time.Hour,
			-90 * time.Second: defaultWait, // it was not a time to wait, so a clock is wrong
		} {
			at := time.Now().Add(ahead).UTC().Format(http.TimeFormat)
			failure := failed(t, get(t, responding(429, "", "Retry-After", at)))
			assert.Equal(t, want, failure.RetryAfter, ahead)
		}
	})
}

func TestWaitIsFoundAnywhereInABody(t *testing.T) {
	long := strings.Repeat("x ", maxText)
	for name, body := range map[string]string{
		"message":                      words("429", "You can send requests again in 8 seconds."),
		"behind a long text":           words("429", long+". You can send requests again in 8 seconds."),
		"Graph's inner error":          `{"error":{"code":"TooManyRequests","message":"","innerError":{"code":"x","message":"Please retry after 8 seconds.","date":"2026-02-03T04:05:06"}}}`,
		"OData's inner error":          `{"error":{"code":"429","message":"m","innererror":{"innererror":{"message":"Try again in 8 seconds"}}}}`,
		"details":                      `{"error":{"code":"429","message":"m","details":[{"message":"wait 8 seconds"}]}}`,
		"an API management's response": `{"statusCode":429,"message":"Rate limit is exceeded. Try again in 8 seconds."}`,
		"text":                         "Rate limit is exceeded. Try again in 8 seconds.",
		"a page":                       "<html><body><p>Please try again in <b>8</b> seconds, or retry in 8 seconds</p></body></html>",
		"a byte order mark":            "\ufeff" + words("429", "You can send requests again in 8 seconds."),
		"broken off":                   `{"error":{"code":"429","message":"Try again in 8 seconds.`,
	} {
		failure := failed(t, get(t, responding(429, body)))
		assert.Equal(t, 8*time.Second, failure.RetryAfter, name)
		assert.Equal(t, WaitFromMessage, failure.WaitFrom, name)
	}
}

func TestWaitIsNotSearchedForInAllOfALargeBody(t *testing.T) {
	for filler, want := range map[int]time.Duration{maxWords - 100: 8 * time.Second, maxWords: defaultWait} {
		failure := failed(t, get(t, responding(429, strings.Repeat(" ", filler)+"Try again in 8 seconds.")))
		assert.Equal(t, want, failure.RetryAfter)
	}
}

func TestEveryErrorResponseMayHaveAWait(t *testing.T) {
	for status, kind := range map[int]Kind{
		202: Malformed, 204: Malformed, 301: Redirect, 302: Redirect, 400: Rejected, 401: Unauthorized, 403: Forbidden, 404: NotFound,
		408: Rejected, 500: ServerError, 502: ServerError, 503: ServerError, 504: ServerError,
	} {
		result := responding(status, words("Busy", "m"), "Retry-After", "120.5")
		for name, failure := range map[string]*Error{
			"get":    failed(t, get(t, result)),
			"list":   unlistedAs(t, list(t, result)),
			"alerts": failed(t, clientAt(t, endpoint, result).Continue(t.Context(), &Rest{snapshot: &incident.Snapshot{ID: 1}, skip: 1})),
		} {
			if kind != NotFound || name == "get" {
				assert.Equal(t, kind, failure.Kind, "%s, %d", name, status)
			}
			assert.Equal(t, 121*time.Second, failure.RetryAfter, "%s, %d", name, status)
			assert.Equal(t, WaitFromHeader, failure.WaitFrom, "%s, %d", name, status)
		}
	}
}

func TestOnly429HasADefaultWait(t *testing.T) {
	for name, c := range map[string]struct {
		message, retryAfter string
		want                time.Duration
	}{
		"nothing":               {"", "", 0},
		"no time":               {"Please retry later", "", 0},
		"unreadable":            {"", "soon", 0},
		"no wait":               {"", "0", 0},
		"a past date":           {"", "Mon, 01 Jan 1601 00:00:00 GMT", 0},
		"a message":             {"The service is busy, please retry after 6 seconds.", "", 6 * time.Second},
		"how long it took":      {"The request did not complete in 30 seconds", "", 0},
		"years":                 {"", "99999999999", MaxWait},
		"a header of next week": {"", "604800", MaxWait},
	} {
		failure := failed(t, get(t, responding(503, words("Busy", c.message), "Retry-After", c.retryAfter, "Date", "Tue, 03 Feb 2026 04:05:06 GMT")))
		assert.Equal(t, c.want, failure.RetryAfter, name)
		assert.Zero(t, failure.Limit, name)
		assert.Equal(t, c.want == 0, failure.WaitFrom == "", name)
	}
}

func TestIncidentInAResponseWithRetryAfterIsUsed(t *testing.T) {
	result := get(t, responding(200, `{"incidentId":1}`, "Retry-After", "3600"))
	require.NoError(t, result.Err)
	require.NotNil(t, result.Snapshot)
}

func TestErrorKeepsTheFullLengthOfACappedWait(t *testing.T) {
	const date = "Tue, 03 Feb 2026 04:05:06 GMT"
	for name, c := range map[string]struct {
		retryAfter, message string
		want                time.Duration
	}{
		"nothing":                    {"", "", 0},
		"half a minute":              {"30", "", 0},
		"an hour":                    {"3600", "", 0},
		"a second more":              {"3601", "", time.Hour + time.Second},
		"a day":                      {"86400", "", 24 * time.Hour},
		"what a duration holds":      {"9223372036", "", 9223372036 * time.Second},
		"beyond a duration":          {"9223372037", "", math.MaxInt64},
		"beyond an integer":          {"99999999999999999999999", "", math.MaxInt64},
		"no wait":                    {"0", "", 0},
		"a date":                     {"Tue, 03 Feb 2026 06:05:06 GMT", "", 2 * time.Hour},
		"a date in the past":         {"Mon, 01 Jan 1601 00:00:00 GMT", "", 0},
		"a date beyond a duration":   {"Fri, 31 Dec 9999 23:59:59 GMT", "", math.MaxInt64},
		"a message":                  {"", "again in 7200 seconds", 2 * time.Hour},
		"a message beyond integers":  {"", "again in 99999999999999999999 seconds", math.MaxInt64},
		"a header before a message":  {"30", "again in 7200 seconds", 0},
		"a message, a broken header": {"soon", "again in 7200 seconds", 2 * time.Hour},
	} {
		failure := failed(t, get(t, responding(429, words("429", c.message), "Retry-After", c.retryAfter, "Date", date)))
		assert.Equal(t, c.want, failure.Requested, name)
		assert.LessOrEqual(t, failure.RetryAfter, MaxWait, name)
	}
}

func TestLimitIsReadOnlyFromTheMessage(t *testing.T) {
	for span, want := range map[string]time.Duration{
		"00:01:00":         time.Minute,
		"01:00:00":         time.Hour,
		"00:00:01":         time.Second,
		"12:34:56":         12*time.Hour + 34*time.Minute + 56*time.Second,
		"23:59:59":         24*time.Hour - time.Second,
		"1.00:00:00":       24 * time.Hour,
		"0.01:00:00":       time.Hour,
		"00:00:00":         0,
		"1.00:00:01":       0,
		"2.00:00:00":       0,
		"24:00:00":         0,
		"00:60:00":         0,
		"00:00:60":         0,
		"00:00:01.5000000": 0,
		"00:01:00:00":      0,
		"00:01:000":        0,
		"0:01:00":          0,
		"00:01":            0,
		"-00:01:00":        0,
		"a minute":         0,
		"٠٠:٠١:٠٠":         0,
		"":                 0,
	} {
		limit := Limit{Requests: 30, Window: want}
		if want == 0 {
			limit = Limit{}
		}
		for _, rest := range []string{"", ".", " for the key Destination+TenantID+AppID. You can send requests again in 8 seconds."} {
			message := "API calls quota exceeded! Maximum allowed 30 per " + span + rest
			assert.Equal(t, limit, failed(t, get(t, responding(429, words("429", message)))).Limit, message)
		}
	}
	for requests, want := range map[string]int{
		"1": 1, "50": 50, "1000000": 1_000_000, "0030": 30,
		"0": 0, "1000001": 0, "99999999999999999999": 0, "-1": 0, "1.5": 0, "1e3": 0, "1,500": 0, "": 0, "many": 0,
	} {
		limit := Limit{Requests: want, Window: time.Minute}
		if want == 0 {
			limit = Limit{}
		}
		message := "Maximum allowed " + requests + " per 00:01:00"
		assert.Equal(t, limit, failed(t, get(t, responding(429, words("429", message)))).Limit, message)
	}
	assert.Zero(t, failed(t, get(t, responding(503, words("503", "Maximum allowed 30 per 00:01:00")))).Limit, "no 429")
}

func TestEvery429OfTheSimulatorIsUnderstood(t *testing.T) {
	for fault, c := range map[string]struct {
		want time.Duration
		from WaitSource
	}{
		"429=17s":                  {17 * time.Second, WaitFromMessage},
		"429-retry-after=17s":      {17 * time.Second, WaitFromHeader},
		"429-retry-after-date=17s": {17 * time.Second, WaitFromHeader},
		"429-bare":                 {time.Minute, WaitFromDefault},
		"429-empty":                {time.Minute, WaitFromDefault},
	} {
		synctest.Test(t, func(t *testing.T) {
			failure := failed(t, clientAt(t, endpoint, faulty(t, fault).RoundTripper()).Get(t.Context(), 1001))
			assert.Equal(t, Throttled, failure.Kind, fault)
			assert.Equal(t, c.want, failure.RetryAfter, fault)
			assert.Equal(t, c.from, failure.WaitFrom, fault)
			assert.Zero(t, failure.Requested, fault)
		})
	}
}

func TestMessageOfTheSimulatorHasTheLimitThatWasReached(t *testing.T) {
	sim := newSim(t, func(c *defendersim.Config) { c.PerMinute, c.PerHour = 1, 1500 })
	client := clientAt(t, endpoint, sim.RoundTripper())
	require.NoError(t, client.Get(t.Context(), 1001).Err)
	assert.Equal(t, Limit{Requests: 1, Window: time.Minute}, failed(t, client.Get(t.Context(), 1001)).Limit)
}

func FuzzWait(f *testing.F) {
	f.Add("30", "", "")
	f.Add("-1", "", "again in 8 seconds")
	f.Add("120.5", "33000", "in 1 minute")
	f.Add("99999999999999999999", "", "again in 99999999999999999999 seconds")
	f.Add("Tue, 03 Feb 2026 04:05:36 GMT", "Tue, 03 Feb 2026 04:05:06 GMT", "")
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "in 0 seconds")
	f.Add("3601", "", "Maximum allowed 1000000 per 1.00:00:00.")
	f.Add("", "", "retry after 2 days, 3 hours and 0.5 ms")
	f.Fuzz(func(t *testing.T, retryAfter, other, body string) {
		header := http.Header{"Retry-After": {retryAfter}, "X-Ms-Retry-After-Ms": {other}, "Date": {other}}
		for _, kind := range []Kind{Throttled, ServerError} {
			e := &Error{Kind: kind}
			e.throttle(header, body)
			if kind == ServerError {
				assert.NotEqual(t, WaitFromDefault, e.WaitFrom)
				assert.Zero(t, e.Limit)
				if e.RetryAfter == 0 {
					assert.Equal(t, Error{Kind: kind}, *e)
					continue
				}
			}
			assert.GreaterOrEqual(t, e.RetryAfter, time.Second)
			assert.LessOrEqual(t, e.RetryAfter, MaxWait)
			assert.Contains(t, []WaitSource{WaitFromHeader, WaitFromMessage, WaitFromDefault}, e.WaitFrom)
			if e.Requested != 0 {
				assert.Greater(t, e.Requested, MaxWait)
				assert.Equal(t, MaxWait, e.RetryAfter)
			}
			if e.Limit != (Limit{}) {
				assert.Positive(t, e.Limit.Requests)
				assert.LessOrEqual(t, e.Limit.Requests, 1_000_000)
				assert.GreaterOrEqual(t, e.Limit.Window, time.Second)
				assert.LessOrEqual(t, e.Limit.Window, 24*time.Hour)
				assert.Contains(t, body, "Maximum allowed ")
			}
		}
	})
}

func TestDurationOfAnAttemptInAnErrorIsNotAWait(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"The wait operation timed out after 30000 ms": 0,
		"Retry limit reached after 3 hours":           0,
		"The retry policy of 5 days has ended":        0,
		"It failed again after 90 seconds":            0,
		"Try again in 90 seconds.":                    90 * time.Second,
		"Please retry after 2 minutes":                2 * time.Minute,
		"Wait 30 s":                                   30 * time.Second,
		"You can send requests again in 8 seconds.":   8 * time.Second,
	} {
		assert.Equal(t, want, failed(t, get(t, responding(504, words("GatewayTimeout", text)))).RetryAfter, text)
	}
}

package defender

import (
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestTheWaitOfA429IsReadFromHeaderThenMessageThenAMinute(t *testing.T) {
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
		"zero":                         {"0", date, inAWhile, time.Second, WaitFromHeader},
		"a date":                       {"Tue, 03 Feb 2026 04:05:36 GMT", date, inAWhile, 30 * time.Second, WaitFromHeader},
		"a date that is now":           {date, date, inAWhile, time.Second, WaitFromHeader},
		"a date in the past":           {"Tue, 03 Feb 2026 04:00:00 GMT", date, "", time.Second, WaitFromHeader},
		"a date far away":              {"Tue, 03 Feb 2099 04:05:06 GMT", date, "", time.Hour, WaitFromHeader},
		"a date in the old style":      {"Tuesday, 03-Feb-26 04:05:36 GMT", date, "", 30 * time.Second, WaitFromHeader},
		"a date without Date":          {"Tue, 03 Feb 2026 04:05:36 GMT", "", inAWhile, 8 * time.Second, WaitFromMessage},
		"a date with a broken Date":    {"Tue, 03 Feb 2026 04:05:36 GMT", "today", "", time.Minute, WaitFromDefault},
		"negative":                     {"-5", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"negative, nothing else":       {"-5", date, "", time.Minute, WaitFromDefault},
		"a fraction":                   {"1.5", date, "", time.Minute, WaitFromDefault},
		"a power of ten":               {"1e30", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"hexadecimal":                  {"0x10", date, "", time.Minute, WaitFromDefault},
		"with a sign":                  {"+5", date, "", time.Minute, WaitFromDefault},
		"two in one":                   {"5, 30", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"a date of the year 1601":      {"Mon, 01 Jan 1601 00:00:00 GMT", date, inAWhile, time.Second, WaitFromHeader},
		"a date of the year 9999":      {"Fri, 31 Dec 9999 23:59:59 GMT", date, inAWhile, time.Hour, WaitFromHeader},
		"a Date of the year 9999":      {"Tue, 03 Feb 2026 04:05:36 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "", time.Second, WaitFromHeader},
		"words":                        {"soon", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"the message":                  {"", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"the message, one":             {"", date, "again in 1 second.", time.Second, WaitFromMessage},
		"the message, a fraction":      {"", date, "again in 1.5 seconds", time.Minute, WaitFromDefault},
		"the message, minutes":         {"", date, "again in 2 minutes", time.Minute, WaitFromDefault},
		"the message, zero":            {"", date, "again in 0 seconds", time.Second, WaitFromMessage},
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
			failure := failed(t, get(t, answering(429, words("429", c.message), "Retry-After", c.retryAfter, "Date", c.date)))
			assert.Equal(t, Throttled, failure.Kind)
			assert.Equal(t, c.want, failure.RetryAfter)
			assert.Equal(t, c.from, failure.WaitFrom)
		})
	}
}

func TestOfSeveralWaitsInTheHeaderTheFirstCounts(t *testing.T) {
	failure := failed(t, get(t, handled(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Retry-After"] = []string{"30", "5"}
		w.WriteHeader(http.StatusTooManyRequests)
	})))
	assert.Equal(t, 30*time.Second, failure.RetryAfter)
}

func TestAWaitThatIsCutIsSaidInFull(t *testing.T) {
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
		failure := failed(t, get(t, answering(429, words("429", c.message), "Retry-After", c.retryAfter, "Date", date)))
		assert.Equal(t, c.want, failure.Asked, name)
		assert.LessOrEqual(t, failure.RetryAfter, MaxWait, name)
	}
}

func TestTheLimitIsReadOutOfTheMessageOrNotAtAll(t *testing.T) {
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
			assert.Equal(t, limit, failed(t, get(t, answering(429, words("429", message)))).Limit, message)
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
		assert.Equal(t, limit, failed(t, get(t, answering(429, words("429", message)))).Limit, message)
	}
	assert.Zero(t, failed(t, get(t, answering(503, words("503", "Maximum allowed 30 per 00:01:00")))).Limit, "no 429")
}

func TestEveryFormOf429OfTheSimulatorIsUnderstood(t *testing.T) {
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
			assert.Zero(t, failure.Asked, fault)
		})
	}
}

func TestTheSimulatorNamesTheLimitThatWasReached(t *testing.T) {
	sim := newSim(t, func(c *defendersim.Config) { c.PerMinute, c.PerHour = 1, 1500 })
	client := clientAt(t, endpoint, sim.RoundTripper())
	require.NoError(t, client.Get(t.Context(), 1001).Err)
	assert.Equal(t, Limit{Requests: 1, Window: time.Minute}, failed(t, client.Get(t.Context(), 1001)).Limit)
}

func FuzzWait(f *testing.F) {
	f.Add("30", "", "")
	f.Add("-1", "", "again in 8 seconds")
	f.Add("99999999999999999999", "", "again in 99999999999999999999 seconds")
	f.Add("Tue, 03 Feb 2026 04:05:36 GMT", "Tue, 03 Feb 2026 04:05:06 GMT", "")
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "in 0 seconds")
	f.Add("3601", "", "Maximum allowed 1000000 per 1.00:00:00.")
	f.Fuzz(func(t *testing.T, retryAfter, date, message string) {
		e := &Error{Message: message}
		e.throttle(http.Header{"Retry-After": {retryAfter}, "Date": {date}})
		assert.GreaterOrEqual(t, e.RetryAfter, time.Second)
		assert.LessOrEqual(t, e.RetryAfter, MaxWait)
		assert.Contains(t, []WaitSource{WaitFromHeader, WaitFromMessage, WaitFromDefault}, e.WaitFrom)
		if e.Asked != 0 {
			assert.Greater(t, e.Asked, MaxWait)
			assert.Equal(t, MaxWait, e.RetryAfter)
		}
		if e.Limit != (Limit{}) {
			assert.Positive(t, e.Limit.Requests)
			assert.LessOrEqual(t, e.Limit.Requests, 1_000_000)
			assert.GreaterOrEqual(t, e.Limit.Window, time.Second)
			assert.LessOrEqual(t, e.Limit.Window, 24*time.Hour)
			assert.Contains(t, message, "Maximum allowed ")
		}
	})
}

package defender

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
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
		"words":                        {"soon", date, inAWhile, 8 * time.Second, WaitFromMessage},
		"the message":                  {"", date, inAWhile, 8 * time.Second, WaitFromMessage},
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
		})
	}
}

func FuzzWait(f *testing.F) {
	f.Add("30", "", "")
	f.Add("-1", "", "again in 8 seconds")
	f.Add("99999999999999999999", "", "again in 99999999999999999999 seconds")
	f.Add("Tue, 03 Feb 2026 04:05:36 GMT", "Tue, 03 Feb 2026 04:05:06 GMT", "")
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "in 0 seconds")
	f.Fuzz(func(t *testing.T, retryAfter, date, message string) {
		header := http.Header{"Retry-After": {retryAfter}, "Date": {date}}
		d, from := wait(header, message)
		assert.GreaterOrEqual(t, d, time.Second)
		assert.LessOrEqual(t, d, time.Hour)
		assert.Contains(t, []WaitSource{WaitFromHeader, WaitFromMessage, WaitFromDefault}, from)
	})
}

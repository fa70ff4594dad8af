// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// ContentFaultKinds lists the faults of calls that return incidents or alerts:
// the content is odd or incomplete. Responses to which the fault does not apply
// are the regular ones.
func ContentFaultKinds() []FaultKind {
	return []FaultKind{
		{"lone-surrogate", "", "names and titles begin with half of a surrogate pair", altered(halvePairs)},
		{"id-type", "", "IDs of incidents are strings under Defender XDR, numbers under Graph", rewritten(swapIDTypes)},
		{"other-id", "9999999", "incidents have this ID", alteredBy(otherID)},
		{"alerts-missing", "", "there is no member alerts; in a page of alerts, no value", altered(cutAlerts(""))},
		{"alerts-null", "", "alerts is null; in a page of alerts, value is", altered(cutAlerts("null"))},
		{"partial", "", "206 with a Warning header and half of the alerts; in the list of alerts, half of the rows", halfOfTheAlerts},
		{"expand-500", "", "500 to $expand=alerts; without it, the regular response", failExpanded},
		{"time-no-zone", "", "times have no zone", rewritten(timesAs(func(seconds, fraction string) string { return `"` + seconds + fraction + `"` }))},
		{"time-offset", "", "times have the zone +00:00", rewritten(timesAs(func(seconds, fraction string) string { return `"` + seconds + fraction + `+00:00"` }))},
		{"time-precision", "", "times have twelve digits after the second", rewritten(timesAs(preciseTime))},
		{"time-null", "", "times are null", altered(timesAs(constantTime("null")))},
		{"time-0001", "", "times are 0001-01-01, the smallest of .NET", altered(timesAs(constantTime(`"0001-01-01T00:00:00Z"`)))},
		{"time-1601", "", "times are 1601-01-01, the smallest of Windows", altered(timesAs(constantTime(`"1601-01-01T00:00:00Z"`)))},
		{"time-1970", "", "times are 1970-01-01, zero of Unix", altered(timesAs(constantTime(`"1970-01-01T00:00:00Z"`)))},
		{"time-9999", "", "times are 9999-12-31, the largest of .NET", altered(timesAs(constantTime(`"9999-12-31T23:59:59.9999999Z"`)))},
	}
}

// A rewriter transforms an incident, or a page of alerts.
type rewriter = func(*exchange, []byte) []byte

// rewritten sends the regular response in another form, but with
// the same content.
func rewritten(rewrite rewriter) responder {
	return func(x *exchange, _ Fault) bool {
		x.reshape = rewrite
		return false
	}
}

// altered sends the regular response with other content: it shows the state
// of no incident.
func altered(rewrite rewriter) responder {
	return alteredBy(func(Fault) rewriter { return rewrite })
}

func alteredBy(rewriter func(Fault) rewriter) responder {
	return func(x *exchange, f Fault) bool {
		x.reshape, x.altered = rewriter(f), true
		return false
	}
}

func halvePairs(_ *exchange, object []byte) []byte {
	return regexp.MustCompile(`"(incidentName|displayName|title)":"`).ReplaceAll(object, []byte(`$0\ud83d `))
}

func swapIDTypes(x *exchange, object []byte) []byte {
	if x.dialect.api == APIGraph {
		return regexp.MustCompile(`"(id|incidentId|redirectIncidentId)":"(\d+)"`).ReplaceAll(object, []byte(`"$1":$2`))
	}
	return regexp.MustCompile(`"(incidentId|redirectIncidentId)":(\d+)`).ReplaceAll(object, []byte(`"$1":"$2"`))
}

func otherID(f Fault) rewriter {
	return func(x *exchange, object []byte) []byte {
		if x.dialect.api == APIGraph {
			return regexp.MustCompile(`"(id|incidentId)":"\d+"`).ReplaceAll(object, fmt.Appendf(nil, `"$1":"%d"`, f.Size))
		}
		return regexp.MustCompile(`"incidentId":\d+`).ReplaceAll(object, fmt.Appendf(nil, `"incidentId":%d`, f.Size))
	}
}

// cutAlerts replaces the alerts and the link after them with a value; empty:
// they are removed. It relies on both being the last members.
func cutAlerts(value string) rewriter {
	return func(x *exchange, object []byte) []byte {
		name := "alerts"
		if x.endpoint == EndpointAlerts {
			name = "value"
		}
		before, _, found := bytes.Cut(object, fmt.Appendf(nil, `,"%s":[`, name))
		switch {
		case !found:
			return object
		case value == "":
			before, _, _ = bytes.Cut(before, []byte(`,"alerts@odata.context"`))
			return append(before, '}')
		}
		return fmt.Appendf(before, `,"%s":%s}`, name, value)
	}
}

func halfOfTheAlerts(x *exchange, _ Fault) bool {
	x.partial, x.altered = true, true
	return false
}

func failExpanded(x *exchange, _ Fault) bool {
	if x.query.expand {
		x.fail(http.StatusInternalServerError, "InternalServerError", "")
	}
	return x.query.expand
}

// timesAs writes every time with form, which gets the time up to the second,
// and the fraction with its point.
func timesAs(form func(seconds, fraction string) string) rewriter {
	return func(_ *exchange, object []byte) []byte {
		times := regexp.MustCompile(`"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z"`)
		return times.ReplaceAllFunc(object, func(text []byte) []byte {
			part := times.FindSubmatch(text)
			return []byte(form(string(part[1]), string(part[2])))
		})
	}
}

func preciseTime(seconds, fraction string) string {
	digits := strings.TrimPrefix(fraction, ".")
	return `"` + seconds + "." + digits + strings.Repeat("0", 12-len(digits)) + `Z"`
}

func constantTime(text string) func(seconds, fraction string) string {
	return func(string, string) string { return text }
}

// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one way for a response to go wrong. ParseFault makes one.
type Fault struct {
	Name string
	// Wait is the argument of faults that take a duration.
	Wait time.Duration
	// Size is the argument of faults that take a number, in bytes or levels.
	Size int64
}

// FaultKind describes a fault for people.
type FaultKind struct {
	Name string
	// Argument is the default of the value that may follow the name after an
	// equals sign; "" if the fault takes none.
	Argument string
	Meaning  string

	respond responder
}

// FaultGroup is a group of faults that apply to the same calls.
type FaultGroup struct {
	Title string
	Kinds []FaultKind
}

// FaultGroups lists every fault once.
func FaultGroups() []FaultGroup {
	return []FaultGroup{
		{"Faults of any request, such as --fault slow=3s", FaultKinds()},
		{"Unusual encodings of any response, such as --list-fault bom", EncodingFaultKinds()},
		{"Unusual content of incidents, pages of alerts and pages of lists, such as --fault alerts-null", ContentFaultKinds()},
		{"Wrong links in Graph's incidents, pages of alerts and pages of lists, such as --alerts-fault link-stuck", LinkFaultKinds()},
		{"Faults of lists only, of incidents or of all alerts, such as --list-fault padded=1MiB", listOnlyKinds()},
		{"Refusals of the token endpoint, such as --token-fault AADSTS7000222", TokenFaultKinds()},
	}
}

// FaultKinds lists the failures that any call can have.
func FaultKinds() []FaultKind {
	return []FaultKind{
		{"400", "", "400 with an error object", respondWith(400, "BadRequest", "The request is invalid.")},
		{"401", "", "401 with an error object", respondDenied},
		{"401-revoked", "", "401 with insufficient_claims, as for a revoked token", respondRevoked},
		{"403", "", "403 that names missing roles", respondForbidden},
		{"404-html", "", "404 with a proxy's HTML page", respondPage(404, "Not Found")},
		{"429", "8s", "429 with the waiting time in its message", respondThrottled(ThrottleMessage)},
		{"429-retry-after", "8s", "429 with Retry-After in seconds", respondThrottled(ThrottleSeconds)},
		{"429-retry-after-fraction", "2.5s", "429 with Retry-After in seconds and a fraction", respondBackIn(429, exactSeconds)},
		{"429-retry-after-negative", "", "429 with a negative Retry-After", respondBackIn(429, literally("-1"))},
		{"429-retry-after-date", "8s", "429 with Retry-After as a date", respondThrottled(ThrottleDate)},
		{"429-retry-after-past", "", "429 with Retry-After as a date in the past", respondBackIn(429, literally("Thu, 01 Jan 1970 00:00:00 GMT"))},
		{"429-limit", "30", "429 with a message that names a limit of this many requests a minute", respondLimit},
		{"429-bare", "", "429 that does not say when to retry", respondThrottled(ThrottleBare)},
		{"429-empty", "", "429 without a body", respondThrottled(ThrottleEmpty)},
		{"500", "", "500 with an empty message", respondWith(500, "InternalServerError", "")},
		{"503", "", "503 with an HTML page", respondPage(503, "Service Unavailable")},
		{"503-retry-after", "8s", "503 with an error object and Retry-After in seconds", respondBackIn(503, exactSeconds)},
		{"504", "", "504 with an HTML page", respondPage(504, "Gateway Timeout")},
		{"redirect", "", "302 to the same address", respondRedirect("")},
		{"redirect-other", "", "302 to another host", respondRedirect(elsewhere)},
		{"reset", "", "the connection is reset", reset},
		{"goaway", "", "GOAWAY instead of a response, then the connection closes; over HTTP/1.1 it closes without a response", goAway},
		{"hang", "", "no response until the client gives up", hang},
		{"silent", "", "the connection stays open, but nothing arrives on it any more", silent},
		{"slow", "10s", "the regular response, but late", slow},
		{"close", "", "the regular response, then the connection closes without notice", closeAfter},
		{"truncated", "", "half of the body, then the connection closes", truncated},
		{"empty", "", "200 without a body", respondEmpty},
		{"html", "", "200 with an HTML page", respondPage(200, "Sign in")},
		{"content-type", "", "the regular response as text/plain", wrongType},
		{"huge", "100MiB", "a valid object of about this many bytes, not compressed", huge},
		{"nested", "100000", "a value nested this deep", spliced(nestedMember)},
		{"invalid-utf8", "", "a string that is not UTF-8", spliced(invalidMember)},
		{"duplicate-keys", "", "two members status with different values", spliced(duplicateMember)},
		{"big-number", "", "an integer beyond 64 bits", spliced(numberMember)},
	}
}

func findFault(name string) (FaultKind, bool) {
	for _, group := range FaultGroups() {
		n := slices.IndexFunc(group.Kinds, func(k FaultKind) bool { return k.Name == name })
		if n >= 0 {
			return group.Kinds[n], true
		}
	}
	return FaultKind{}, false
}

// ParseFault reads a fault such as "500", "slow=3s" or "huge=64MiB".
func ParseFault(text string) (Fault, error) {
	name, argument, given := strings.Cut(text, "=")
	kind, known := findFault(name)
	if !known {
		return Fault{}, fmt.Errorf("unknown fault %q: one of %s", name, strings.Join(faultNames(), ", "))
	}
	if given && kind.Argument == "" {
		return Fault{}, fmt.Errorf("fault %s takes no argument", name)
	}
	if !given {
		argument = kind.Argument
	}
	f := Fault{Name: name}
	if kind.Argument == "" {
		return f, nil
	}
	var err error
	if strings.HasSuffix(kind.Argument, "s") {
		f.Wait, err = time.ParseDuration(argument)
	} else {
		f.Size, err = parseSize(argument)
	}
	if err != nil || f.Wait < 0 || f.Size < 0 {
		return Fault{}, fmt.Errorf("fault %s: %q is not a value like %s", name, argument, kind.Argument)
	}
	return f, nil
}

func (f Fault) String() string {
	switch {
	case f.Wait != 0:
		return f.Name + "=" + f.Wait.String()
	case f.Size != 0:
		return f.Name + "=" + strconv.FormatInt(f.Size, 10)
	}
	return f.Name
}

// Fits returns why the fault cannot be set at a place, which is as in SetFault;
// nil: it can.
func (f Fault) Fits(where int64) error {
	switch {
	case f.in(listOnlyKinds()) && where != ListRequests && where != AlertListRequests:
		return fmt.Errorf("fault %s: applies to List requests only", f.Name)
	case f.in(TokenFaultKinds()) && where != TokenRequests:
		return fmt.Errorf("fault %s: applies to the token endpoint only", f.Name)
	case f.in(LinkFaultKinds()) && where == TokenRequests:
		return fmt.Errorf("fault %s: does not apply to the token endpoint, which has no links", f.Name)
	case f.in(ContentFaultKinds()) && where == TokenRequests:
		return fmt.Errorf("fault %s: does not apply to the token endpoint, which has no incidents", f.Name)
	}
	return nil
}

func (f Fault) in(kinds []FaultKind) bool {
	return slices.ContainsFunc(kinds, func(k FaultKind) bool { return k.Name == f.Name })
}

// apply applies the fault; false: the regular response is still to be sent.
func (f Fault) apply(x *exchange) bool {
	kind, known := findFault(f.Name)
	return known && kind.respond(x, f)
}

func faultNames() []string {
	var names []string
	for _, group := range FaultGroups() {
		for _, k := range group.Kinds {
			names = append(names, k.Name)
		}
	}
	return names
}

func parseSize(text string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}
	for _, u := range units {
		if number, found := strings.CutSuffix(text, u.suffix); found {
			n, err := strconv.ParseInt(number, 10, 32)
			return n * u.factor, err
		}
	}
	return strconv.ParseInt(text, 10, 64)
}

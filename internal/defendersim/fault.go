package defendersim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one way for an answer to go wrong. ParseFault makes one.
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
	// equals sign; "" where the fault takes none.
	Argument string
	Meaning  string

	answer answer
}

// FaultKinds lists the faults that any call can have.
func FaultKinds() []FaultKind {
	return []FaultKind{
		{"400", "", "400 with an error object", answerWith(400, "BadRequest", "The request is invalid.")},
		{"401", "", "401 with an error object", answerDenied},
		{"403", "", "403 that names missing roles", answerForbidden},
		{"404-html", "", "404 with a proxy's HTML page", answerPage(404, "Not Found")},
		{"429", "8s", "429 with the waiting time in its message", answerThrottled(ThrottleMessage)},
		{"429-retry-after", "8s", "429 with Retry-After in seconds", answerThrottled(ThrottleSeconds)},
		{"429-retry-after-date", "8s", "429 with Retry-After as a date", answerThrottled(ThrottleDate)},
		{"429-bare", "", "429 without a hint when to come back", answerThrottled(ThrottleBare)},
		{"429-empty", "", "429 without a body", answerThrottled(ThrottleEmpty)},
		{"500", "", "500 with an empty message", answerWith(500, "InternalServerError", "")},
		{"503", "", "503 with an HTML page", answerPage(503, "Service Unavailable")},
		{"504", "", "504 with an HTML page", answerPage(504, "Gateway Timeout")},
		{"redirect", "", "302 to the same address", answerRedirect("")},
		{"redirect-other", "", "302 to another host", answerRedirect(elsewhere)},
		{"reset", "", "the connection is reset", reset},
		{"hang", "", "no answer until the client gives up", hang},
		{"slow", "10s", "the regular answer, but late", slow},
		{"truncated", "", "half of the body, then the connection ends", truncated},
		{"empty", "", "200 without a body", answerEmpty},
		{"html", "", "200 with an HTML page", answerPage(200, "Sign in")},
		{"content-type", "", "the regular answer as text/plain", wrongType},
		{"huge", "100MiB", "a valid object of about that many bytes, not compressed", huge},
		{"nested", "100000", "a value nested that deep", spliced(nestedMember)},
		{"invalid-utf8", "", "a string that is not UTF-8", spliced(invalidMember)},
		{"duplicate-keys", "", "status twice, with two values", spliced(duplicateMember)},
		{"big-number", "", "an integer beyond 64 bits", spliced(numberMember)},
	}
}

func findFault(name string) (FaultKind, bool) {
	kinds := append(FaultKinds(), ListFaultKinds()...)
	n := slices.IndexFunc(kinds, func(k FaultKind) bool { return k.Name == name })
	if n < 0 {
		return FaultKind{}, false
	}
	return kinds[n], true
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

// ListOnly reports whether no calls but List can have the fault.
func (f Fault) ListOnly() bool { return f.in(ListFaultKinds()) && !f.in(LinkFaultKinds()) }

func (f Fault) in(kinds []FaultKind) bool {
	return slices.ContainsFunc(kinds, func(k FaultKind) bool { return k.Name == f.Name })
}

// answer lets the fault strike; false: the regular answer is still to come.
func (f Fault) answer(x *exchange) bool {
	kind, known := findFault(f.Name)
	return known && kind.answer(x, f)
}

func faultNames() []string {
	var names []string
	for _, k := range append(FaultKinds(), ListFaultKinds()...) {
		names = append(names, k.Name)
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

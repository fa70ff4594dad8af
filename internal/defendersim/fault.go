package defendersim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// AllIncidents stands for every incident where a fault is set.
	AllIncidents int64 = 0
	// TokenRequests stands for the token endpoint where a fault is set.
	TokenRequests int64 = -1
	// ListRequests stands for the List calls where a fault is set. No other
	// fault strikes those.
	ListRequests int64 = -2
	// AlertRequests stands for the pages of alerts where a fault is set. No
	// other fault strikes those.
	AlertRequests int64 = -3
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
		{"redirect-other", "", "302 to another host", answerRedirect("https://elsewhere.contoso.example")},
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
func (f Fault) ListOnly() bool {
	return slices.ContainsFunc(ListFaultKinds(), func(k FaultKind) bool { return k.Name == f.Name })
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

// Rule says when a fault strikes.
type Rule struct {
	Fault Fault
	// Probability, 0 to 1, of striking a request; 0: always.
	Probability float64
	// Times is how often it strikes before it goes away; 0: without end.
	Times int
	// OnSkip spares List calls that skip no row: the fault strikes between the
	// pages.
	OnSkip bool
}

// activeRule is a rule at work.
type activeRule struct {
	Rule
	requests map[int64]uint64 // that it was asked about, by incident
	struck   int
}

// SetFault lets a fault strike requests for one incident, for AllIncidents,
// for TokenRequests or for ListRequests. It takes the place of the one that was
// set there before; that of a single incident goes before that of all.
func (s *Sim) SetFault(id int64, r Rule) error {
	if _, known := findFault(r.Fault.Name); !known {
		return fmt.Errorf("unknown fault %q", r.Fault.Name)
	}
	if id != ListRequests && (r.OnSkip || r.Fault.ListOnly()) {
		return fmt.Errorf("fault %s: that is for List calls alone", r.Fault.Name)
	}
	if !(r.Probability >= 0 && r.Probability <= 1) {
		return fmt.Errorf("fault %s: probability %v is not between 0 and 1", r.Fault.Name, r.Probability)
	}
	if r.Times < 0 {
		return fmt.Errorf("fault %s: %d times is negative", r.Fault.Name, r.Times)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules[id] = &activeRule{Rule: r, requests: make(map[int64]uint64)}
	return nil
}

// ClearFault takes away the fault of one incident, of AllIncidents, of
// TokenRequests or of ListRequests.
func (s *Sim) ClearFault(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rules, id)
}

// ClearFaults takes away all faults.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.rules)
}

// target is where a fault is set that strikes a request to an API.
func (x *exchange) target() int64 {
	switch x.endpoint {
	case EndpointList:
		return ListRequests
	case EndpointAlerts:
		return AlertRequests
	}
	return x.id
}

// strike decides whether a fault strikes a request, and takes it down.
func (s *Sim) strike(x *exchange, id int64) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rule, set := s.rules[id]
	where := id
	if !set && id > 0 {
		where = AllIncidents
		rule, set = s.rules[AllIncidents]
	}
	if !set || rule.OnSkip && x.query.skip == 0 {
		return Fault{}, false
	}
	rule.requests[id]++
	if rule.Probability > 0 && !s.faultDice(id, rule.requests[id]).chance(rule.Probability) {
		return Fault{}, false
	}
	rule.struck++
	if rule.Times > 0 && rule.struck >= rule.Times {
		delete(s.rules, where)
	}
	s.journal.amend(x.number, func(r *Request) { r.Fault = rule.Fault.String() })
	return rule.Fault, true
}

// faultDice gives each request its own throw, so how the requests for different
// incidents interleave has no say in it.
func (s *Sim) faultDice(id int64, request uint64) dice {
	return newDice(s.cfg.Seed, streamFaults, uint64(id)<<24+request)
}

// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// oneRepeatIn is the minimum number of records per repeat of an earlier
// record.
const oneRepeatIn = 20

// AtLeast compares the records with what was served to a collector that was
// started at each of the given moments. Each of its lives ended with a kill,
// except the last, which ended with a regular stop. Equality cannot be required:
// what a kill interrupted is compared once more in the next life, perhaps with a
// later state, and what was accepted but not stored is emitted once more. But
// whenever the kills came:
//
//   - What was certainly processed is emitted, with all its alerts and those that
//     have left since. That is a response after which the same life requested the
//     same incident again, and every response of the last life.
//   - A state that lasted while one life sent two requests for each existing
//     incident, in any order, is emitted, served or not. That is two polling
//     cycles on any machine.
//   - Nothing is emitted that was not served.
//   - A repeated record has the same identity as before, unless the incident's
//     alerts have changed since, which its own record shows. At most one record
//     in 20 is a repeat.
//
// It supports incidents that stay or are merged, but not ones that come back, and
// requires a simulator that forgets nothing. It returns the differences; nil:
// there are none.
func AtLeast(sim *defendersim.Sim, lives []time.Time, records []Record) []string {
	emitted, repeats, problems := identities(records)
	b := bounds{sim: sim, may: map[string]int{}, must: map[string]int{}}
	for id, responses := range responsesOf(sim, lives) {
		b.served(id, responses)
	}
	requests := requestsOf(sim, lives)
	for _, id := range sim.IDs() {
		b.stood(id, requests)
	}
	for _, key := range slices.Sorted(keysOf(b.must, emitted)) {
		switch n := len(emitted[key]); {
		case n < b.must[key]:
			problems = append(problems, "lost: "+key)
		case b.may[key] == 0:
			problems = append(problems, "never served: "+key)
		case n > b.may[key]:
			problems = append(problems, fmt.Sprintf("emitted under %d identities: %s", n, key))
		}
	}
	if repeats*oneRepeatIn > len(records) {
		problems = append(problems, fmt.Sprintf("%d of %d records are repeats", repeats, len(records)))
	}
	return problems
}

// Repeats counts the records with the identity of an earlier one.
func Repeats(records []Record) int {
	_, repeats, _ := identities(records)
	return repeats
}

// identities lists the identities of each key.
func identities(records []Record) (emitted map[string]map[string]bool, repeats int, problems []string) {
	emitted = map[string]map[string]bool{}
	shown := map[string]string{} // by identity
	for _, r := range records {
		key := r.key()
		what := key + " " + r.Change
		first, again := shown[r.UID]
		switch {
		case r.UID == "":
			problems = append(problems, "without a log.record.uid: "+key)
		case again && first != what:
			problems = append(problems, fmt.Sprintf("the same log.record.uid for %s and %s", first, what))
		case again:
			repeats++
		}
		shown[r.UID] = what
		if emitted[key] == nil {
			emitted[key] = map[string]bool{}
		}
		emitted[key][r.UID] = true
	}
	return emitted, repeats, problems
}

func keysOf(must map[string]int, emitted map[string]map[string]bool) func(func(string) bool) {
	all := map[string]struct{}{}
	for key := range must {
		all[key] = struct{}{}
	}
	for key := range emitted {
		all[key] = struct{}{}
	}
	return maps.Keys(all)
}

// response is the simulator's response to one request for an incident.
type response struct {
	state   *defendersim.State // nil: there is no such incident
	life    int                // that sent the request
	certain bool               // it was processed before that life ended
}

// responsesOf lists the responses that showed a state, by incident.
func responsesOf(sim *defendersim.Sim, lives []time.Time) map[int64][]response {
	responses := map[int64][]response{}
	histories := map[int64][]defendersim.State{}
	for _, id := range sim.IDs() {
		histories[id], _ = sim.History(id)
	}
	for _, r := range sim.Journal() {
		life := lifeAt(lives, r.Time)
		if n := len(responses[r.ID]); r.Endpoint == defendersim.EndpointIncident && n > 0 && responses[r.ID][n-1].life == life {
			responses[r.ID][n-1].certain = true
		}
		a := response{life: life, certain: life == len(lives)-1}
		switch {
		case notFound(r):
		case shows(r):
			a.state = &histories[r.ID][r.State]
		default:
			continue
		}
		responses[r.ID] = append(responses[r.ID], a)
	}
	return responses
}

// lifeAt is the last life that had begun: everything that a collector sends
// arrives before the next one is started.
func lifeAt(lives []time.Time, at time.Time) int {
	n := 0
	for n+1 < len(lives) && !lives[n+1].After(at) {
		n++
	}
	return n
}

// requestsOf lists the times of all requests for incidents, by life.
func requestsOf(sim *defendersim.Sim, lives []time.Time) [][]time.Time {
	requests := make([][]time.Time, len(lives))
	for _, r := range sim.Journal() {
		if r.Endpoint == defendersim.EndpointIncident {
			life := lifeAt(lives, r.Time)
			requests[life] = append(requests[life], r.Time)
		}
	}
	return requests
}

// bounds are the largest and the smallest number of identities of each key.
type bounds struct {
	sim       *defendersim.Sim
	may, must map[string]int
}

// served adds what responses about one incident require and allow.
func (b bounds) served(id int64, responses []response) {
	var last, sure *defendersim.State // the last one served, the last one certainly processed
	states := map[*defendersim.State]bool{}
	for _, a := range responses {
		keys := []string{Record{Incident: id, Change: "not_found"}.key()}
		if a.state != nil {
			keys = Mode{Alerts: Split}.between(id, nil, *a.state)
		}
		for n, key := range keys {
			switch own := n == 0 && a.state != nil; {
			case !own:
				b.may[key] = 1
			case !states[a.state]: // possibly with other alerts than the previous state
				b.may[key]++
			}
			if a.certain {
				b.must[key] = 1
			}
		}
		if a.state == nil {
			continue
		}
		states[a.state] = true
		for _, key := range departures(id, last, *a.state) {
			b.may[key]++
		}
		last = a.state
		if a.certain {
			for _, key := range departures(id, sure, *a.state) {
				b.must[key]++
			}
			sure = a.state
		}
	}
}

// stood adds the states of an incident that lasted for two cycles of one life,
// whose requests are given.
func (b bounds) stood(id int64, requests [][]time.Time) {
	states, _ := b.sim.History(id)
	for i, state := range states {
		if state.Removed || i > 0 && states[i-1].RedirectID != 0 {
			continue
		}
		enough := func(requests []time.Time) bool { return within(state, requests) >= 2*len(b.sim.IDs()) }
		if slices.ContainsFunc(requests, enough) {
			for _, key := range (Mode{Alerts: Split}).between(id, nil, state) {
				b.must[key] = 1
			}
		}
	}
}

// within counts the requests that were sent during a state.
func within(state defendersim.State, requests []time.Time) int {
	n := 0
	for _, at := range requests {
		if !at.Before(state.From) && (state.Until.IsZero() || at.Before(state.Until)) {
			n++
		}
	}
	return n
}

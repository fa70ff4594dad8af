package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// class puts together the failures that have one cause.
type class int

const (
	oneIncidents class = iota // says nothing of the others
	signInFailed
	accessDenied
	serviceFailed
	misplaced // what was delivered before is not found where this run asks
)

// enough is how many different incidents in a row make it everybody's trouble.
const enough = 5

func classOf(kind defender.Kind) class {
	switch kind {
	case defender.NoToken:
		return signInFailed
	case defender.Unauthorized, defender.Forbidden:
		return accessDenied
	case defender.ServerError, defender.Network, defender.Timeout:
		return serviceFailed
	}
	return oneIncidents
}

// outage is trouble that is everybody's: it shows in failures of one class,
// one after another. The zero value is no outage.
type outage struct {
	class     class
	incidents map[int64]int // how often each has failed in a row of that class
	total     bool          // it is everybody's: all wait
	since     time.Time     // of the first failure in the row
	backoff   *backoff.ExponentialBackOff
}

// failed adds a failure to the row and says whether it is everybody's by now.
// followed is how many incidents there are.
func (o *outage) failed(id int64, class class, followed int, now time.Time) bool {
	if o.class != class {
		*o = outage{class: class, incidents: map[int64]int{}, since: now, backoff: newBackoff(5*time.Second, 5*time.Minute)}
	}
	o.incidents[id]++
	switch class {
	case signInFailed:
		o.total = true
	case accessDenied: // a second incident, or the only one twice
		o.total = o.total || len(o.incidents) >= 2 || followed == 1 && o.incidents[id] >= 2
	case serviceFailed, misplaced:
		o.total = o.total || len(o.incidents) >= enough
	}
	return o.total
}

// everybodysTrouble makes all wait when a failure is not just one incident's.
func (p *poller) everybodysTrouble(a arrival, class class, failure *defender.Error) {
	if class == oneIncidents {
		p.serviceAnswered(a.at)
		return
	}
	known := p.outage.class == class && p.outage.total
	total := p.outage.failed(a.id, class, p.tracker.Len(), a.at)
	if total && !known {
		p.logOutage(class, failure)
	}
	// Requests that were under way when the wait began do not make it longer.
	if _, paused := p.quota.PausedUntil(a.at); total && !paused {
		p.quota.Pause(a.at.Add(p.outage.backoff.NextBackOff()))
	}
}

// whatATokenNeeds is what a person can check when the API refuses the token.
const whatATokenNeeds = "the API refuses the token: it has to be for this API (the scope of http::auth) " +
	"and to have the permission Incident.Read.All, with admin consent"

// logOutage says what everybody waits for.
func (p *poller) logOutage(class class, failure *defender.Error) {
	switch class {
	case signInFailed:
		p.logger.Error("no token: nothing is fetched until the sign-in works (see http::auth)", zap.Error(failure))
	case accessDenied:
		p.logger.Error("nothing can be fetched: "+whatATokenNeeds, zap.Error(failure))
	case serviceFailed:
		p.logger.Warn("the API does not answer: everything waits", zap.Error(failure))
	case misplaced:
		p.logger.Error("no incident that was delivered before is found: is http::endpoint, or the tenant of http::auth, another one? "+
			"nothing is emitted", zap.Error(failure))
	case oneIncidents:
	}
}

// mayBeElsewhere says whether an incident that is not found may just be asked
// for in the wrong place: since the start nothing was found yet, though enough
// was delivered before. Its not_found is held back until something is found.
func (p *poller) mayBeElsewhere(id int64) bool {
	return p.unproven && p.states[id].Seen
}

// serviceAnswered ends everybody's trouble: the API took the token and had
// something to say.
func (p *poller) serviceAnswered(now time.Time) {
	if p.outage.total {
		p.logger.Info("the API answers again", zap.Duration("after", now.Sub(p.outage.since).Round(time.Second)))
	}
	p.outage = outage{}
	p.throttling = false
}

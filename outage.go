package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

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
		p.ail(class, failure)
	}
	// Requests that were under way when the wait began do not make it longer.
	if _, paused := p.gets.PausedUntil(a.at); total && !paused {
		until := a.at.Add(p.outage.backoff.NextBackOff())
		p.gets.Pause(until)
		if p.feed != nil {
			p.feed.lists.Pause(until)
		}
	}
}

// ail says what everybody waits for, to people and to the collector.
func (p *poller) ail(class class, failure *defender.Error) {
	level, message := zapcore.ErrorLevel, ""
	switch class {
	case signInFailed:
		message = "no token: nothing is fetched until the sign-in works (see http::auth)"
	case accessDenied:
		message = "nothing can be fetched: " + whatATokenNeeds
	case serviceFailed:
		level, message = zapcore.WarnLevel, "the API does not answer: everything waits"
	case misplaced:
		message = "no incident that was delivered before is found: is http::endpoint, or the tenant of http::auth, another one? " +
			"nothing is emitted"
	case oneIncidents:
		return
	}
	p.logger.Log(level, message, append([]zap.Field{zap.Error(failure)}, refusal(failure)...)...)
	p.status(componentstatus.NewRecoverableErrorEvent(fmt.Errorf("%s: %w", message, failure)))
	if p.ailing.IsZero() {
		p.ailing = p.outage.since
	}
}

// whatATokenNeeds is what a person can check when the API refuses the token.
const whatATokenNeeds = "the API refuses the token: it has to be for this API (the scope of http::auth) " +
	"and to have the permission to read incidents, with admin consent"

// refusal are the log fields that explain a refused token: what it says of
// itself, and what to do. With any other failure there are none.
func refusal(failure *defender.Error) []zap.Field {
	if failure.Advice == "" {
		return nil
	}
	fields := []zap.Field{zap.String("advice", failure.Advice), zap.String("permission_needed", failure.Permission)}
	token := failure.Token
	if token == nil {
		return fields
	}
	fields = append(fields, zap.Strings("token_audience", token.Audience), zap.String("token_tenant", token.Tenant),
		zap.String("token_application", token.Application), zap.Strings("token_roles", token.Roles))
	if len(token.Scopes) > 0 {
		fields = append(fields, zap.Strings("token_scopes", token.Scopes))
	}
	if !token.Expires.IsZero() {
		fields = append(fields, zap.Time("token_expires", token.Expires))
	}
	return fields
}

// mayBeElsewhere says whether an incident that is not found may just be asked
// for in the wrong place: since the start nothing was found yet, though enough
// was delivered before. Its not_found is held back until something is found.
func (p *poller) mayBeElsewhere(id int64) bool {
	return p.unproven && p.known[id].Seen
}

// serviceAnswered ends everybody's trouble: the API took the token and had
// something to say.
func (p *poller) serviceAnswered(now time.Time) {
	if !p.ailing.IsZero() {
		p.logger.Info("the API answers again", zap.Duration("after", now.Sub(p.ailing).Round(time.Second)))
		p.status(componentstatus.NewEvent(componentstatus.StatusOK))
		p.ailing = time.Time{}
	}
	p.outage = outage{}
	p.throttling = false
}

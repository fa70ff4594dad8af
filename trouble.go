package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/tracker"
)

// mostNamed bounds how many incidents with the same kind of trouble are named
// at a time: what is wrong with all is not said for each.
const mostNamed = 10

// trouble is what keeps one incident from being fetched.
type trouble struct {
	kind     string // as the log names it
	said     bool   // not, where it was said for everybody or for many
	since    time.Time
	failures int
	backoff  *backoff.ExponentialBackOff
}

// ownTrouble has a failing incident fetched again later each time, so that it
// takes little from the others.
func (p *poller) ownTrouble(a arrival, failure *defender.Error) {
	wait := p.noteTrouble(a, failure)
	p.tracker.Done(a.id, tracker.Outcome{Due: a.at.Add(wait), Hung: failure.Kind == defender.Timeout})
}

// unreadable is the trouble of an incident of which it cannot be read what was
// delivered.
const unreadable = "unreadable checkpoint"

// cannotCompare has an incident asked for again later of which it cannot be told
// what has changed. Nothing is emitted of it meanwhile, so nothing is lost.
func (p *poller) cannotCompare(a arrival, err error) {
	wait := p.note(a, unreadable, p.backoffFor(0, a.at), func() {
		p.logger.Error("checkpoint of an incident cannot be read: nothing is emitted of it, and it is tried again from time to time",
			zap.Int64("incident", a.id), zap.Error(err))
	})
	p.tracker.Done(a.id, tracker.Outcome{Due: a.at.Add(wait)})
}

// noteTrouble notes a failure, says it once, and returns the time to wait.
func (p *poller) noteTrouble(a arrival, failure *defender.Error) time.Duration {
	return p.note(a, failure.Kind.String(), p.backoffFor(failure.Kind, a.at), func() { p.logTrouble(a.id, failure) })
}

// note notes trouble of a kind. Where it is new, backoff tells the times to wait
// from now on, and say says it, unless it was said for everybody or for many.
func (p *poller) note(a arrival, kind string, backoff *backoff.ExponentialBackOff, say func()) time.Duration {
	t := p.troubles[a.id]
	if t == nil || t.kind != kind {
		p.forgetTrouble(a.id)
		t = &trouble{kind: kind, since: a.at, backoff: backoff}
		t.said = !p.outage.total && p.named[kind] < mostNamed
		p.troubles[a.id] = t
		if t.said {
			p.named[kind]++
			say()
			p.sayMany(kind)
		}
	}
	t.failures++
	return t.backoff.NextBackOff()
}

// sayMany says that no more are named with a kind of trouble.
func (p *poller) sayMany(kind string) {
	if p.named[kind] == mostNamed {
		p.logger.Warn("many incidents have this trouble: further ones are not named", zap.String("trouble", kind))
	}
}

// logTrouble says what is wrong with one incident. The error's own text names
// the setting to change, where there is one.
func (p *poller) logTrouble(id int64, failure *defender.Error) {
	level, message := zapcore.WarnLevel, "incident cannot be fetched: it is tried again from time to time"
	switch failure.Kind {
	case defender.NotFound:
		message = "incident not found: it is looked for again from time to time"
	case defender.Unauthorized, defender.Forbidden:
		level, message = zapcore.ErrorLevel, whatATokenNeeds
	case defender.Redirect, defender.Rejected:
		level = zapcore.ErrorLevel
	}
	p.logger.Log(level, message, append([]zap.Field{zap.Int64("incident", id), zap.Error(failure)}, refusal(failure)...)...)
}

// forgetTrouble forgets the trouble of one incident, if it had any.
func (p *poller) forgetTrouble(id int64) {
	if t := p.troubles[id]; t != nil && t.said {
		p.named[t.kind]--
	}
	delete(p.troubles, id)
}

// recovered says so when an incident's trouble is over.
func (p *poller) recovered(a arrival) {
	t := p.troubles[a.id]
	if t == nil {
		return
	}
	p.forgetTrouble(a.id)
	if !t.said {
		return
	}
	p.logger.Info("incident is fetched again", zap.Int64("incident", a.id), zap.String("was", t.kind),
		zap.Int("failures", t.failures), zap.Duration("after", a.at.Sub(t.since).Round(time.Second)))
}

// backoffFor starts soon for what may pass in a moment, and slowly for what
// only a person can change. It goes by the round as the quota allows it, so that
// what fails for long takes no more requests than its turn.
func (p *poller) backoffFor(kind defender.Kind, now time.Time) *backoff.ExponentialBackOff {
	interval := p.interval(p.round(), now)
	switch kind {
	case defender.NotFound, defender.Rejected:
		return newBackoff(interval, max(time.Hour, interval))
	default:
		return newBackoff(max(10*time.Second, interval/10), max(5*time.Minute, interval))
	}
}

// newBackoff waits about first, then longer each time, never longer than
// longest: the jitter counts.
func newBackoff(first, longest time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.MaxInterval = time.Duration(float64(longest) / (1 + b.RandomizationFactor))
	b.InitialInterval = min(first, b.MaxInterval)
	return b
}

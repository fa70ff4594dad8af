// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"slices"
	"time"
)

// ApartAfterPause is how long requests keep apart after a pause that the API requested, and apartAfterRefusal after a repeated refusal.
const (
	ApartAfterPause   = time.Minute
	apartAfterRefusal = 10 * time.Minute
)

// Account is a Quota that survives restarts. NewAccount makes one.
type Account struct {
	quota          *Quota
	since          time.Time // since when every request is counted; zero: always
	throttledUntil time.Time // the end of the last pause that the API requested; zero: there was none
}

// Stored is what a later run must know of an Account. All times are wall-clock times. The zero value is an account that
// was never stored.
type Stored struct {
	// Since is when the account began; zero: there was none.
	Since time.Time
	// Ended is when the requests that still count ended, oldest first.
	Ended []time.Time
	// InFlight is how many requests had been sent and had not ended. It is never negative.
	InFlight int
	// PausedUntil is the end of the pause that the API requested; zero: none.
	PausedUntil time.Time
	// Learned are the stricter limits that refusals have revealed.
	Learned []Learned
}

// NewAccount returns the account of one kind of request, with nothing sent yet. Limits that limit nothing are left out.
func NewAccount(limits ...Limit) *Account { return &Account{quota: New(limits...)} }

// Stored returns what to store of the account. Store it before each request is sent: if the process is killed, a request
// that was in flight then counts as one that ends when the next run starts.
func (a *Account) Stored(now time.Time) Stored {
	s := Stored{InFlight: a.quota.InFlight(), Ended: a.quota.Ended(now), Learned: a.quota.Learned(now)}
	for i, end := range s.Ended {
		s.Ended[i] = wallClock(end, now)
	}
	for i := range s.Learned {
		s.Learned[i].Since = wallClock(s.Learned[i].Since, now)
	}
	if !a.since.IsZero() {
		s.Since = wallClock(a.since, now)
	}
	if a.throttledUntil.After(now) {
		s.PausedUntil = wallClock(a.throttledUntil, now)
	}
	return s
}

// Restore adds what earlier runs have sent and learned to a new account. If the clock was moved, a stored time may lie in
// the future; it counts as now. A stored pause lasts no longer than maxWait.
func (a *Account) Restore(s Stored, maxWait time.Duration, now time.Time) {
	a.since = now
	if !s.Since.IsZero() {
		a.since = notAfter(s.Since, now)
	}
	a.quota.SetEpoch(a.since)

	ended := make([]time.Time, len(s.Ended))
	for i, end := range s.Ended {
		ended[i] = notAfter(end, now)
	}
	slices.SortFunc(ended, time.Time.Compare)
	for _, end := range ended {
		a.quota.Done(end, 1)
	}
	for range s.InFlight {
		a.quota.Done(now, 1)
	}
	for _, l := range s.Learned {
		l.Since = notAfter(l.Since, now)
		a.quota.RestoreLimit(l)
	}
	if wait := s.PausedUntil.Sub(now.Round(0)); wait > 0 {
		a.Throttle(now.Add(min(wait, maxWait)))
	}
}

// Throttle sends nothing before until, because the API requested that, and then spaces requests for a minute: if it is still too
// early, only one is refused, and not several in parallel. The pause survives a restart.
func (a *Account) Throttle(until time.Time) {
	if until.After(a.throttledUntil) {
		a.throttledUntil = until
	}
	a.KeepApart(until.Add(ApartAfterPause))
	a.quota.Pause(until)
}

// KeepApart leaves a gap between concurrent requests, before until. It never shortens that time.
func (a *Account) KeepApart(until time.Time) {
	if until.After(a.quota.apart) {
		a.quota.apart = until
	}
}

// Refused is Quota.Refused. After a repeated refusal it spaces requests for ten minutes.
func (a *Account) Refused(sent, now time.Time, named Limit, wait time.Duration) Correction {
	correction := a.quota.Refused(sent, now, named, wait)
	if correction != (Correction{}) {
		a.KeepApart(now.Add(wait + apartAfterRefusal))
	}
	return correction
}

// ThrottledUntil returns the end of the last pause that the API requested, which may have passed; zero: there was none.
func (a *Account) ThrottledUntil() time.Time { return a.throttledUntil }

// Next is Quota.Next.
func (a *Account) Next(now time.Time, d Demand) (at time.Time, ok bool) { return a.quota.Next(now, d) }

// Send is Quota.Send.
func (a *Account) Send(now time.Time) { a.quota.Send(now) }

// Done is Quota.Done.
func (a *Account) Done(now time.Time, reached int) { a.quota.Done(now, reached) }

// Succeeded is Quota.Succeeded.
func (a *Account) Succeeded(sent time.Time) { a.quota.Succeeded(sent) }

// Spacing is Quota.Spacing.
func (a *Account) Spacing(now time.Time, d Demand) time.Duration { return a.quota.Spacing(now, d) }

// Remaining is Quota.Remaining.
func (a *Account) Remaining(now time.Time) []Remaining { return a.quota.Remaining(now) }

// LearnedLimits is Quota.LearnedLimits.
func (a *Account) LearnedLimits(now time.Time) []Limit { return a.quota.LearnedLimits(now) }

// wallClock returns the wall-clock time of a moment. The monotonic clock measures how long ago that was, so a wall clock that
// was moved since does not matter.
func wallClock(moment, now time.Time) time.Time {
	return now.Add(-now.Sub(moment)).Round(0).UTC()
}

// notAfter converts a stored wall-clock time to the monotonic clock of now. A time after now becomes now.
func notAfter(stored, now time.Time) time.Time {
	return now.Add(-max(0, now.Round(0).Sub(stored)))
}

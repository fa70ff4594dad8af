// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// end ends the sweep.
func (s *Sweep) end(how Ending, now time.Time) Ending {
	first := s.first
	if how == AllRead && !first {
		s.progress.Pages, s.tracked = s.total.pages, s.pace.Tracked
		s.rested = 0
		if !s.cutShort {
			s.progress.Completed = now.Round(0)
		}
	}
	s.Stop()
	switch {
	case s.throttled >= maxThrottled, !first && (how == NotWorth || how == Refused && s.total.polled == 0):
		s.next = now.Add(min(maxRest, firstRest<<min(s.rested, 16)))
		s.rested++
	case first: // the first steady sweep follows at once
		s.next = now
	default:
		period := s.Period(now)
		s.next = now.Add(min(period, max(0, s.progress.Began.Add(period).Sub(now.Round(0))))) // the clock may have been moved
	}
	return how
}

// Failed notes that the page failed, which may end the sweep.
func (s *Sweep) Failed(failure defender.Kind, now time.Time) Ending {
	if s.ignores() {
		return Ongoing
	}
	switch failure {
	case defender.Throttled: // its quota waits
		s.struggle(now)
		if s.throttled++; s.throttled >= maxThrottled {
			return s.end(PageFailed, now)
		}
		return Ongoing
	case defender.NoToken: // nothing was requested
		return Ongoing
	case defender.Rejected:
		if s.skip > 0 && s.list+1 < len(s.lists) { // the skip is too large for this list: the next one can be read up to there
			s.refused = true
			return s.endList(now)
		}
		return s.end(Refused, now)
	case defender.Timeout:
		s.struggle(now)
	default:
	}
	if s.tries++; s.tries >= maxTries {
		return s.end(PageFailed, now)
	}
	s.due = now.Add(firstRetry << (s.tries - 1))
	return Ongoing
}

// struggle notes a 429 or a timeout.
func (s *Sweep) struggle(now time.Time) {
	if !s.struggled.IsZero() && now.Sub(s.struggled) < repeats {
		s.slow = now.Add(slowFor)
	}
	s.struggled = now
}

// EndFirst ends a first pass that has done its job.
func (s *Sweep) EndFirst(now time.Time) Ending { return s.end(AllRead, now) }

// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// noteSeparation records whether the API returns an incident together with its alerts. Graph may permanently fail to do that for a large
// incident, as others have seen in lists. failure is nil if the request did not fail.
func (e *Engine) noteSeparation(r response, failure *defender.Error) {
	conclusive := r.result.Err == nil || failure != nil && failure.Kind == defender.NotFound
	switch {
	case r.extent == alertPage:
		return
	case r.result.Err == nil && r.extent == withoutAlerts:
		if e.roster.SeparateSucceeded(r.id, r.at) {
			e.log(e.conditions.Event("separate", r.at, zap.InfoLevel,
				"API fails to return an incident together with its alerts; fetching its alerts separately", zap.Int64("incident", r.id)))
		}
	case conclusive: // a missing incident has no alerts either
		e.roster.TogetherSucceeded(r.id)
	case r.extent == whole && failure != nil && tooMuchAtOnce(failure.Kind) && e.parts.Client.CanSeparate():
		e.roster.TogetherFailed(r.id, e.shown, r.at)
	}
	if conclusive {
		e.shown++
	}
}

// separately reports whether to request an incident and its alerts separately. While requests for incidents fail, this shows whether they
// fail only together with their alerts.
func (e *Engine) separately(id int64, now time.Time) bool {
	return e.parts.Client.CanSeparate() && (e.health.Down() || e.roster.Find(id).Separate(e.shown, now))
}

// tooMuchAtOnce reports whether the failure may be caused by too many alerts:
// a server or gateway error, a timeout, or a response that is too large.
func tooMuchAtOnce(kind defender.Kind) bool {
	switch kind {
	case defender.ServerError, defender.Timeout, defender.Oversize:
		return true
	default:
		return false
	}
}

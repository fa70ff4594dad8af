// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// noteSeparation notes whether the API shows an incident together with its alerts. Graph may fail to do that for a large one, for good (seen by
// others in lists). failure is nil if it does not.
func (e *Engine) noteSeparation(r response, failure *defender.Error) {
	answered := r.answer.Err == nil || failure != nil && failure.Kind == defender.NotFound
	switch {
	case r.of == alertPage:
		return
	case r.answer.Err == nil && r.of == withoutAlerts:
		if e.roster.SeparateWorks(r.id, r.at) {
			e.log(e.conditions.Event("separate", r.at, zap.InfoLevel,
				"API fails to return an incident together with its alerts; fetching its alerts separately", zap.Int64("incident", r.id)))
		}
	case answered: // a missing incident has no alerts either
		e.roster.TogetherWorks(r.id)
	case r.of == whole && failure != nil && tooMuchAtOnce(failure.Kind) && e.parts.Client.CanSeparate():
		e.roster.TogetherFailed(r.id, e.shown, r.at)
	}
	if answered {
		e.shown++
	}
}

// separately says whether to request an incident without its alerts, and them separately. While requests for incidents fail, that is how to
// find out whether they only fail together with their alerts.
func (e *Engine) separately(id int64, now time.Time) bool {
	return e.parts.Client.CanSeparate() && (e.health.Down() || e.roster.Find(id).Separate(e.shown, now))
}

// tooMuchAtOnce says whether a failure may be one of an incident with too many alerts: an error of the API or of a gateway, no response in
// time, or one that is too large.
func tooMuchAtOnce(kind defender.Kind) bool {
	switch kind {
	case defender.ServerError, defender.Timeout, defender.Oversize:
		return true
	default:
		return false
	}
}

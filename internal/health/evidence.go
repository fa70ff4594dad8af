// SPDX-License-Identifier: Apache-2.0

package health

import (
	"maps"
	"time"
)

// flakyFor is how long the failures of an incident are no evidence after it has
// failed alone. Incidents that fail now and then must not look like an outage
// if several happen to fail one after another.
const flakyFor = time.Hour

// evidence reports whether a failure says anything about the endpoint. It does
// not if the incident was already failing when another request succeeded.
func (e *endpoint) evidence(id int64) bool { return e.failing[id] == e.successes }

// excuse notes that an incident has failed alone. Its next failures are no
// evidence either, for a while.
func (e *endpoint) excuse(id int64, now time.Time) {
	maps.DeleteFunc(e.flaky, func(_ int64, last time.Time) bool { return now.Sub(last) >= flakyFor })
	e.flaky[id] = now
}

// excused reports whether an incident that begins to fail has
// recently failed alone.
func (e *endpoint) excused(id int64, now time.Time) bool {
	last, flaky := e.flaky[id]
	return flaky && now.Sub(last) < flakyFor
}

// begin notes that an incident has been failing since a number of successes.
func (e *endpoint) begin(id int64, since uint64) {
	e.uncount(id)
	e.failing[id] = since
	if since < e.successes {
		e.alone++
	}
}

// stop notes that an incident is not failing, or no longer.
func (e *endpoint) stop(id int64) {
	e.run.remove(id)
	e.uncount(id)
}

func (e *endpoint) uncount(id int64) {
	if since, failing := e.failing[id]; failing && since < e.successes {
		e.alone--
	}
	delete(e.failing, id)
}

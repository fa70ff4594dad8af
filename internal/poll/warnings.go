// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"go.uber.org/zap"
)

// maxWarnings is how many different warnings of the API are logged in a run.
const maxWarnings = 20

// logWarning logs what the Warning header of a response says, each text once. Empty: the response has none.
func (e *Engine) logWarning(text string, at time.Time) {
	if _, logged := e.warnings[text]; text == "" || logged || len(e.warnings) >= maxWarnings {
		return
	}
	if e.warnings == nil {
		e.warnings = map[string]struct{}{}
	}
	notice := e.conditions.Event("warning", at, zap.WarnLevel, "API response carries a warning; it may be incomplete or outdated",
		zap.String("host", e.settings.Host), zap.String("warning", text))
	if notice != nil { // else there were too many just now
		e.warnings[text] = struct{}{}
	}
	e.log(notice)
}

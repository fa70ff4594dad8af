// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"go.uber.org/zap"
)

// maxWarnings is how many different warnings of the API are logged in a run.
const maxWarnings = 20

// logWarning logs the text of a response's Warning header, each text once. The text is empty if the response has no such header.
func (e *Engine) logWarning(text string, at time.Time) {
	if _, logged := e.warnings[text]; text == "" || logged || len(e.warnings) >= maxWarnings {
		return
	}
	if e.warnings == nil {
		e.warnings = map[string]struct{}{}
	}
	notice := e.conditions.Event("warning", at, zap.WarnLevel, "API response carries a warning; it may be incomplete or outdated",
		zap.String("host", e.settings.Host), zap.String("warning", text))
	if notice != nil { // nil: too many were logged recently
		e.warnings[text] = struct{}{}
	}
	e.log(notice)
}

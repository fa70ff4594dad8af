// SPDX-License-Identifier: Apache-2.0

package record

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// setSeverity sets the API's word and its number. Words without a place on
// OpenTelemetry's scale (UnSpecified, unknown, future ones) have no number.
func setSeverity(r plog.LogRecord, word string) {
	r.SetSeverityText(incident.Cut(word, incident.MaxText))
	r.SetSeverityNumber(severityNumber(word))
}

func severityNumber(word string) plog.SeverityNumber {
	switch strings.ToLower(word) {
	case "informational":
		return plog.SeverityNumberInfo
	case "low":
		return plog.SeverityNumberWarn
	case "medium":
		return plog.SeverityNumberError
	case "high":
		return plog.SeverityNumberError3
	}
	return plog.SeverityNumberUnspecified
}

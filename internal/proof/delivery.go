// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Delivery is what one call of the pipeline contained about one incident: the
// content of a response to a Get, or of a row of a list.
type Delivery struct {
	Incident int64
	Observed time.Time
	Own      *Record // the incident's own record; nil: there was none
	Severity string  // in the incident's own record
	Merged   bool    // the incident's own record shows its successor
	Alerts   []Record
	// Embedded is when each alert in the incident's own record changed last; nil:
	// alerts are not embedded.
	Embedded map[string]time.Time
	// Partial: the response may not have shown all alerts.
	Partial bool
	Fields  string // that have changed, as in the incident's own record
	details string // of the incident's own record, included in its identity
}

// Deliveries reads what a pipeline received.
func Deliveries(logs plog.Logs) []Delivery {
	var all []Delivery
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, r := range scope.LogRecords().All() {
				made, at := record(r), r.ObservedTimestamp().AsTime()
				if n := len(all); n == 0 || all[n-1].Incident != made.Incident || !all[n-1].Observed.Equal(at) {
					all = append(all, Delivery{Incident: made.Incident, Observed: at})
				}
				d := &all[len(all)-1]
				if made.Alert != "" {
					d.Alerts = append(d.Alerts, made)
				} else {
					d.readOwn(made, r)
				}
			}
		}
	}
	return all
}

func (d *Delivery) readOwn(made Record, r plog.LogRecord) {
	d.Own, d.Severity = &made, r.SeverityText()
	_, counted := r.Attributes().Get("microsoft.defender.incident.alert_count")
	d.Fields = member(r.Attributes(), "microsoft.defender.incident.changed_fields")
	d.details = member(r.Attributes(), "microsoft.defender.incident.alert_count") + d.Fields
	_, d.Merged = r.Attributes().Get("microsoft.defender.incident.redirect_id")
	d.Partial = !counted
	if r.Body().Type() != pcommon.ValueTypeMap {
		return
	}
	alerts, embedded := r.Body().Map().Get("alerts")
	if !embedded || alerts.Type() != pcommon.ValueTypeSlice {
		return
	}
	d.Embedded = map[string]time.Time{}
	var details strings.Builder
	for _, alert := range alerts.Slice().All() {
		id, at := member(alert.Map(), "alertId", "id"), member(alert.Map(), "lastUpdatedTime", "lastUpdateDateTime")
		d.Embedded[id], _ = time.Parse(time.RFC3339Nano, at)
		details.WriteString(id + at)
	}
	d.details += details.String()
}

// member is the value of the first of the names that an object has.
func member(object pcommon.Map, names ...string) string {
	for _, name := range names {
		if v, found := object.Get(name); found {
			return v.AsString()
		}
	}
	return ""
}

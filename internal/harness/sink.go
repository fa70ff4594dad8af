// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// Sink is the end of the pipeline. It keeps what it accepts.
type Sink struct {
	consumertest.LogsSink

	// Refuse, if set, is called before each delivery is accepted; its error
	// refuses the delivery.
	Refuse func(context.Context) error
}

// ConsumeLogs accepts a delivery unless Refuse returns an error.
func (s *Sink) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	if s.Refuse != nil {
		if err := s.Refuse(ctx); err != nil {
			return err
		}
	}
	return s.LogsSink.ConsumeLogs(ctx, logs)
}

// Records are all records since the last Reset, Changes or IncidentChanges.
func (s *Sink) Records() []proof.Record {
	var all []proof.Record
	for _, logs := range s.AllLogs() {
		all = append(all, proof.Records(logs)...)
	}
	return all
}

// Deliveries are the same records, grouped by the response that showed them.
func (s *Sink) Deliveries() []proof.Delivery {
	var all []proof.Delivery
	for _, logs := range s.AllLogs() {
		all = append(all, proof.Deliveries(logs)...)
	}
	return all
}

// Changes removes the records from the sink and describes each.
func (s *Sink) Changes() []string {
	var all []string
	for _, r := range s.Records() {
		all = append(all, Describe(r))
	}
	s.Reset()
	return all
}

// IncidentChanges is Changes without those of alerts.
func (s *Sink) IncidentChanges() []string {
	return slices.DeleteFunc(s.Changes(), func(change string) bool { return strings.Contains(change, " alert ") })
}

// Describe is a record as "1001 updated" or "1001 alert updated".
func Describe(r proof.Record) string {
	if r.Alert != "" {
		return fmt.Sprintf("%d alert %s", r.Incident, r.Change)
	}
	return fmt.Sprintf("%d %s", r.Incident, r.Change)
}

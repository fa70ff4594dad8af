// SPDX-License-Identifier: Apache-2.0

package record

import (
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// put writes a value, unless it is empty. A value longer than incident.MaxText is cut;
// only the body has it whole.
func put(attributes pcommon.Map, name, value string) {
	if value != "" {
		attributes.PutStr(name, incident.Cut(value, incident.MaxText))
	}
}

// putTime writes a time as RFC 3339.
func putTime(attributes pcommon.Map, name string, t time.Time) {
	if !t.IsZero() {
		attributes.PutStr(name, t.UTC().Format(time.RFC3339Nano))
	}
}

// putList writes as much of a list as an attribute may hold. If something is left out,
// it adds the list's name to cut.
func putList(attributes pcommon.Map, prefix, name string, values, cut []string) []string {
	shown := values[:min(len(values), incident.MaxListed)]
	putAll(attributes, prefix+name, shown)
	if len(shown) < len(values) || slices.ContainsFunc(shown, func(value string) bool { return len(value) > incident.MaxText }) {
		return append(cut, name)
	}
	return cut
}

// putAffected writes what the alerts affect, like putList. partial: there may be more
// alerts, so each list may be incomplete.
func putAffected(attributes pcommon.Map, prefix string, s *incident.Snapshot, alerts []incident.Alert, partial bool, cut []string) []string {
	if s.Evidence == nil {
		return cut
	}
	var affected incident.Affected
	for i := range alerts {
		s.Evidence.Affected(&alerts[i], &affected)
	}
	for i, list := range affected {
		name := incident.Asset(i).String()
		putAll(attributes, prefix+name, list.Values)
		if list.Cut || partial {
			cut = append(cut, name)
		}
	}
	return cut
}

func putAll(attributes pcommon.Map, name string, values []string) {
	if len(values) == 0 {
		return
	}
	slice := attributes.PutEmptySlice(name)
	slice.EnsureCapacity(len(values))
	for _, value := range values {
		slice.AppendEmpty().SetStr(incident.Cut(value, incident.MaxText))
	}
}

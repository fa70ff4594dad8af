package record

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// What an attribute holds at most. The API's own values are far below that; the body
// has them whole.
const (
	maxText = 1024 // bytes
	maxList = incident.MaxAffected
)

// put leaves out what the API has no value for.
func put(attributes pcommon.Map, name, value string) {
	if value != "" {
		attributes.PutStr(name, incident.Cut(value, maxText))
	}
}

// putTime writes a time as RFC 3339.
func putTime(attributes pcommon.Map, name string, t time.Time) {
	if !t.IsZero() {
		attributes.PutStr(name, t.UTC().Format(time.RFC3339Nano))
	}
}

// putList writes a list as far as an attribute may hold it. Where that is not all of
// it, its name is added to those of the lists that are cut.
func putList(attributes pcommon.Map, prefix, name string, values, cut []string) []string {
	shown := values[:min(len(values), maxList)]
	putAll(attributes, prefix+name, shown)
	if len(shown) < len(values) {
		return append(cut, name)
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
		slice.AppendEmpty().SetStr(incident.Cut(value, maxText))
	}
}

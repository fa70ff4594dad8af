package poll

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestWhatSomebodyWroteNeedsNoRequest(t *testing.T) {
	tests := map[string]struct {
		source incident.Source
		fields []string
		want   bool
	}{
		"an assignment":                          {incident.FromBoth, []string{"assignedTo", "lastUpdateDateTime"}, true},
		"a resolution":                           {incident.FromList, []string{"classification", "determination", "lastUpdateDateTime", "status"}, true},
		"an alert may have come or left":         {incident.FromBoth, []string{"lastUpdateDateTime"}, false},
		"so it may with this":                    {incident.FromBoth, []string{"assignedTo", "lastUpdateDateTime", "severity"}, false},
		"no row has shown the other fields yet":  {incident.FromGet, []string{"assignedTo", "lastUpdateDateTime"}, false},
		"nothing is known to have changed":       {incident.FromBoth, nil, false},
		"a field of which nobody knows who does": {incident.FromBoth, []string{"lastUpdateDateTime", "new"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := delivery{change: incident.Change{Fields: tt.fields}}
			d.snapshot = &incident.Snapshot{LastUpdateField: "lastUpdateDateTime"}
			d.before.Source = tt.source
			require.Equal(t, tt.want, writtenOnly(d))
		})
	}
}

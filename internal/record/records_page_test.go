// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestRecordsPageShowsEachChangeAndEachAttribute(t *testing.T) {
	page, err := os.ReadFile("../../docs/records.md")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(page), "## An example of each change\n")
	require.True(t, found)
	examples, _, _ := strings.Cut(after, "\n## ")

	shown := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(examples, -1) {
		var record struct {
			EventName  string         `json:"eventName"`
			Attributes map[string]any `json:"attributes"`
		}
		require.NoError(t, json.Unmarshal([]byte(block[1]), &record), block[1])
		require.Contains(t, record.Attributes, "log.record.uid")
		change, told := record.Attributes[record.EventName+".change"].(string)
		require.True(t, told, block[1])
		shown[record.EventName+" "+change] = true
		for name := range record.Attributes {
			require.Contains(t, string(page), "\n| `"+name+"` | ", "its tables lack it")
		}
	}
	for _, kind := range []incident.Kind{
		incident.Merged, incident.NotFound, incident.FirstSeen, incident.Resolved, incident.Reopened, incident.Updated, incident.Unchanged,
	} {
		require.True(t, shown["microsoft.defender.incident "+string(kind)], "%s of an incident", kind)
	}
	for _, kind := range []incident.Kind{incident.FirstSeen, incident.Updated, incident.Removed, incident.Unchanged} {
		require.True(t, shown["microsoft.defender.alert "+string(kind)], "%s of an alert", kind)
	}
}

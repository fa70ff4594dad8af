// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// described sets the incident's fields that a Description has.
func described(d Description) func(*Snapshot) {
	return func(s *Snapshot) {
		s.Name, s.Severity, s.AssignedTo, s.URL = d.Name, d.Severity, d.AssignedTo, d.URL
		put(s, "incidentName", d.Name)
		put(s, "severity", d.Severity)
		put(s, "assignedTo", d.AssignedTo)
	}
}

func known() Description {
	return Description{Name: "One incident", Severity: "High", AssignedTo: "analyst@contoso.com", URL: "https://security.example/incidents/437"}
}

func TestAChangeNamesTheFormerSeverityAndOwner(t *testing.T) {
	for name, test := range map[string]struct {
		severity, assignedTo string
		want                 Change // except its fields
	}{
		"neither":                   {"High", "analyst@contoso.com", Change{}},
		"both":                      {"Low", "soc@contoso.com", Change{PreviousSeverity: "High", PreviousAssignedTo: "analyst@contoso.com"}},
		"raised":                    {"Critical", "analyst@contoso.com", Change{PreviousSeverity: "High"}},
		"no longer assigned":        {"High", "", Change{PreviousAssignedTo: "analyst@contoso.com"}},
		"without a severity":        {"", "analyst@contoso.com", Change{PreviousSeverity: "High"}},
		"written in another casing": {"high", "Analyst@contoso.com", Change{}},
	} {
		for source, shown := range map[string]*Snapshot{
			"a Get": snapshot(t, later, described(Description{"One incident", test.severity, test.assignedTo, "u"})),
			"a row": listed(t, later, described(Description{"One incident", test.severity, test.assignedTo, "u"})),
		} {
			c := comparer(Split)
			change, after := c.Compare(delivered(t, c, snapshot(t, described(known()))), shown)
			require.Equal(t, Updated, change.Kind, "%s by %s", name, source)
			require.Equal(t, test.want.PreviousSeverity, change.PreviousSeverity, "%s by %s", name, source)
			require.Equal(t, test.want.PreviousAssignedTo, change.PreviousAssignedTo, "%s by %s", name, source)
			require.Equal(t, Description{"One incident", test.severity, test.assignedTo, "u"}, after.Description)
		}
	}
}

func TestNoSeverityIsTheSameUnderBothAPIs(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, described(Description{Severity: "UnSpecified"})))
	change, _ := c.Compare(before, graph(t, snapshot(t, later, func(s *Snapshot) { s.Severity = "unknown" })))
	require.Equal(t, Updated, change.Kind)
	require.Empty(t, change.PreviousSeverity)
}

func TestWhatWasNotKnownIsNoFormerValue(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t))
	before.Description = Description{} // an earlier receiver stored it
	change, after := c.Compare(before, snapshot(t, later, described(known())))
	require.Equal(t, Change{Kind: Updated, Fields: change.Fields}, change)
	require.Equal(t, known(), after.Description)
}

// The new description is stored with the next change, or after any request for the incident.
func TestAStateWithoutADescriptionIsCompletedSilently(t *testing.T) {
	for _, mode := range []AlertsMode{Split, Embedded, None} {
		for name, shown := range map[string]*Snapshot{"a Get": snapshot(t, described(known())), "a row": listed(t, described(known()))} {
			c := comparer(mode)
			before := delivered(t, c, snapshot(t, described(known())))
			before.Description = Description{}
			change, after := c.Compare(before, shown)
			require.Equal(t, Change{}, change, name)
			require.Equal(t, known(), after.Description, name)
		}
	}
}

func TestAMissingIncidentKeepsItsDescription(t *testing.T) {
	c := comparer(Split)
	change, missing := c.Missing(delivered(t, c, snapshot(t, described(known()))), noon)
	require.Equal(t, NotFound, change.Kind)
	require.Equal(t, known(), missing.Description)
	_, again := c.Missing(missing, noon.Add(time.Hour))
	require.Equal(t, known(), again.Description)
	change, back := c.Compare(missing, snapshot(t, described(Description{Name: "Another name"})))
	require.Equal(t, FirstSeen, change.Kind)
	require.Empty(t, change.PreviousSeverity, "it begins afresh")
	require.Equal(t, Description{Name: "Another name"}, back.Description)
}

// The API shows the stub without a severity, or just that there is a successor.
func TestAMergedIncidentKeepsWhatIsNotShown(t *testing.T) {
	stub := snapshot(t, redirected(552), described(Description{Name: "Renamed", Severity: "UnSpecified"}))
	for name, test := range map[string]struct {
		shown *Snapshot
		want  Description
	}{
		"a stub":          {stub, Description{"Renamed", "High", known().AssignedTo, known().URL}},
		"the successor's": {successors(t), known()},
	} {
		c := comparer(Split)
		change, after := c.Compare(delivered(t, c, snapshot(t, described(known()))), test.shown)
		require.Equal(t, Change{Kind: Merged, PreviousStatus: "Active"}, change, name)
		require.Equal(t, test.want, after.Description, name)
	}
	_, after := comparer(Split).Compare(State{}, stub)
	require.Equal(t, "UnSpecified", after.Description.Severity, "nothing else is known")
}

func TestAnIncompleteSnapshotTakesNothingFromTheDescription(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, described(known())))
	part := snapshot(t, later)
	part.Incomplete = true
	_, after := c.Compare(before, part)
	require.Equal(t, known(), after.Description)
}

func TestARowThatMayLagBehindLeavesTheDescription(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, described(known())))
	row := listed(t, described(known()))
	_, both := c.Compare(before, row)
	change, after := c.Compare(both, listed(t, described(Description{Name: "As it was", Severity: "Low"})))
	require.True(t, change.Doubt)
	require.Equal(t, known(), after.Description)

	both.Description = Description{}
	_, after = c.Compare(both, listed(t, described(Description{Name: "As it was", Severity: "Low"})))
	require.Equal(t, Description{}, after.Description, "nor does it complete it")

	stale := listed(t, described(Description{Name: "As it was"}))
	stale.LastUpdate = noon.Add(-time.Hour)
	change, after = c.Compare(before, stale)
	require.True(t, change.Stale)
	require.Equal(t, known(), after.Description)
}

func TestRowsOfAlertsKeepTheDescription(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, described(known())))
	row := &Snapshot{
		ID: 437, API: "defender_xdr", Source: FromList, Shows: SomeAlerts, AlertLastUpdateField: "lastUpdatedTime",
		Alerts: []Alert{snapshot(t, alertLater(0, "Resolved")).Alerts[0]},
	}
	change, after := c.Compare(before, row)
	require.Len(t, change.Alerts, 1)
	require.Equal(t, known(), after.Description)
}

func TestAStateGrowsWithNoTextOfTheIncident(t *testing.T) {
	long := strings.Repeat("ä", 1<<20)
	_, after := comparer(Split).Compare(State{}, snapshot(t, described(Description{long, long, long, long})))
	want := strings.Repeat("ä", 128)
	require.Equal(t, Description{want, want, want, want}, after.Description)
}

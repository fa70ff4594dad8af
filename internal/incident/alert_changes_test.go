// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// title gives the alert another title, and severity another severity.
func title(i int, text string) func(*Snapshot) {
	return func(s *Snapshot) {
		s.Alerts[i].Title = text
		putAlert(&s.Alerts[i], "title", text)
	}
}

func severity(i int, word string) func(*Snapshot) {
	return func(s *Snapshot) {
		s.Alerts[i].Severity = word
		putAlert(&s.Alerts[i], "severity", word)
	}
}

func TestAnUpdatedAlertNamesItsFieldsAndItsFormerStatus(t *testing.T) {
	before := []func(*Snapshot){title(0, "One"), severity(0, "Low")}
	for name, test := range map[string]struct {
		by       Source
		before   []Source
		change   []func(*Snapshot)
		fields   []string
		previous string
	}{
		"a title":                       {FromGet, []Source{FromGet}, []func(*Snapshot){title(0, "Two")}, []string{"title"}, ""},
		"a status":                      {FromGet, []Source{FromGet}, []func(*Snapshot){alertStatus(0, "Resolved")}, []string{"status"}, "New"},
		"a status in another casing":    {FromGet, []Source{FromGet}, []func(*Snapshot){alertStatus(0, "NEW")}, []string{"status"}, ""},
		"by rows alone":                 {FromList, []Source{FromList}, []func(*Snapshot){severity(0, "High"), title(0, "")}, []string{"severity", "title"}, ""},
		"by a row after both":           {FromList, []Source{FromGet, FromList}, []func(*Snapshot){alertLater(0, "New"), title(0, "Two")}, []string{"title"}, ""},
		"by a source that shows it new": {FromList, []Source{FromGet}, []func(*Snapshot){alertLater(0, "Resolved"), title(0, "Two")}, []string{"lastUpdatedTime", "status"}, "New"},
	} {
		t.Run(name, func(t *testing.T) {
			c := comparer(Split)
			var state State
			for _, source := range test.before {
				s := snapshot(t, before...)
				s.Source = source
				_, state = c.Compare(restarted(t, state), s)
			}
			s := snapshot(t, append(before, test.change...)...)
			s.Source = test.by
			change, after := c.Compare(restarted(t, state), s)
			require.Len(t, change.Alerts, 1)
			require.Equal(t, Updated, change.Alerts[0].Kind)
			require.Equal(t, test.fields, change.Alerts[0].Fields)
			require.Equal(t, test.previous, change.Alerts[0].PreviousStatus)
			again, _ := c.Compare(restarted(t, after), s)
			require.Equal(t, Change{}, again)
		})
	}
}

// Replicas of the service differ by microseconds.
func TestATimeThatCountsAsEqualIsNoChangedField(t *testing.T) {
	at := func(d time.Duration) func(*Snapshot) {
		return func(s *Snapshot) {
			s.Alerts[0].LastUpdate = noon.Add(d)
			putAlert(&s.Alerts[0], "lastUpdatedTime", s.Alerts[0].LastUpdate.Format(time.RFC3339Nano))
		}
	}
	c := comparer(Split)
	for d, want := range map[time.Duration][]string{time.Millisecond: {"status"}, time.Second: {"lastUpdatedTime", "status"}} {
		change, _ := c.Compare(delivered(t, c, snapshot(t, at(0))), snapshot(t, at(d), alertStatus(0, "Resolved")))
		require.Equal(t, want, change.Alerts[0].Fields)
	}
}

func TestARemovedAlertSaysWhatItWas(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, title(0, "One"), severity(0, "Low")), snapshot(t, title(0, "Two"), severity(0, "High")))
	change, after := c.Compare(restarted(t, before), snapshot(t, withoutAlert(0)))
	require.Equal(t, []AlertChange{{Kind: Removed, ID: "a1", Title: "Two", Severity: "High", Revision: 3}}, change.Alerts)
	back, _ := c.Compare(after, snapshot(t, title(0, "Three")))
	require.Equal(t, FirstSeen, back.Alerts[0].Kind)
	require.Empty(t, back.Alerts[0].Fields)
}

func TestWhatAnEarlierReceiverDidNotStoreIsCompletedSilently(t *testing.T) {
	c := comparer(Split)
	shown := []func(*Snapshot){title(0, "One"), severity(0, "Low")}
	whole := delivered(t, c, snapshot(t, shown...))
	before := restarted(t, whole)
	for i := range before.Alerts {
		before.Alerts[i].Title, before.Alerts[i].Severity, before.Alerts[i].Prints = "", "", ""
	}
	change, after := c.Compare(before, snapshot(t, shown...))
	require.Equal(t, Change{}, change)
	require.Equal(t, whole, after)

	change, _ = c.Compare(before, snapshot(t, title(0, "Two"), alertLater(0, "Resolved")))
	require.Equal(t, []string{"lastUpdatedTime", "status"}, change.Alerts[0].Fields, "what is known")
	require.Equal(t, "New", change.Alerts[0].PreviousStatus)
	change, _ = c.Compare(before, snapshot(t, withoutAlert(0)))
	require.Empty(t, change.Alerts[0].Title)
}

func TestAfterASwitchChangedFieldsHaveTheNewAPIsNames(t *testing.T) {
	c := comparer(Split)
	_, switched := c.Compare(delivered(t, c, snapshot(t)), graph(t, snapshot(t)))
	later := graph(t, snapshot(t, alertLater(0, "Resolved")))
	putAlert(&later.Alerts[0], "evidence", []any{"new"})
	change, _ := c.Compare(restarted(t, switched), later)
	require.Equal(t, []string{"evidence", "lastUpdateDateTime", "status"}, change.Alerts[0].Fields)

	change, after := c.Compare(delivered(t, c, snapshot(t)), later)
	require.Equal(t, []string{"lastUpdateDateTime", "status"}, change.Alerts[0].Fields)
	require.Equal(t, new(Fingerprint).prints(later.Alerts[0].Object), after.Alerts[0].Prints)
}

// A row that renders an alert in its own way, or shows an older version, does not show
// what was delivered.
func TestOnlyWhatWasDeliveredIsStoredOfAnAlert(t *testing.T) {
	c := comparer(Split)
	before := delivered(t, c, snapshot(t, title(0, "One"), alertLater(0, "New")))
	for name, row := range map[string]*Snapshot{
		"another rendering": snapshot(t, title(0, "ONE"), alertLater(0, "New")),
		"an older version":  snapshot(t, title(0, "Zero")),
	} {
		row.Source = FromList
		change, after := c.Compare(before, row)
		require.Empty(t, change.Alerts, name)
		require.Equal(t, "One", after.Alerts[0].Title, name)
		require.Equal(t, before.Alerts[0].Prints, after.Alerts[0].Prints, name)
	}
}

func TestAlertsWithoutRecordsAreNotDescribed(t *testing.T) {
	state := delivered(t, comparer(Embedded), snapshot(t, title(0, "One")))
	require.Empty(t, state.Alerts[0].Title)
	require.Empty(t, state.Alerts[0].Prints)
}

func TestAStateGrowsWithNoTextOfAnAlert(t *testing.T) {
	state := delivered(t, comparer(Split), snapshot(t, title(0, strings.Repeat("x", 1<<20)), severity(0, strings.Repeat("y", 1<<20))))
	require.Len(t, state.Alerts[0].Title, 256)
	require.Len(t, state.Alerts[0].Severity, 256)
}

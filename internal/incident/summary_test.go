// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestASummarySaysWhatItsStateSays(t *testing.T) {
	s := State{
		Seen: true, Missing: true, Merged: true, Successor: 552, ClosedSince: noon.Add(1),
		LastUpdate: noon.Add(100), Fetched: noon.Add(time.Hour),
	}.Summary()
	require.True(t, s.Seen && s.Missing && s.Merged)
	require.Equal(t, int64(552), s.Successor)
	require.Equal(t, noon.Add(100), s.LastUpdate())
	require.Equal(t, noon.Add(time.Hour), s.Fetched())
	since, closed := s.ClosedSince()
	require.True(t, closed)
	require.Equal(t, noon.Add(1), since)
	require.Equal(t, Summary{}, State{}.Summary())
	require.True(t, Summary{}.LastUpdate().IsZero() && Summary{}.Fetched().IsZero())
}

func TestClosedSinceIsKnownForEveryClosedIncident(t *testing.T) {
	since, fetched := noon.Add(-time.Hour), noon.Add(time.Hour)
	for name, test := range map[string]struct {
		state  State
		since  time.Time
		closed bool
	}{
		"never seen":          {},
		"active":              {state: State{Seen: true, Status: "Active", LastUpdate: noon, Fetched: fetched}},
		"resolved":            {State{Status: "resolved", ClosedSince: since, LastUpdate: noon, Fetched: fetched}, since, true},
		"merged":              {State{Merged: true, ClosedSince: since, LastUpdate: noon}, since, true},
		"not found":           {State{Missing: true, ClosedSince: since, Fetched: fetched}, since, true},
		"only its time known": {State{Merged: true, LastUpdate: noon, Fetched: fetched}, noon, true},
		"only the poll known": {State{Merged: true, Fetched: fetched}, fetched, true},
		"nothing known of it": {State{Status: "Resolved"}, time.Time{}, true},
		"a time before 1970":  {State{Merged: true, ClosedSince: time.Unix(-1, 0), Fetched: fetched}, fetched, true},
	} {
		since, closed := test.state.Summary().ClosedSince()
		require.Equal(t, test.closed, closed, name)
		require.Equal(t, test.since, since, name)
	}
}

func TestAnIncidentIsSupersededOnceItsSuccessorIsKnown(t *testing.T) {
	require.False(t, Summary{}.Superseded())
	require.False(t, Summary{Merged: true}.Superseded(), "its successor is not known yet")
	require.True(t, Summary{Merged: true, Successor: 552}.Superseded())
	require.False(t, Summary{Successor: 552}.Superseded())
}

func TestTimesThatNoIncidentHasDoNotComeOutAsOthers(t *testing.T) {
	end := time.Unix(0, math.MaxInt64).UTC()
	for _, test := range []struct{ time, want time.Time }{
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), end},
		{end.Add(1), end},
		{end, end},
		{time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}},
		{time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), time.Time{}},
		{noon.In(time.FixedZone("", 3600)), noon},
	} {
		require.Equal(t, test.want, State{LastUpdate: test.time}.Summary().LastUpdate())
	}
}

// There may be 100,000 of them.
func TestASummaryIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Summary{}), uintptr(56))
}

package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestWindowsBeginWithTheServicesTime(t *testing.T) {
	s := newService()
	s.add(noon, noon)
	l := newLister(s, WindowSettings{Alerts: true, MaxTop: 200})
	require.Equal(t, defender.ListRequest{Alerts: true, Top: 1}, l.Request())
	require.Zero(t, l.Boundary())
	require.Equal(t, Continues, l.step(t))
	require.Empty(t, l.returned, "its row does not count")
	require.Equal(t, noon.Add(-lookback), l.Boundary())
	require.Equal(t, defender.ListRequest{
		Alerts: true, Since: noon.Add(-lookback - time.Minute), ByCreation: true, Count: true, Top: 200,
	}, l.Request(), "at once")
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 1)
}

func TestCompleteCallMovesTheBoundaryToTheNewestChange(t *testing.T) {
	s := newService()
	s.spread(120, noon.Add(-20*time.Minute), time.Second)
	l := listingFrom(s, noon.Add(-time.Hour))
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.requests, 3, "pages of 50 that share 10 rows")
	newest := noon.Add(-20*time.Minute + 119*time.Second)
	require.Equal(t, newest, l.Boundary())
	require.Equal(t, s.now, l.Completed())
	require.Len(t, l.returned, 120)
	at, _ := l.Due()
	require.Equal(t, s.now.Add(interval), at)
	require.Equal(t, newest.Add(-time.Minute), l.Request().Since, "what appears late is shown")
	require.Equal(t, Complete, l.call(t))
	require.Len(t, l.returned, 120, "rows are returned once")
	require.True(t, l.ShownBefore(defender.Row{LastUpdate: newest}))
	require.False(t, l.ShownBefore(defender.Row{LastUpdate: newest.Add(1)}))
}

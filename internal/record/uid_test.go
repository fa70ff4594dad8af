package record

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func uids(t *testing.T, b Builder, o Observation) []string {
	t.Helper()
	var all []string
	for _, r := range records(b, o) {
		uid := attribute(t, r, "log.record.uid")
		require.Len(t, uid, 32)
		all = append(all, uid.(string))
	}
	return all
}

func TestTheSameStateHasTheSameUID(t *testing.T) {
	b := Builder{Alerts: incident.Split, Host: "api.example"}
	require.Equal(t, uids(t, b, observation(t)), uids(t, b, observation(t)))

	again := observation(t)
	again.Change.Kind = incident.Updated // how it came about does not count
	again.Observed = observed.AddDate(1, 0, 0)
	require.Equal(t, uids(t, b, observation(t)), uids(t, b, again))
}

func TestWhateverMakesAnotherStateMakesAnotherUID(t *testing.T) {
	b := Builder{Alerts: incident.Split, Host: "api.example"}
	seen := map[string]string{}
	note := func(what string, ids []string) {
		for _, id := range ids {
			require.NotContains(t, seen, id, "%s and %s", what, seen[id])
			seen[id] = what
		}
	}
	note("as it is", uids(t, b, observation(t)))

	o := observation(t)
	o.Tenant = "99999999-2222-3333-4444-555555555555"
	note("another tenant", uids(t, b, o))

	o = observation(t)
	o.ID = 438
	note("another incident", uids(t, b, o))

	o = observation(t)
	o.After.Fields[0].Digest[0]++
	o.Change.Alerts[0].Digest[0]++
	note("other content", uids(t, b, o))

	o = observation(t)
	o.Change.Alerts[0].ID = "da2"
	note("another alert", uids(t, b, o)[1:])

	o = observation(t)
	o.Change = incident.Change{Kind: incident.NotFound}
	for range 2 {
		o.After.Disappearances++
		note("gone", uids(t, b, o))
	}
	o.Change = incident.Change{Alerts: []incident.AlertChange{{Kind: incident.Removed, ID: "da1"}}}
	for range 2 {
		o.Change.Alerts[0].Disappearance++
		note("alert gone", uids(t, b, o))
	}
}

func TestAlertsCountForTheIncidentsUIDOnlyWhenEmbedded(t *testing.T) {
	for mode, same := range map[incident.AlertsMode]bool{incident.Split: true, incident.None: true, incident.Embedded: false} {
		b := Builder{Alerts: mode}
		one, two := observation(t), observation(t)
		two.After.Alerts[0].Digest[0]++
		require.Equal(t, same, uids(t, b, one)[0] == uids(t, b, two)[0], mode)
	}
}

func TestTheHostStandsInForATenantThatIsNotKnown(t *testing.T) {
	o := observation(t)
	o.Tenant = ""
	one := uids(t, Builder{Host: "one.example"}, o)
	two := uids(t, Builder{Host: "two.example"}, o)
	require.NotEqual(t, one, two)
	o.Tenant = tenant
	require.Equal(t, uids(t, Builder{Host: "one.example"}, o), uids(t, Builder{Host: "two.example"}, o))
}

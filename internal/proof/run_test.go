// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// script is what a receiver delivered, played by hand.
type script struct {
	*story
	run Run
}

// play plays a script in simulated time, which begins with the first sight of
// three incidents with two alerts each.
func play(t *testing.T, alerts string, act func(s *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg := defendersim.DefaultConfig()
		cfg.Incidents, cfg.AlertsPerIncident, cfg.MergedShare, cfg.ChangesPerHour = 3, 2, 0, 0
		sim, err := defendersim.New(cfg)
		require.NoError(t, err)
		s := &script{&story{t: t, sim: sim, api: defendersim.APIDefenderXDR}, Run{Sim: sim, Alerts: alerts}}
		for _, id := range sim.IDs() {
			s.request(id)
			s.deliver(id, "first_seen", s.alerts(id)...)
		}
		time.Sleep(time.Minute)
		act(s)
	})
}

// alerts are the IDs of an incident's alerts.
func (s *script) alerts(id int64) (ids []string) {
	return slices.Sorted(maps.Keys(s.times(id)))
}

// times are those of an incident's alerts.
func (s *script) times(id int64) map[string]time.Time {
	states, _ := s.sim.History(id)
	return times(&states[len(states)-1])
}

// deliver delivers an incident as it is, with a record of its own unless change
// is empty, and with records of alerts if they are split. An alert that is not
// there has left.
func (s *script) deliver(id int64, change string, alerts ...string) {
	states, _ := s.sim.History(id)
	now := states[len(states)-1]
	d := Delivery{Incident: id, Observed: time.Now(), Severity: now.Severity, Merged: now.RedirectID != 0}
	at := times(&now)
	if change != "" {
		d.Own = s.named(Record{Incident: id, Change: change, Time: now.LastUpdate})
	}
	if s.run.Alerts == Embedded {
		d.Embedded = at
	}
	for _, alert := range alerts {
		r := Record{Incident: id, Alert: alert, Change: "updated", Time: at[alert]}
		if r.Time.IsZero() {
			r.Change = "removed"
		}
		if s.run.Alerts == Split {
			d.Alerts = append(d.Alerts, *s.named(r))
		}
	}
	s.run.Deliveries = append(s.run.Deliveries, d)
}

// named gives a record the identity of its content and time.
func (s *script) named(r Record) *Record {
	r.UID = r.key() + time.Now().String()
	return &r
}

// again delivers what was delivered last once more.
func (s *script) again(change func(d *Delivery)) {
	d := s.run.Deliveries[len(s.run.Deliveries)-1]
	if d.Own != nil {
		d.Own = new(*d.Own)
	}
	d.Alerts, d.Observed = slices.Clone(d.Alerts), time.Now()
	change(&d)
	s.run.Deliveries = append(s.run.Deliveries, d)
}

// kill takes back what was delivered last.
func (s *script) kill() {
	s.run.Kills = append(s.run.Kills, time.Now())
	time.Sleep(time.Second)
}

// miss requests an incident that is not there.
func (s *script) miss(id int64) {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/incidents/%d", id), nil)
	r.Header.Set("Authorization", "Bearer "+s.sim.TokenOf(s.api))
	w := httptest.NewRecorder()
	s.sim.ServeHTTP(w, r)
	require.Equal(s.t, http.StatusNotFound, w.Code)
}

func (s *script) list() {
	s.t.Helper()
	s.send("/api/incidents")
}

func (s *script) changeAlert(id int64) string {
	s.t.Helper()
	alert := s.alerts(id)[0]
	require.NoError(s.t, s.sim.UpdateAlert(id, alert, func(a *defendersim.Alert) { a.AssignedTo += "+" }))
	return alert
}

func (s *script) removeAlert(id int64) string {
	s.t.Helper()
	alert := s.alerts(id)[0]
	require.NoError(s.t, s.sim.RemoveAlert(id, alert))
	return alert
}

func (s *script) late() []string { return s.run.Late(s.sim.IDs(), time.Time{}, time.Minute) }

func TestEachDeliveryThatIsMissingIsLate(t *testing.T) {
	for _, alerts := range []string{Split, Embedded, None} {
		play(t, alerts, func(s *script) {
			time.Sleep(time.Minute)
			s.assign(1001)
			changed, removed := s.changeAlert(1002), s.removeAlert(1003)
			s.list()
			s.deliver(1001, "updated")
			s.requestAll()
			if alerts != None {
				s.deliver(1002, map[string]string{Embedded: "updated"}[alerts], changed)
			}
			s.deliver(1003, "updated", removed)
			time.Sleep(2 * time.Minute)
			require.Empty(t, s.run.Problems())
			require.Empty(t, s.late())
			all := s.run.Deliveries
			for i := range all {
				s.run.Deliveries = slices.Delete(slices.Clone(all), i, i+1)
				require.NotEmpty(t, s.late(), "%s: delivery %d", alerts, i)
			}
		})
	}
}

// requestAll requests each incident.
func (s *script) requestAll() {
	for _, id := range s.sim.IDs() {
		s.request(id)
	}
}

func TestWhatIsDeliveredTooLateIsLate(t *testing.T) {
	play(t, Split, func(s *script) {
		s.assign(1001)
		time.Sleep(59 * time.Second)
		require.Empty(t, s.late(), "it need not be delivered yet")
		time.Sleep(2 * time.Second)
		s.request(1001)
		s.deliver(1001, "updated")
		require.Len(t, s.late(), 1)
	})
}

func TestWhatIsSupersededNeedNotBeDelivered(t *testing.T) {
	play(t, Split, func(s *script) {
		s.assign(1001)
		came, err := s.sim.AddAlert(1002)
		require.NoError(t, err)
		time.Sleep(time.Second)
		s.assign(1001)
		require.NoError(t, s.sim.RemoveAlert(1002, came))
		moved := s.alerts(1003)
		require.NoError(t, s.sim.Merge(1003, 1002))
		s.requestAll()
		s.deliver(1001, "updated")
		s.deliver(1002, "updated", moved...)
		s.deliver(1003, "merged")
		time.Sleep(2 * time.Minute)
		require.Empty(t, s.run.Problems())
		require.Empty(t, s.late())
	})
}

func TestIncidentThatIsMissingAndReturns(t *testing.T) {
	play(t, Split, func(s *script) {
		require.NoError(t, s.sim.Remove(1001))
		time.Sleep(2 * time.Minute)
		require.Len(t, s.late(), 1)
		s.miss(1001)
		s.deliver(1001, "not_found")
		time.Sleep(time.Minute)
		require.NoError(t, s.sim.Restore(1001))
		s.request(1001)
		s.deliver(1001, "first_seen", s.alerts(1001)...)
		time.Sleep(2 * time.Minute)
		require.Empty(t, s.run.Problems(), "the same version as before it was missing")
		require.Len(t, s.late(), 1, "that it was missing")
		s.run.Deliveries = s.run.Deliveries[:len(s.run.Deliveries)-1]
		require.Len(t, s.late(), 1+3)
	})
}

func TestDeliveriesThatAreWrong(t *testing.T) {
	same := func(*Delivery) {}
	for name, c := range map[string]struct {
		alerts  string
		act     func(s *script)
		problem string // empty: there is none
	}{
		"the same version twice": {Split, func(s *script) { s.again(same) }, "delivered twice"},
		"the same version twice, embedded": {Embedded, func(s *script) {
			s.again(func(d *Delivery) { d.Own.UID, d.Own.Change = "another", "updated" })
		}, "delivered twice"},
		"older after newer": {Split, func(s *script) {
			s.assign(1003)
			s.request(1003)
			s.deliver(1003, "updated")
			s.run.Deliveries[4].Own.Time = s.run.Deliveries[2].Own.Time
		}, "older after newer"},
		"older alert after newer, embedded": {Embedded, func(s *script) {
			before := s.times(1003)
			s.changeAlert(1003)
			s.request(1003)
			s.deliver(1003, "updated")
			s.assign(1003)
			s.request(1003)
			s.deliver(1003, "updated")
			s.run.Deliveries[len(s.run.Deliveries)-1].Embedded = before
		}, "older after newer"},
		"never shown":    {Split, func(s *script) { s.assign(1003); s.deliver(1003, "updated") }, "nothing has shown this"},
		"shown by a row": {Split, func(s *script) { s.assign(1003); s.list(); s.deliver(1003, "updated") }, ""},
		"shown later":    {Split, func(s *script) { s.assign(1003); s.deliver(1003, "updated"); time.Sleep(time.Second); s.list() }, "nothing has shown this"},
		"never so": {Split, func(s *script) {
			s.again(func(d *Delivery) { d.Own.Time = d.Own.Time.Add(time.Second) })
		}, "was never"},
		"parts of two states, embedded": {Embedded, func(s *script) {
			s.assign(1003)
			s.request(1003)
			before := s.times(1003)
			s.changeAlert(1003)
			s.assign(1003)
			s.request(1003)
			s.deliver(1003, "updated")
			s.run.Deliveries[4].Embedded = before
		}, "nothing has shown this"},
		"removed, shown by a Get":           {Split, func(s *script) { gone := s.removeAlert(1003); s.request(1003); s.deliver(1003, "updated", gone) }, ""},
		"removed, shown by a row":           {Split, func(s *script) { gone := s.removeAlert(1003); s.list(); s.deliver(1003, "updated", gone) }, "nothing has shown this"},
		"removed, shown by a row, embedded": {Embedded, func(s *script) { s.removeAlert(1003); s.list(); s.deliver(1003, "updated") }, "nothing has shown this"},
		"not found, and nobody said so":     {Split, func(s *script) { require.NoError(s.t, s.sim.Remove(1003)); s.deliver(1003, "not_found") }, "no response said"},
		"an incident that is not there":     {Split, func(s *script) { s.again(func(d *Delivery) { d.Incident = 4711 }) }, "there is no such incident"},
		"a record of an alert, though there are none": {None, func(s *script) {
			alert := s.changeAlert(1003)
			s.request(1003)
			s.run.Alerts = Split
			s.deliver(1003, "", alert)
			s.run.Alerts = None
		}, "has a record"},
		"two records with one identity": {Split, func(s *script) {
			s.run.Deliveries[3].Own.UID = s.run.Deliveries[0].Own.UID
		}, "the same log.record.uid"},
		"unchanged, with emit: changes": {Split, func(s *script) { s.deliver(1003, "snapshot") }, "unchanged content"},
		"unchanged": {Split, func(s *script) {
			s.run.Interval = time.Minute
			s.deliver(1003, "snapshot")
			time.Sleep(time.Minute)
			s.deliver(1003, "snapshot")
		}, ""},
		"unchanged, too soon": {Split, func(s *script) {
			s.run.Interval = time.Minute
			s.deliver(1003, "snapshot")
			time.Sleep(50 * time.Second)
			s.deliver(1003, "snapshot")
		}, "unchanged content after 50s"},
		"unchanged, though it has changed": {Split, func(s *script) {
			s.run.Interval = time.Minute
			s.assign(1003)
			s.request(1003)
			s.deliver(1003, "snapshot")
		}, "is delivered as unchanged"},
		"repeated after a kill": {Split, func(s *script) {
			s.kill()
			s.again(same)
		}, ""},
		"repeated after a kill, embedded": {Embedded, func(s *script) {
			s.removeAlert(1003)
			s.request(1003)
			s.deliver(1003, "updated")
			s.kill()
			s.again(same)
		}, ""},
		"repeated after a kill under another identity": {Split, func(s *script) {
			s.kill()
			s.again(func(d *Delivery) { d.Alerts[0].UID = "another" })
		}, "another identity"},
		"repeated after a kill from another source": {Split, func(s *script) {
			s.run.Renderings = true
			s.kill()
			s.again(func(d *Delivery) { d.Alerts[0].UID = "another" })
		}, ""},
		"repeated, though it was stored before the kill": {Split, func(s *script) {
			time.Sleep(2 * time.Minute)
			s.kill()
			s.again(same)
		}, "delivered twice"},
		"older than what a kill took back": {Split, func(s *script) {
			s.assign(1003)
			s.list() // which lags
			s.deliver(1003, "updated")
			time.Sleep(time.Second)
			s.assign(1003)
			s.request(1003)
			s.deliver(1003, "updated")
			s.kill()
			lagging, last := s.run.Deliveries[4], s.run.Deliveries[5]
			lagging.Observed = time.Now()
			s.run.Deliveries[4], s.run.Deliveries[5] = last, lagging
		}, ""},
		"older than what was stored before a kill": {Split, func(s *script) {
			s.kill()
			s.run.Deliveries = append(s.run.Deliveries, s.run.Deliveries[2])
			s.run.Deliveries[4].Observed = time.Now()
		}, "delivered twice"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, c.alerts, func(s *script) {
				alert := s.changeAlert(1003)
				s.assign(1003)
				s.request(1003)
				s.deliver(1003, "updated", alert)
				time.Sleep(time.Second)
				c.act(s)
				problems := s.run.Problems()
				if c.problem == "" {
					require.Empty(t, problems)
				} else {
					require.Contains(t, strings.Join(problems, "\n"), c.problem)
				}
			})
		})
	}
}

func (s *script) listAlerts() {
	s.t.Helper()
	s.send("/v1.0/security/alerts_v2")
}

// What the lists of Graph show: rows of incidents have no alerts, and rows of
// alerts have nothing else.
func TestDeliveriesFromRowsOfGraph(t *testing.T) {
	for name, c := range map[string]struct {
		alerts  string
		act     func(s *script)
		problem string // empty: there is none
	}{
		"own content, from rows of incidents": {Split, func(s *script) {
			s.assign(1003)
			s.send("/v1.0/security/incidents")
			s.deliver(1003, "updated")
		}, ""},
		"own content, from rows of alerts": {Split, func(s *script) {
			s.assign(1003)
			s.listAlerts()
			s.deliver(1003, "updated")
		}, "nothing has shown this"},
		"own content, from narrow rows": {Split, func(s *script) {
			s.assign(1003)
			s.send("/v1.0/security/incidents?$select=id,lastUpdateDateTime")
			s.deliver(1003, "updated")
		}, "nothing has shown this"},
		"an alert, from rows of alerts": {Split, func(s *script) {
			alert := s.changeAlert(1003)
			s.listAlerts()
			s.deliver(1003, "", alert)
		}, ""},
		"alerts of one page": {Split, func(s *script) {
			all := s.alerts(1003)
			for _, alert := range all {
				require.NoError(s.t, s.sim.UpdateAlert(1003, alert, func(a *defendersim.Alert) { a.AssignedTo += "+" }))
			}
			s.listAlerts()
			s.deliver(1003, "", all...)
		}, ""},
		"an alert, from rows of incidents": {Split, func(s *script) {
			alert := s.changeAlert(1003)
			s.send("/v1.0/security/incidents")
			s.deliver(1003, "", alert)
		}, "nothing has shown this"},
		"an alert, from narrow rows": {Split, func(s *script) {
			alert := s.changeAlert(1003)
			s.send("/v1.0/security/alerts_v2?$select=id,incidentId,lastUpdateDateTime")
			s.deliver(1003, "", alert)
		}, "nothing has shown this"},
		"an alert with its incident, from rows of both": {Split, func(s *script) {
			alert := s.changeAlert(1003)
			s.assign(1003)
			s.send("/v1.0/security/incidents")
			s.listAlerts()
			s.deliver(1003, "updated", alert)
		}, "nothing has shown this"},
		"an alert in the incident that it was in before": {Split, func(s *script) {
			moved := s.alerts(1003)[0]
			require.NoError(s.t, s.sim.MoveAlert(1003, moved, 1002))
			s.listAlerts()
			s.deliver(1002, "", moved)
			s.deliver(1003, "", moved)
		}, "incident 1003 at 00:01:01: nothing has shown this"},
		"an alert that has left, from rows of alerts": {Split, func(s *script) {
			gone := s.removeAlert(1003)
			s.listAlerts()
			s.deliver(1003, "", gone)
		}, "nothing has shown this"},
		"the same version by a Get and a row": {Split, func(s *script) {
			alert := s.changeAlert(1003)
			s.listAlerts()
			s.deliver(1003, "", alert)
			s.request(1003)
			s.deliver(1003, "", alert)
		}, "delivered twice"},
		"an older row after a newer one": {Split, func(s *script) {
			alert := s.changeAlert(1003)
			s.listAlerts()
			s.deliver(1003, "", alert)
			time.Sleep(time.Second)
			s.changeAlert(1003)
			s.listAlerts()
			s.deliver(1003, "", alert)
			last := len(s.run.Deliveries) - 1
			older, newer := s.run.Deliveries[last-1].Alerts[0], s.run.Deliveries[last].Alerts[0]
			s.run.Deliveries[last-1].Alerts[0], s.run.Deliveries[last].Alerts[0] = newer, older
			s.run.Deliveries[last-1].Observed = s.run.Deliveries[last].Observed
		}, "older after newer"},
		"embedded, from rows": {Embedded, func(s *script) {
			s.assign(1003)
			s.send("/v1.0/security/incidents")
			s.listAlerts()
			s.deliver(1003, "updated")
		}, "nothing has shown this"},
		"without alerts, from rows": {None, func(s *script) {
			s.assign(1003)
			s.send("/v1.0/security/incidents")
			s.deliver(1003, "updated")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, c.alerts, func(s *script) {
				s.api = defendersim.APIGraph
				time.Sleep(time.Second)
				c.act(s)
				problems := s.run.Problems()
				if c.problem == "" {
					require.Empty(t, problems)
				} else {
					require.Contains(t, strings.Join(problems, "\n"), c.problem)
				}
			})
		})
	}
}

func TestSilenceIsFound(t *testing.T) {
	play(t, Split, func(s *script) {
		began := time.Now().Add(-time.Minute)
		silent := func() []string { return s.run.Silent(s.sim.IDs(), began, 5*time.Minute) }
		time.Sleep(4 * time.Minute)
		require.Empty(t, silent())
		s.deliver(1001, "snapshot")
		time.Sleep(2 * time.Minute)
		require.Len(t, silent(), 2)
		require.NoError(t, s.sim.Merge(1003, 1002))
		require.Len(t, silent(), 1, "merged incidents are not polled")
	})
}

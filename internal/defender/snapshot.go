// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// decode reads the response to Get incident for id, and the link to the alerts
// that it does not show; none: it shows all. Its errors say what is wrong with
// the response and quote only member names. With errAnotherIncident, the
// snapshot is what the response would mean if it were true.
func (d dialect) decode(id int64, json *decoder) (s *incident.Snapshot, rest jsontext.Value, err error) {
	s, rest, err = d.decodeIncident(json)
	if err != nil {
		return nil, nil, err
	}
	if s.ID == id {
		return s, rest, nil
	}
	redirect := json.incident.incidentID(d.incident.successor)
	merged := (s.Merged || redirect != 0) && redirect != id
	if s, err = d.becomeSuccessors(s, id, json.incident); err == nil && !merged {
		err = errAnotherIncident
	}
	return s, nil, err
}

// errAnotherIncident: the response shows another incident than the one that was
// requested, and does not say that one was merged.
var errAnotherIncident = errors.New("the response is for another incident and does not say that this one was merged")

// decodeIncident reads an incident that was not decoded before, and the link to
// the rest of its alerts.
func (d dialect) decodeIncident(json *decoder) (s *incident.Snapshot, rest jsontext.Value, err error) {
	s = d.newSnapshot()
	o := json.incident
	err = json.object(o, func(name string) (bool, error) {
		switch {
		case name == d.incident.alerts && json.json.PeekKind() != 'n':
			s.Alerts, err = d.decodeAlerts(json)
			return true, err
		case d.alerts != "" && name == d.incident.alerts+linkField:
			rest, err = json.link()
			return true, err
		}
		return false, nil
	})
	if err != nil {
		return nil, nil, err
	}
	if err := json.end(); err != nil {
		return nil, nil, err
	}
	if s.ID = o.incidentID(d.incident.id); s.ID == 0 {
		return nil, nil, fmt.Errorf("no %s", d.incident.id)
	}
	d.describe(s, o)
	return s, rest, nil
}

// newSnapshot is a snapshot that shows nothing yet.
func (d dialect) newSnapshot() *incident.Snapshot {
	return &incident.Snapshot{
		API: string(d.api), AlertsField: d.incident.alerts, LastUpdateField: d.incident.lastUpdate, AlertLastUpdateField: d.alert.lastUpdate,
		Evidence: d.evidence,
	}
}

// decodeAlerts reads a list of alerts with distinct IDs.
func (d dialect) decodeAlerts(json *decoder) ([]incident.Alert, error) {
	json.alerts = json.alerts[:0]
	defer func() { // nothing of a response is held on to
		clear(json.alerts)
		clear(json.seen)
	}()
	err := json.array(func() error {
		if len(json.alerts) == maxAlerts {
			return fmt.Errorf("more than %d alerts", maxAlerts)
		}
		alert, err := d.decodeAlert(json)
		if err != nil {
			return err
		}
		if _, again := json.seen[alert.ID]; again {
			return errors.New("two alerts with the same id")
		}
		json.seen[alert.ID] = struct{}{}
		json.alerts = append(json.alerts, alert)
		return nil
	})
	return append([]incident.Alert{}, json.alerts...), err
}

func (d dialect) decodeAlert(json *decoder) (incident.Alert, error) {
	o, f := json.alert, d.alert
	if err := json.whole(o, 3); err != nil {
		return incident.Alert{}, err
	}
	alert := incident.Alert{
		ID:              o.text(f.id),
		Title:           o.text(f.title),
		Status:          o.text(f.status),
		Severity:        o.text(f.severity),
		Category:        o.text(f.category),
		ServiceSource:   o.text(f.serviceSource),
		DetectionSource: o.text(f.detectionSource),
		Classification:  o.text(f.classification),
		Determination:   o.text(f.determination),
		AssignedTo:      o.text(f.assignedTo),
		MitreTechniques: o.texts(f.mitreTechniques),
		Created:         o.moment(f.created),
		LastUpdate:      o.moment(f.lastUpdate),
		Object:          o.Object(),
	}
	if f.url != "" {
		alert.URL = o.text(f.url)
	}
	if alert.ID == "" {
		return incident.Alert{}, fmt.Errorf("an alert without %s", f.id)
	}
	return alert, nil
}

// describe fills in the object's own fields.
func (d dialect) describe(s *incident.Snapshot, o object) {
	f := d.incident
	s.Object = o.Object()
	s.SuccessorID = o.incidentID(f.successor)
	s.Name = o.text(f.name)
	s.Status = o.text(f.status)
	s.Severity = o.text(f.severity)
	s.Classification = o.text(f.classification)
	s.Determination = o.text(f.determination)
	s.AssignedTo = o.text(f.assignedTo)
	s.URL = o.text(f.url)
	s.TenantID = strings.Clone(cmp.Or(uuid(o.text(f.tenant)), tenant(s.URL))) // it outlives the rest
	s.Tags = o.texts(f.tags)
	s.Created = o.moment(f.created)
	s.LastUpdate = o.moment(f.lastUpdate)
	if comments := o.Get(f.comments); comments.Kind() == content.Array {
		s.Comments = new(comments.Len())
	}
	s.Merged = strings.EqualFold(s.Status, "redirected")
	if !s.Merged {
		s.SuccessorID = 0
	}
}

// becomeSuccessors makes a snapshot of the requested incident out of a response
// that shows another one: it continues in that one. The content of the other is
// left to its own request.
func (d dialect) becomeSuccessors(other *incident.Snapshot, id int64, o object) (*incident.Snapshot, error) {
	form := `{%q:%d,%q:%d}`
	if d.textIDs {
		form = `{%q:"%d",%q:"%d"}`
	}
	if err := o.Whole(fmt.Appendf(nil, form, d.incident.id, id, d.incident.successor, other.ID), 1); err != nil {
		return nil, err
	}
	s := d.newSnapshot()
	s.Object = o.Object()
	s.ID, s.SuccessorID, s.Merged, s.TenantID = id, other.ID, true, other.TenantID
	return s, nil
}

// tenant reads the tenant's ID from an incident's address, the only place where
// the Defender XDR API shows it (…/incidents/924565?tid=<tenant id>, seen in
// captures). Empty if it is not there.
func tenant(address string) string {
	address, _, _ = strings.Cut(address, "#")
	_, query, _ := strings.Cut(address, "?")
	for option := range strings.SplitSeq(query, "&") {
		if id, ok := strings.CutPrefix(option, "tid="); ok {
			return uuid(id)
		}
	}
	return ""
}

// uuid is the text if it is a UUID, else empty.
func uuid(text string) string {
	if !isUUID(text) {
		return ""
	}
	return text
}

func isUUID(text string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) != len(form) {
		return false
	}
	for i := range len(form) {
		if dash := form[i] == '-'; dash != (text[i] == '-') || !dash && !isHex(text[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

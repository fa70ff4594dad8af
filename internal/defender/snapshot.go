package defender

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// decode reads the answer to Get incident for id. Its errors say what is
// wrong with the answer and quote nothing of it but names.
func (d dialect) decode(id int64, body []byte) (*incident.Snapshot, error) {
	s, err := d.decodeIncident(newDecoder(body))
	if err != nil {
		return nil, err
	}
	if s.ID != id {
		d.becomeSuccessors(s, id)
	}
	return s, nil
}

// decodeIncident reads an incident that is all there is to read.
func (d dialect) decodeIncident(json *decoder) (*incident.Snapshot, error) {
	s := &incident.Snapshot{Object: pcommon.NewMap(), AlertsField: d.incident.alerts}
	s.Object.EnsureCapacity(usualMembers)
	err := json.object(s.Object, 1, func(name string) (bool, error) {
		if name != d.incident.alerts || json.json.PeekKind() == 'n' {
			return false, nil
		}
		s.Alerts = make([]incident.Alert, 0, 8)
		return true, json.array(2, func() error {
			if len(s.Alerts) == maxAlerts {
				return fmt.Errorf("more than %d alerts", maxAlerts)
			}
			return d.decodeAlert(json, s)
		})
	})
	if err != nil {
		return nil, err
	}
	if err := json.end(); err != nil {
		return nil, err
	}
	if err := uniqueAlerts(s.Alerts); err != nil {
		return nil, err
	}
	if s.ID = integer(s.Object, d.incident.id); s.ID <= 0 {
		return nil, fmt.Errorf("no %s", d.incident.id)
	}
	d.describe(s)
	return s, nil
}

func (d dialect) decodeAlert(json *decoder, s *incident.Snapshot) error {
	object := pcommon.NewMap()
	object.EnsureCapacity(usualMembers)
	if err := json.object(object, 3, nil); err != nil {
		return err
	}
	f := d.alert
	alert := incident.Alert{
		ID:              text(object, f.id),
		Title:           text(object, f.title),
		Status:          text(object, f.status),
		Severity:        text(object, f.severity),
		Category:        text(object, f.category),
		ServiceSource:   text(object, f.serviceSource),
		DetectionSource: text(object, f.detectionSource),
		MitreTechniques: texts(object, f.mitreTechniques),
		LastUpdate:      moment(object, f.lastUpdate),
		Object:          object,
	}
	if alert.ID == "" {
		return fmt.Errorf("an alert without %s", f.id)
	}
	s.Alerts = append(s.Alerts, alert)
	return nil
}

// describe fills in what the object says of itself.
func (d dialect) describe(s *incident.Snapshot) {
	f := d.incident
	s.SuccessorID = max(0, integer(s.Object, f.successor))
	s.Name = text(s.Object, f.name)
	s.Status = text(s.Object, f.status)
	s.Severity = text(s.Object, f.severity)
	s.Classification = text(s.Object, f.classification)
	s.Determination = text(s.Object, f.determination)
	s.AssignedTo = text(s.Object, f.assignedTo)
	s.URL = text(s.Object, f.url)
	s.TenantID = tenant(s.URL)
	s.LastUpdate = moment(s.Object, f.lastUpdate)
	s.Merged = strings.EqualFold(s.Status, "redirected")
	if !s.Merged {
		s.SuccessorID = 0
	}
}

// becomeSuccessors turns an incident other than the one that was asked for
// into what it says of that: that it lives on in this other one. What the
// answer shows is left to the fetch of that incident itself.
func (d dialect) becomeSuccessors(s *incident.Snapshot, asked int64) {
	object := pcommon.NewMap()
	object.PutInt(d.incident.id, asked)
	object.PutInt(d.incident.successor, s.ID)
	*s = incident.Snapshot{
		ID: asked, SuccessorID: s.ID, Merged: true, TenantID: s.TenantID,
		Object: object, AlertsField: s.AlertsField,
	}
}

// uniqueAlerts demands what the comparison builds on: alerts are told apart
// by their ids.
func uniqueAlerts(alerts []incident.Alert) error {
	seen := make(map[string]struct{}, len(alerts))
	for _, a := range alerts {
		if _, again := seen[a.ID]; again {
			return errors.New("two alerts with the same id")
		}
		seen[a.ID] = struct{}{}
	}
	return nil
}

func text(object pcommon.Map, name string) string {
	if v, ok := object.Get(name); ok && v.Type() == pcommon.ValueTypeStr {
		return v.Str()
	}
	return ""
}

func texts(object pcommon.Map, name string) []string {
	v, ok := object.Get(name)
	if !ok || v.Type() != pcommon.ValueTypeSlice {
		return nil
	}
	var all []string
	for _, element := range v.Slice().All() {
		if element.Type() == pcommon.ValueTypeStr {
			all = append(all, element.Str())
		}
	}
	return all
}

func integer(object pcommon.Map, name string) int64 {
	if v, ok := object.Get(name); ok && v.Type() == pcommon.ValueTypeInt {
		return v.Int()
	}
	return 0
}

// moment reads a time: UTC with 0 to 7 fractional digits (seen in captures).
// One that cannot be read is the zero time.
func moment(object pcommon.Map, name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text(object, name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// tenant reads the tenant's id out of an incident's address, the only place
// where the API shows it (…/incidents/924565?tid=<tenant id>, seen in
// captures). Empty when it is not there.
func tenant(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	id := parsed.Query().Get("tid")
	if !isUUID(id) {
		return ""
	}
	return id
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

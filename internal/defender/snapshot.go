package defender

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// decode reads the answer to Get incident for id, and the link to the alerts
// that it does not show; none: it shows all. Its errors say what is wrong with
// the answer and quote nothing of it but names.
func (d dialect) decode(id int64, json *decoder) (s *incident.Snapshot, rest jsontext.Value, err error) {
	s, rest, err = d.decodeIncident(json)
	if err != nil {
		return nil, nil, err
	}
	if s.ID != id {
		d.becomeSuccessors(s, id)
		return s, nil, nil
	}
	return s, rest, nil
}

// decodeIncident reads an incident that is all there is to read, and the link
// to the rest of its alerts.
func (d dialect) decodeIncident(json *decoder) (s *incident.Snapshot, rest jsontext.Value, err error) {
	s = d.newSnapshot()
	s.Object.EnsureCapacity(usualMembers)
	err = json.object(s.Object, 1, func(name string) (bool, error) {
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
	if s.ID = d.id(s.Object, d.incident.id); s.ID == 0 {
		return nil, nil, fmt.Errorf("no %s", d.incident.id)
	}
	d.describe(s)
	return s, rest, nil
}

// newSnapshot is one that shows nothing yet.
func (d dialect) newSnapshot() *incident.Snapshot {
	return &incident.Snapshot{
		API: string(d.api), Object: pcommon.NewMap(),
		AlertsField: d.incident.alerts, LastUpdateField: d.incident.lastUpdate, AlertLastUpdateField: d.alert.lastUpdate,
	}
}

// decodeAlerts reads a list of alerts, of which no two are the same: they are
// told apart by their ids.
func (d dialect) decodeAlerts(json *decoder) ([]incident.Alert, error) {
	alerts := make([]incident.Alert, 0, 8)
	seen := make(map[string]struct{})
	err := json.array(2, func() error {
		if len(alerts) == maxAlerts {
			return fmt.Errorf("more than %d alerts", maxAlerts)
		}
		alert, err := d.decodeAlert(json)
		if err != nil {
			return err
		}
		if _, again := seen[alert.ID]; again {
			return errors.New("two alerts with the same id")
		}
		seen[alert.ID] = struct{}{}
		alerts = append(alerts, alert)
		return nil
	})
	return alerts, err
}

func (d dialect) decodeAlert(json *decoder) (incident.Alert, error) {
	object := pcommon.NewMap()
	object.EnsureCapacity(usualMembers)
	if err := json.object(object, 3, nil); err != nil {
		return incident.Alert{}, err
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
		return incident.Alert{}, fmt.Errorf("an alert without %s", f.id)
	}
	return alert, nil
}

// describe fills in what the object says of itself.
func (d dialect) describe(s *incident.Snapshot) {
	f := d.incident
	s.SuccessorID = d.id(s.Object, f.successor)
	s.Name = text(s.Object, f.name)
	s.Status = text(s.Object, f.status)
	s.Severity = text(s.Object, f.severity)
	s.Classification = text(s.Object, f.classification)
	s.Determination = text(s.Object, f.determination)
	s.AssignedTo = text(s.Object, f.assignedTo)
	s.URL = text(s.Object, f.url)
	s.TenantID = cmp.Or(uuid(text(s.Object, f.tenant)), tenant(s.URL))
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
	merged := d.newSnapshot()
	merged.ID, merged.SuccessorID, merged.Merged, merged.TenantID = asked, s.ID, true, s.TenantID
	d.putID(merged.Object, d.incident.id, asked)
	d.putID(merged.Object, d.incident.successor, s.ID)
	*s = *merged
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

// putID writes an incident's id as the API does.
func (d dialect) putID(object pcommon.Map, name string, id int64) {
	if d.textIDs {
		object.PutStr(name, strconv.FormatInt(id, 10))
		return
	}
	object.PutInt(name, id)
}

// id reads an incident's id in the form that the API gives it. 0: there is none.
func (d dialect) id(object pcommon.Map, name string) int64 {
	if !d.textIDs {
		return max(0, integer(object, name))
	}
	written := text(object, name)
	id, err := strconv.ParseInt(written, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != written {
		return 0
	}
	return max(0, id)
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
// where the Defender XDR API shows it (…/incidents/924565?tid=<tenant id>, seen
// in captures). Empty when it is not there.
func tenant(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return uuid(parsed.Query().Get("tid"))
}

// uuid is the text where it has that form, else empty.
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

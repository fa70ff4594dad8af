// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// wholeAlerts is the largest number of alerts at which a row counts as the
// whole incident: lists of alerts seem to end at 150 without any sign (seen in
// captured List responses).
const wholeAlerts = 149

// decodeRow reads a row as it would read the response to Get incident. The row
// may have no ID.
func (p *pageDecoder) decodeRow(raw []byte) Row {
	json, read := p.rows.reset(bytes.NewReader(raw), math.MaxInt64), p.incidentRow
	if p.request.Alerts {
		read = p.alertRow
	}
	row, err := read(json)
	if err != nil {
		row = p.fields.glance(json.reset(bytes.NewReader(raw), math.MaxInt64))
		row.Err = malformed(err)
		return row
	}
	s := row.Snapshot
	if s == nil || p.request.Narrow {
		row.Snapshot = nil
		return row
	}
	p.values += json.limits.Found
	p.alerts += len(s.Alerts)
	s.Source = incident.FromList
	if s.Shows == incident.SomeAlerts {
		json.print.Alerts(s.Alerts)
		return row
	}
	json.print.Snapshot(s)
	if p.keepOriginal {
		s.Original = bytes.Clone(validUTF8(raw))
	}
	return row
}

// incidentRow reads a row of the list of incidents. The Snapshot has no digests
// yet; it is nil if the row shows less than a row of this API can.
func (p *pageDecoder) incidentRow(json *decoder) (Row, error) {
	s, _, err := p.dialect.decodeIncident(json)
	if err != nil {
		return Row{}, err
	}
	row := Row{ID: s.ID, LastUpdate: s.LastUpdate, Created: json.incident.moment(p.fields.created), Closed: s.Closed()}
	switch {
	case !p.dialect.wholeRows:
		s.Shows, s.Alerts = incident.OwnFields, nil
	case len(s.Alerts) > wholeAlerts || s.Alerts == nil && !s.Merged && !p.noAlerts:
		return row, nil
	}
	row.Snapshot = s
	return row, nil
}

// alertRow reads a row of the list of alerts. The Snapshot has no digest yet;
// it is nil for an alert that is in no incident.
func (p *pageDecoder) alertRow(json *decoder) (Row, error) {
	alert, err := p.dialect.decodeAlert(json)
	if err != nil {
		return Row{}, err
	}
	o, f := json.alert, p.dialect.alert
	id := o.incidentID(f.incident)
	if id == 0 && o.says(f.incident) {
		return Row{}, fmt.Errorf("%s is not an incident ID", f.incident)
	}
	row := Row{ID: id, Alert: strings.Clone(alert.ID), LastUpdate: alert.LastUpdate, Created: o.moment(f.created)}
	if id == 0 {
		return row, nil
	}
	s := p.dialect.newSnapshot()
	s.Shows, s.ID, s.Alerts = incident.SomeAlerts, id, []incident.Alert{alert}
	s.TenantID = strings.Clone(cmp.Or(uuid(o.text(f.tenant)), tenant(o.text(f.incidentURL))))
	row.Snapshot = s
	return row, nil
}

// says reports whether a member is there and neither null nor an empty text.
func (o object) says(name string) bool {
	member := o.Get(name)
	kind := member.Kind()
	return kind != 0 && kind != content.Null && (kind != content.String || member.Text() != "")
}

// glance reads the IDs and times of a row, as far as possible, even if it is
// invalid or cut off.
func (f rowFields) glance(json *decoder) Row {
	type scalar struct {
		kind jsontext.Kind
		text string
	}
	known := map[string]scalar{}
	_ = json.members(func(name string) error {
		_, twice := known[name]
		if twice || name == "" || name != f.alert && name != f.incident && name != f.lastUpdate && name != f.created {
			return json.json.SkipValue()
		}
		value, err := json.value()
		if err != nil {
			return err
		}
		kind := value.Kind()
		if kind == '"' {
			value = json.unquote(value)
		}
		known[name] = scalar{kind, string(value)}
		return nil
	})
	text := func(name string) string {
		if value := known[name]; value.kind == '"' {
			return value.text
		}
		return ""
	}
	row := Row{Alert: text(f.alert), LastUpdate: moment(text(f.lastUpdate)), Created: moment(text(f.created))}
	if id := known[f.incident]; id.kind == '"' || id.kind == '0' {
		row.ID = incidentID(id.text)
	}
	if f.alert != "" && row.Alert == "" {
		row.ID = 0 // without an alert ID, the incident does not count either
	}
	return row
}

// first reads the IDs of the first row from the beginning of a page.
func (f rowFields) first(json *decoder, body []byte) (row Row) {
	// A number at the end may have been cut off.
	json.reset(bytes.NewReader(body[:bytes.LastIndexAny(body, ",}")+1]), math.MaxInt64)
	_ = json.members(func(name string) error {
		if name != rowsField {
			return json.json.SkipValue()
		}
		return json.array(func() error {
			row = f.glance(json)
			return errors.New("one is enough")
		})
	})
	return row
}

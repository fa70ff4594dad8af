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

// wholeAlerts is how many alerts a row may show to be taken for the whole
// incident: lists of alerts seem to end at 150, without a mark (seen in captured
// List answers).
const wholeAlerts = 149

// decodeRow reads a row as it would the same in the answer to Get incident. It may
// name nothing.
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

// incidentRow reads a row of the list of incidents. The Snapshot has no digests yet;
// there is none where the row does not show all that a row of the API can.
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

// alertRow reads a row of the list of alerts. The Snapshot has no digest yet; there
// is none of an alert that is in no incident.
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

// glance reads what a row names, and its times, as far as that can be read of one
// that is not sound, or not there to its end.
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
		if said := known[name]; said.kind == '"' {
			return said.text
		}
		return ""
	}
	row := Row{Alert: text(f.alert), LastUpdate: moment(text(f.lastUpdate)), Created: moment(text(f.created))}
	if id := known[f.incident]; id.kind == '"' || id.kind == '0' {
		row.ID = incidentID(id.text)
	}
	if f.alert != "" && row.Alert == "" {
		row.ID = 0 // what is not known to be an alert names no incident either
	}
	return row
}

// first reads what the first row names out of the beginning of a page.
func (f rowFields) first(json *decoder, body []byte) (row Row) {
	// A number at the end may have gone on.
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

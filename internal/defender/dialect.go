// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// API names an API, as the configuration does.
type API string

// The APIs. Both serve the same incidents under the same ids.
const (
	XDR   API = "defender_xdr"
	Graph API = "graph"
)

// dialect is what one API calls things. All that differs between the APIs
// stands here.
type dialect struct {
	api API

	// get is the path of Get incident, without the id, and expand the option
	// that has its answer hold the alerts; empty: it always does.
	get, expand string
	// alerts is the path of one incident's alerts behind that of the incident,
	// for those that come in further pages; empty: they never do.
	alerts string
	// list is the path of List incidents, and maxTop the most rows that a page
	// may be asked for.
	list   string
	maxTop int
	// alertList is the path of the list of alerts of all incidents, empty where
	// the API has none, and maxAlertTop the most rows that a page of it is asked for.
	alertList   string
	maxAlertTop int
	// maxSkip is how many rows of a list a page may skip; 0: not known.
	maxSkip int
	// textIDs: the API sends the IDs of incidents as strings, not as numbers.
	textIDs bool
	// wholeRows: a row of the list is the whole incident, with its alerts.
	wholeRows bool
	// prefer is the Prefer header of each request; empty: none.
	prefer string
	// oneBudget: the limits are those of all calls together, so that a 429 is
	// about all of them.
	oneBudget bool

	// access is what the API asks of a token, and alertAccess what it asks for
	// the list of alerts.
	access, alertAccess access

	incident incidentFields
	alert    alertFields
	evidence *evidence // in alerts
}

func dialectOf(api API) dialect {
	if api == Graph {
		return graph()
	}
	return xdr()
}

// incidentFields are the names of an incident's fields; an empty one: the API
// does not have it.
type incidentFields struct {
	id, successor, name, status, severity, classification, determination,
	assignedTo, url, tenant, tags, comments, created, lastUpdate, alerts string
}

// alertFields are the names of an alert's fields.
type alertFields struct {
	id, title, status, severity, category, serviceSource, detectionSource,
	classification, determination, assignedTo, url, mitreTechniques, created, lastUpdate,
	incident, incidentURL, tenant string // of its incident, in a row of the list of alerts
}

// rowFields are the names that a list is asked for by, and that are read of a
// row even where it is not sound.
type rowFields struct {
	alert, incident string // the ids; alert is empty in the list of incidents
	status          string
	created         string
	lastUpdate      string
}

func (d dialect) rowFields(alerts bool) rowFields {
	if f := d.alert; alerts {
		return rowFields{alert: f.id, incident: f.incident, status: f.status, created: f.created, lastUpdate: f.lastUpdate}
	}
	f := d.incident
	return rowFields{incident: f.id, status: f.status, created: f.created, lastUpdate: f.lastUpdate}
}

// narrow are the fields that a narrow row has.
func (f rowFields) narrow() []string {
	if f.alert == "" {
		return []string{f.incident, f.created, f.lastUpdate}
	}
	return []string{f.alert, f.created, f.lastUpdate, f.incident}
}

// What both APIs have from OData, where a list's options begin with a $ and
// what an answer says beside its content with @odata.
const (
	filterOption = "$filter"
	orderOption  = "$orderby"
	selectOption = "$select"
	countOption  = "$count"
	topOption    = "$top"
	skipOption   = "$skip"
	tokenOption  = "$skiptoken"
	rowsField    = "value"
	linkField    = "@odata.nextLink"
	countField   = "@odata.count"
)

// boundLayout is a time as the APIs write it themselves: seven fractional
// digits, which is a tick. Formatting cuts off what is finer, so none is left out
// by ge.
const (
	boundLayout = "2006-01-02T15:04:05.0000000Z"
	tick        = 100 * time.Nanosecond
)

// query is what List asks for, in the form that the vendor's documentation
// shows: ?$filter=lastUpdateTime+ge+2020-06-03T18:04:29.4633333Z.
func (d dialect) query(r ListRequest) string {
	f := d.rowFields(r.Alerts)
	var options []string
	if conditions := f.conditions(r); len(conditions) > 0 {
		options = append(options, filterOption+"="+strings.Join(conditions, "+and+"))
	}
	if r.ByCreation {
		options = append(options, orderOption+"="+f.created+"+asc")
	}
	if r.Narrow {
		options = append(options, selectOption+"="+strings.Join(f.narrow(), ","))
	}
	if r.Count {
		options = append(options, countOption+"=true")
	}
	options = append(options, fmt.Sprintf("%s=%d", topOption, r.Top))
	switch {
	case r.Token != "":
		options = append(options, tokenOption+"="+url.QueryEscape(r.Token))
	case r.Skip > 0:
		options = append(options, fmt.Sprintf("%s=%d", skipOption, r.Skip))
	}
	return strings.Join(options, "&")
}

// conditions are those of the filter.
func (f rowFields) conditions(r ListRequest) (all []string) {
	from := func(field string, t time.Time) {
		if !t.IsZero() {
			all = append(all, field+"+ge+"+t.UTC().Format(boundLayout))
		}
	}
	before := func(field string, t time.Time) {
		if !t.IsZero() { // rounded up, so that none is left out here either
			all = append(all, field+"+lt+"+t.Add(tick-1).UTC().Format(boundLayout))
		}
	}
	from(f.lastUpdate, r.Since)
	before(f.lastUpdate, r.Before)
	from(f.created, r.CreatedSince)
	before(f.created, r.CreatedBefore)
	if r.Status != "" {
		all = append(all, f.status+"+eq+"+url.QueryEscape("'"+strings.ReplaceAll(r.Status, "'", "''")+"'"))
	}
	return all
}

// path is that of Get incident for an id.
func (d dialect) path(id int64) string { return d.get + strconv.FormatInt(id, 10) }

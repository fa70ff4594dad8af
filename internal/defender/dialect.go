// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// API is an API, spelled as in the configuration.
type API string

// The APIs. Both serve the same incidents under the same IDs.
const (
	XDR   API = "defender_xdr"
	Graph API = "graph"
)

// dialect holds everything in which the APIs differ.
type dialect struct {
	api API

	// get is the path of Get incident, without the ID. expand is the option that
	// adds the alerts to its response; empty: they are always there.
	get, expand string
	// alerts is the path of one incident's alerts, after that of the incident, for
	// alerts on further pages; empty: there are none.
	alerts string
	// list is the path of List incidents, and maxTop the largest page that may be
	// requested, in rows.
	list   string
	maxTop int
	// alertList is the path of the list of alerts of all incidents, empty if
	// the API has none, and maxAlertTop the largest page of it that is
	// requested, in rows.
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
	// oneBudget: one limit covers all requests, so that a 429 concerns
	// all of them.
	oneBudget bool

	// access is what the API requires of a token, and alertAccess what its list
	// of alerts requires.
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

// rowFields are the names by which a list is filtered, and which are read even
// from an invalid row.
type rowFields struct {
	alert, incident string // the IDs; alert is empty in the list of incidents
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

// narrow are the fields of a narrow row.
func (f rowFields) narrow() []string {
	if f.alert == "" {
		return []string{f.incident, f.created, f.lastUpdate}
	}
	return []string{f.alert, f.created, f.lastUpdate, f.incident}
}

// OData, which both APIs use: a list's options begin with a $, and the metadata
// of a response with @odata.
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

// boundLayout is the layout of times as the APIs write them: seven fractional
// digits, which is a tick. Formatting truncates, so ge misses nothing.
const (
	boundLayout = "2006-01-02T15:04:05.0000000Z"
	tick        = 100 * time.Nanosecond
)

// query is the query of List, in the form of the vendor's documentation:
// ?$filter=lastUpdateTime+ge+2020-06-03T18:04:29.4633333Z.
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

// conditions are the conditions of the filter.
func (f rowFields) conditions(r ListRequest) (all []string) {
	from := func(field string, t time.Time) {
		if !t.IsZero() {
			all = append(all, field+"+ge+"+t.UTC().Format(boundLayout))
		}
	}
	before := func(field string, t time.Time) {
		if !t.IsZero() { // rounded up, so that nothing is missed here either
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

// path is the path of Get incident for an ID.
func (d dialect) path(id int64) string { return d.get + strconv.FormatInt(id, 10) }

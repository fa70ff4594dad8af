package defender

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
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
	// textIDs: the API sends the IDs of incidents as strings, not as numbers.
	textIDs bool
	// wholeRows: a row of the list is the whole incident, with its alerts.
	wholeRows bool
	// prefer is the Prefer header of each request; empty: none.
	prefer string
	// oneBudget: the limits are those of all calls together, so that a 429 is
	// about all of them.
	oneBudget bool

	access   access
	incident incidentFields
	alert    alertFields
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
	assignedTo, url, tenant, lastUpdate, alerts string
}

// alertFields are the names of an alert's fields.
type alertFields struct {
	id, title, status, severity, category, serviceSource, detectionSource,
	mitreTechniques, lastUpdate string
}

// What both APIs have from OData, where a list's options begin with a $ and
// what an answer says beside its content with @odata.
const (
	filterOption = "$filter"
	topOption    = "$top"
	skipOption   = "$skip"
	tokenOption  = "$skiptoken"
	rowsField    = "value"
	linkField    = "@odata.nextLink"
)

// sinceLayout is a time as the APIs write it themselves: seven fractional
// digits. Formatting cuts off what is finer, so none is left out by ge.
const sinceLayout = "2006-01-02T15:04:05.0000000Z"

// query is what List asks for, in the form that the vendor's documentation
// shows: ?$filter=lastUpdateTime+ge+2020-06-03T18:04:29.4633333Z.
func (d dialect) query(r ListRequest) string {
	var options, conditions []string
	if !r.Since.IsZero() {
		conditions = append(conditions, fmt.Sprintf("%s+ge+%s", d.incident.lastUpdate, r.Since.UTC().Format(sinceLayout)))
	}
	if r.Status != "" {
		conditions = append(conditions, fmt.Sprintf("%s+eq+%s", d.incident.status, url.QueryEscape("'"+strings.ReplaceAll(r.Status, "'", "''")+"'")))
	}
	if len(conditions) > 0 {
		options = append(options, filterOption+"="+strings.Join(conditions, "+and+"))
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

// path is that of Get incident for an id.
func (d dialect) path(id int64) string { return d.get + strconv.FormatInt(id, 10) }

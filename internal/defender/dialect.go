package defender

import (
	"fmt"
	"strconv"
	"strings"
)

// dialect is what one API calls things. All that differs between the APIs
// stands here.
type dialect struct {
	// path of Get incident, without the id.
	getPath string
	// path of List incidents, and the most rows that a page may be asked for.
	listPath string
	maxTop   int

	access   access
	incident incidentFields
	alert    alertFields
}

// incidentFields are the names of an incident's fields.
type incidentFields struct {
	id, successor, name, status, severity, classification, determination,
	assignedTo, url, lastUpdate, alerts string
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
	rowsField    = "value"
	linkField    = "@odata.nextLink"
)

// sinceLayout is a time as the APIs write it themselves: seven fractional
// digits. Formatting cuts off what is finer, so none is left out by ge.
const sinceLayout = "2006-01-02T15:04:05.0000000Z"

// query is what List asks for, in the form that the vendor's documentation
// shows: ?$filter=lastUpdateTime+ge+2020-06-03T18:04:29.4633333Z.
func (d dialect) query(r ListRequest) string {
	var options []string
	if !r.Since.IsZero() {
		options = append(options, fmt.Sprintf("%s=%s+ge+%s", filterOption, d.incident.lastUpdate, r.Since.UTC().Format(sinceLayout)))
	}
	options = append(options, fmt.Sprintf("%s=%d", topOption, r.Top))
	if r.Skip > 0 {
		options = append(options, fmt.Sprintf("%s=%d", skipOption, r.Skip))
	}
	return strings.Join(options, "&")
}

// get is the path of Get incident for an id.
func (d dialect) get(id int64) string { return d.getPath + strconv.FormatInt(id, 10) }

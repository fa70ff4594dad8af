package defender

import "strconv"

// dialect is what one API calls things. All that differs between the APIs
// stands here.
type dialect struct {
	// path of Get incident, without the id.
	getPath string

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

// get is the path of Get incident for an id.
func (d dialect) get(id int64) string { return d.getPath + strconv.FormatInt(id, 10) }

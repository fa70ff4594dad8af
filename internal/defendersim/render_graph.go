// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"strconv"
	"time"
)

const graphContext = "https://graph.microsoft.com/v1.0/$metadata#security/incidents"

// renderGraph writes an incident as in the response
// to GET /v1.0/security/incidents/{id}.
func renderGraph(x *exchange, v view) []byte {
	w := &writer{buf: make([]byte, 0, 1024+4096*len(v.Alerts))}
	w.open('{')
	w.text("@odata.context", graphContext+"/$entity")
	x.graph(w).incident(x, v)
	w.close('}')
	return w.buf
}

// renderAlerts writes a page of an incident's alerts.
func renderAlerts(x *exchange, v view) []byte {
	w := &writer{buf: make([]byte, 0, 512+4096*len(v.Alerts))}
	w.open('{')
	w.text("@odata.context", alertsContext(v.ID))
	x.graph(w).alerts("value", v.Alerts)
	x.writeLink(w, "@odata.nextLink", v.link)
	w.close('}')
	return w.buf
}

// graphWriter writes Microsoft Graph's responses. What has no counterpart in
// Defender XDR is null, empty, or derived from other members: nothing in a
// response changes unless the incident does.
type graphWriter struct {
	*writer
	tenant string
	newer  bool // including newer members of enumerations
}

// graph is the writer for a response.
func (x *exchange) graph(w *writer) graphWriter {
	if x.s.cfg.GraphCoarseTimes {
		w.unit = time.Millisecond
	}
	return graphWriter{writer: w, tenant: x.s.cfg.TenantID, newer: x.preferred}
}

func (w graphWriter) id(name string, id int64) { w.textOrNull(name, graphID(id)) }

// graphID writes an ID as a string, and 0 as "".
func graphID(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

func (w graphWriter) incidentURL(id int64) {
	if id == 0 {
		w.null("incidentWebUrl")
		return
	}
	w.text("incidentWebUrl", fmt.Sprintf("https://security.microsoft.com/incident2/%d/overview?tid=%s", id, w.tenant))
}

func (w graphWriter) empty(name string) { w.texts(name, nil) }

func (w graphWriter) emptyObject(name string) {
	w.name(name)
	w.open('{')
	w.close('}')
}

func (w graphWriter) incident(x *exchange, v view) {
	w.id("id", v.ID)
	w.text("tenantId", w.tenant)
	w.member("status", v.Status)
	w.incidentURL(v.ID)
	w.id("redirectIncidentId", v.RedirectID)
	w.text("displayName", v.Name)
	w.time("createdDateTime", v.Created)
	w.time("lastUpdateDateTime", v.LastUpdate)
	w.textOrNull("assignedTo", v.AssignedTo)
	w.member("classification", v.Classification)
	w.member("determination", v.Determination)
	w.member("severity", v.Severity)
	w.texts("customTags", v.Tags)
	w.empty("systemTags")
	w.null("description")
	w.textOrNull("lastModifiedBy", lastAuthor(v.Comments))
	w.null("resolvingComment")
	w.null("summary")
	w.integer("priorityScore", priority(v.Severity))
	w.name("comments")
	w.open('[')
	for _, c := range v.Comments {
		w.open('{')
		w.text("comment", c.Text)
		w.text("createdByDisplayName", c.CreatedBy)
		w.time("createdDateTime", c.Created)
		w.close('}')
	}
	w.close(']')
	if v.expanded {
		w.text("alerts@odata.context", alertsContext(v.ID))
		w.alerts("alerts", v.Alerts)
		x.writeLink(w.writer, "alerts@odata.nextLink", v.link)
	}
}

// lastAuthor is the author of the last comment, "" if there is none.
func lastAuthor(comments []Comment) string {
	if len(comments) == 0 {
		return ""
	}
	return comments[len(comments)-1].CreatedBy
}

// priority is a score that depends only on the severity.
func priority(severity string) int64 {
	return 18 * int64(max(0, severityRank(severity)))
}

func alertsContext(incident int64) string {
	return fmt.Sprintf("%s('%d')/alerts", graphContext, incident)
}

func (w graphWriter) alerts(name string, alerts []Alert) {
	w.name(name)
	w.open('[')
	for n := range alerts {
		w.open('{')
		w.alertMembers(&alerts[n])
		w.close('}')
	}
	w.close(']')
}

func (w graphWriter) alertMembers(a *Alert) {
	w.text("id", a.ID)
	w.text("providerAlertId", a.ProviderID)
	w.id("incidentId", a.IncidentID)
	w.member("status", a.Status)
	w.member("severity", a.Severity)
	w.member("classification", a.Classification)
	w.member("determination", a.Determination)
	w.member("serviceSource", a.ServiceSource)
	w.member("detectionSource", a.DetectionSource)
	w.text("productName", productName(a.ServiceSource))
	w.text("detectorId", a.DetectorID)
	w.text("tenantId", w.tenant)
	w.text("title", a.Title)
	w.text("description", a.Description)
	w.text("recommendedActions", "")
	w.text("category", a.Category)
	w.texts("categories", []string{a.Category})
	w.textOrNull("assignedTo", a.AssignedTo)
	w.text("alertWebUrl", fmt.Sprintf("https://security.microsoft.com/alerts/%s?tid=%s", a.ID, w.tenant))
	w.incidentURL(a.IncidentID)
	w.textOrNull("actorDisplayName", a.ActorName)
	w.null("threatDisplayName")
	w.textOrNull("threatFamilyName", a.ThreatFamilyName)
	w.texts("mitreTechniques", a.MitreTechniques)
	w.time("createdDateTime", a.Created)
	w.time("lastUpdateDateTime", a.LastUpdated)
	w.timeOrNull("resolvedDateTime", a.Resolved)
	w.time("firstActivityDateTime", a.FirstActivity)
	w.time("lastActivityDateTime", a.LastActivity)
	w.null("alertPolicyId")
	w.emptyObject("additionalData")
	w.emptyObject("customDetails")
	w.empty("systemTags")
	w.member("investigationState", a.InvestigationState)
	w.name("comments")
	w.open('[')
	w.close(']')
	w.name("evidence")
	w.open('[')
	for _, d := range a.Devices {
		w.device(d, a.Created)
	}
	for _, e := range a.Entities {
		w.evidence(e)
	}
	w.close(']')
}

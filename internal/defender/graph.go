// SPDX-License-Identifier: Apache-2.0

package defender

// graph is the Microsoft Graph security API: GET /v1.0/security/incidents/{id}
// returns the bare incident object, with its alerts if they are requested; GET
// /v1.0/security/incidents returns such objects under value, at most 50 of
// them. Requesting their alerts too fails permanently on large tenants (seen by
// others), so its rows show an incident's own fields only. GET
// /v1.0/security/alerts_v2 lists the alerts, each whole and with the ID of its
// incident, up to 1,000 at once (vendor documentation): 200 are 1 to 2 MB.
// Neither list accepts a $skip above 500 (measured by others).
func graph() dialect {
	scopes, audiences := map[string]string{}, []string{"00000003-0000-0000-c000-000000000000"}
	for _, c := range clouds() {
		resource := "https://" + c.hosts[Graph]
		scopes[c.hosts[Graph]] = resource + "/.default"
		audiences = append(audiences, resource)
	}
	incidents := access{
		scope:     Endpoint(Graph) + "/.default",
		scopesAt:  scopes,
		audiences: audiences,
		roles:     []string{"SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"},
		scopes:    []string{"SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"},
		userRole:  "a role in Microsoft Entra that may read incidents, such as Security Reader",
	}
	alerts := incidents
	alerts.roles = []string{"SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"}
	alerts.scopes = alerts.roles
	alerts.userRole = "a role in Microsoft Entra that may read alerts, such as Security Reader"
	return dialect{
		api:         Graph,
		textIDs:     true,
		get:         "/v1.0/security/incidents/",
		expand:      "$expand=alerts",
		alerts:      "alerts",
		list:        "/v1.0/security/incidents",
		maxTop:      50,
		alertList:   "/v1.0/security/alerts_v2",
		maxAlertTop: 200,
		maxSkip:     500,
		// Without it, newer values such as the status awaitingAction arrive as
		// unknownFutureValue (vendor documentation).
		prefer:      "include-unknown-enum-members",
		oneBudget:   true,
		access:      incidents,
		alertAccess: alerts,
		incident: incidentFields{
			id: "id", successor: "redirectIncidentId", name: "displayName",
			status: "status", severity: "severity", classification: "classification",
			determination: "determination", assignedTo: "assignedTo", url: "incidentWebUrl",
			tenant: "tenantId", tags: "customTags", comments: "comments", created: "createdDateTime", lastUpdate: "lastUpdateDateTime", alerts: "alerts",
		},
		alert: alertFields{
			id: "id", title: "title", status: "status", severity: "severity",
			category: "category", serviceSource: "serviceSource", detectionSource: "detectionSource",
			classification: "classification", determination: "determination", assignedTo: "assignedTo", url: "alertWebUrl",
			mitreTechniques: "mitreTechniques", created: "createdDateTime", lastUpdate: "lastUpdateDateTime",
			incident: "incidentId", incidentURL: "incidentWebUrl", tenant: "tenantId",
		},
		evidence: graphEvidence(),
	}
}

// SPDX-License-Identifier: Apache-2.0

package defender

// xdr is the Microsoft Defender XDR API: GET /api/incidents/{id} returns the
// bare incident object, GET /api/incidents the same objects under value, at
// most 100 of them (vendor documentation, and seen in captures).
func xdr() dialect {
	return dialect{
		api:       XDR,
		get:       "/api/incidents/",
		list:      "/api/incidents",
		maxTop:    100,
		wholeRows: true,
		access: access{
			scope: Endpoint(XDR) + "/.default",
			// That of the government clouds is not documented.
			scopesAt: map[string]string{clouds()[0].hosts[XDR]: Endpoint(XDR) + "/.default"},
			// Tokens of version 2 have the API's ID as the audience; the third was
			// seen in use.
			audiences: []string{
				"https://api.security.microsoft.com", "8ee8fdad-f234-4243-8f3b-15c294843740",
				"https://securitycenter.microsoft.com/mtp",
			},
			roles:    []string{"Incident.Read.All", "Incident.ReadWrite.All"},
			scopes:   []string{"Incident.Read", "Incident.ReadWrite"},
			userRole: "the role permission View Data in Microsoft Defender",
		},
		incident: incidentFields{
			id: "incidentId", successor: "redirectIncidentId", name: "incidentName",
			status: "status", severity: "severity", classification: "classification",
			determination: "determination", assignedTo: "assignedTo", url: "incidentUri",
			tags: "tags", comments: "comments", created: "createdTime", lastUpdate: "lastUpdateTime", alerts: "alerts",
		},
		alert: alertFields{
			id: "alertId", title: "title", status: "status", severity: "severity",
			category: "category", serviceSource: "serviceSource", detectionSource: "detectionSource",
			classification: "classification", determination: "determination", assignedTo: "assignedTo",
			mitreTechniques: "mitreTechniques", created: "creationTime", lastUpdate: "lastUpdatedTime",
		},
		evidence: xdrEvidence(),
	}
}

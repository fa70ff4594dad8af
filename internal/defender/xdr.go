package defender

// xdr is the Microsoft Defender XDR API: GET /api/incidents/{id} answers the
// bare incident object (vendor documentation, and seen in captures).
func xdr() dialect {
	return dialect{
		getPath: "/api/incidents/",
		incident: incidentFields{
			id: "incidentId", successor: "redirectIncidentId", name: "incidentName",
			status: "status", severity: "severity", classification: "classification",
			determination: "determination", assignedTo: "assignedTo", url: "incidentUri",
			lastUpdate: "lastUpdateTime", alerts: "alerts",
		},
		alert: alertFields{
			id: "alertId", title: "title", status: "status", severity: "severity",
			category: "category", serviceSource: "serviceSource", detectionSource: "detectionSource",
			mitreTechniques: "mitreTechniques", lastUpdate: "lastUpdatedTime",
		},
	}
}

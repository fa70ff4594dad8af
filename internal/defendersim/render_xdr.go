// SPDX-License-Identifier: Apache-2.0

package defendersim

import "fmt"

const xdrContext = "https://api.security.microsoft.com/api/$metadata#Incidents/$entity"

// renderXDR writes an incident as in the response to GET /api/incidents/{id}:
// the bare object with the context as its first key.
func renderXDR(i Incident, tenant string) []byte {
	w := &writer{buf: make([]byte, 0, 512+2048*len(i.Alerts))}
	w.open('{')
	w.text("@odata.context", xdrContext)
	w.xdrIncident(i, tenant)
	w.close('}')
	return w.buf
}

// wholeXDR is renderXDR for an incident with members that are already written.
func wholeXDR(members []byte) []byte {
	w := &writer{buf: make([]byte, 0, 128+len(members))}
	w.open('{')
	w.text("@odata.context", xdrContext)
	w.separate()
	w.buf = append(w.buf, members...)
	w.close('}')
	return w.buf
}

func (w *writer) xdrIncident(i Incident, tenant string) {
	w.integer("incidentId", i.ID)
	w.text("incidentUri", fmt.Sprintf("https://security.microsoft.com/incidents/%d?tid=%s", i.ID, tenant))
	w.integerOrNull("redirectIncidentId", i.RedirectID)
	w.text("incidentName", i.Name)
	w.time("createdTime", i.Created)
	w.time("lastUpdateTime", i.LastUpdate)
	w.textOrNull("assignedTo", i.AssignedTo)
	w.text("classification", i.Classification)
	w.text("determination", i.Determination)
	w.text("status", i.Status)
	w.text("severity", i.Severity)
	w.texts("tags", i.Tags)
	w.name("comments")
	w.open('[')
	for _, c := range i.Comments {
		w.open('{')
		w.text("comment", c.Text)
		w.text("createdBy", c.CreatedBy)
		w.time("createdTime", c.Created)
		w.close('}')
	}
	w.close(']')
	w.name("alerts")
	w.open('[')
	for _, a := range i.Alerts {
		w.xdrAlert(a)
	}
	w.close(']')
}

func (w *writer) xdrAlert(a Alert) {
	w.open('{')
	w.text("alertId", a.ID)
	w.text("providerAlertId", a.ProviderID)
	w.integer("incidentId", a.IncidentID)
	w.text("serviceSource", a.ServiceSource)
	w.time("creationTime", a.Created)
	w.time("lastUpdatedTime", a.LastUpdated)
	w.timeOrNull("resolvedTime", a.Resolved)
	w.time("firstActivity", a.FirstActivity)
	w.time("lastActivity", a.LastActivity)
	w.text("title", a.Title)
	w.text("description", a.Description)
	w.text("category", a.Category)
	w.text("status", a.Status)
	w.text("severity", a.Severity)
	w.integerOrNull("investigationId", a.InvestigationID)
	w.text("investigationState", a.InvestigationState)
	w.textOrNull("classification", a.Classification)
	w.textOrNull("determination", a.Determination)
	w.text("detectionSource", a.DetectionSource)
	w.text("detectorId", a.DetectorID)
	w.textOrNull("assignedTo", a.AssignedTo)
	w.textOrNull("actorName", a.ActorName)
	w.textOrNull("threatFamilyName", a.ThreatFamilyName)
	w.texts("mitreTechniques", a.MitreTechniques)
	w.name("devices")
	w.open('[')
	for _, d := range a.Devices {
		w.xdrDevice(d)
	}
	w.close(']')
	w.name("entities")
	w.open('[')
	for _, e := range a.Entities {
		w.xdrEntity(e)
	}
	w.close(']')
	w.close('}')
}

func (w *writer) xdrDevice(d Device) {
	w.open('{')
	w.text("mdatpDeviceId", d.ID)
	w.textOrNull("aadDeviceId", d.AADDeviceID)
	w.text("deviceDnsName", d.DNSName)
	w.text("osPlatform", d.OSPlatform)
	w.text("version", d.Version)
	w.textOrNull("osProcessor", d.OSProcessor)
	w.integerOrNull("osBuild", d.OSBuild)
	w.text("healthStatus", d.HealthStatus)
	w.text("riskScore", d.RiskScore)
	w.textOrNull("rbacGroupName", d.RBACGroup)
	w.time("firstSeen", d.FirstSeen)
	w.texts("tags", d.Tags)
	w.text("defenderAvStatus", d.DefenderStatus)
	w.text("onboardingStatus", d.Onboarding)
	w.xdrVM(d.VM)
	w.accounts("loggedOnUsers", d.LoggedOnUsers)
	w.close('}')
}

// accounts are the same under both APIs.
func (w *writer) accounts(name string, accounts []Account) {
	w.name(name)
	w.open('[')
	for _, a := range accounts {
		w.open('{')
		w.text("accountName", a.Name)
		w.text("domainName", a.Domain)
		w.close('}')
	}
	w.close(']')
}

func (w *writer) xdrVM(vm *VM) {
	if vm == nil {
		w.null("vmMetadata")
		return
	}
	w.name("vmMetadata")
	w.open('{')
	w.text("vmId", vm.ID)
	w.text("cloudProvider", vm.CloudProvider)
	w.text("resourceId", vm.ResourceID)
	w.text("subscriptionId", vm.SubscriptionID)
	w.close('}')
}

func (w *writer) xdrEntity(e Entity) {
	w.open('{')
	w.text("entityType", e.Type)
	w.time("evidenceCreationTime", e.EvidenceCreated)
	w.text("verdict", e.Verdict)
	w.text("remediationStatus", e.RemediationStatus)
	if e.RemediationDetails != "" {
		w.text("remediationStatusDetails", e.RemediationDetails)
	}
	for _, f := range e.Fields {
		w.field(f)
	}
	w.close('}')
}

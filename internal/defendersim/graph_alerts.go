// SPDX-License-Identifier: Apache-2.0

package defendersim

// newGraphAlerts is Graph's list of the alerts of all incidents, alerts_v2.
// Everything that is not set here is as in the list of incidents.
func newGraphAlerts(c Config) *dialect {
	d := newGraph(c)
	d.path = "/v1.0/security/alerts_v2"
	d.read, d.write = "SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"
	d.options = map[string][]string{EndpointAlertList: graphListOptions()}
	d.fields = map[string]field{
		"lastUpdateDateTime": {time: (*shown).updated, order: byUpdate, rising: c.GraphNoUpperBounds},
		"createdDateTime":    {time: (*shown).created, order: byCreation, rising: c.GraphNoUpperBounds},
		"status":             {text: func(r *shown) string { return graphWord(r.alert.Status) }},
		"severity":           {text: func(r *shown) string { return graphWord(r.alert.Severity) }},
		"classification":     {text: func(r *shown) string { return graphWord(r.alert.Classification) }},
		"determination":      {text: func(r *shown) string { return graphWord(r.alert.Determination) }},
		"serviceSource":      {text: func(r *shown) string { return graphWord(r.alert.ServiceSource) }},
		"assignedTo":         {text: func(r *shown) string { return r.alert.AssignedTo }},
	}
	d.list = func(s *Sim) *listing { return &s.alertList }
	d.maxTop, d.clampsTop = maxAlertsTop, true
	d.context = "https://graph.microsoft.com/v1.0/$metadata#security/alerts_v2"
	d.keepsRows = true
	d.sample = &shown{alert: &Alert{}}
	return d
}

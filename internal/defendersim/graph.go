package defendersim

import (
	"cmp"
	"strings"
	"time"
)

// newGraph is the security API of Microsoft Graph. Its tokens are for the host
// of each cloud, or for Graph's own application id.
func newGraph() *dialect {
	return &dialect{
		api:    APIGraph,
		path:   "/v1.0/security/incidents",
		budget: APIGraph,
		audiences: []string{
			"https://graph.microsoft.com",
			"https://graph.microsoft.us",
			"https://dod-graph.microsoft.us",
			"00000003-0000-0000-c000-000000000000",
		},
		read:  "SecurityIncident.Read.All",
		write: "SecurityIncident.ReadWrite.All",
		options: map[string][]string{
			EndpointIncident: {"$expand"},
			EndpointAlerts:   {"$top", "$skip", "$skiptoken"},
			EndpointList:     {"$filter", "$top", "$skip", "$skiptoken", "$expand"},
		},
		fields: map[string]field{
			"lastUpdateDateTime": {time: func(i *Incident) time.Time { return i.LastUpdate }, ordered: true},
			"createdDateTime":    {time: func(i *Incident) time.Time { return i.Created }},
			"status":             {text: func(i *Incident) string { return graphWord(i.Status) }},
			"severity":           {text: func(i *Incident) string { return graphWord(i.Severity) }},
			"classification":     {text: func(i *Incident) string { return graphWord(i.Classification) }},
			"determination":      {text: func(i *Incident) string { return graphWord(i.Determination) }},
			"assignedTo":         {text: func(i *Incident) string { return i.AssignedTo }},
		},
		maxTop:       50,
		preference:   "include-unknown-enum-members",
		context:      graphContext,
		identity:     `"id":"%d"`,
		name:         "displayName",
		view:         graphView,
		render:       renderGraph,
		row:          func(x *exchange, w *writer, v view) { x.graph(w).incident(x, v) },
		badToken:     "InvalidAuthenticationToken",
		throttled:    "TooManyRequests",
		throttleForm: ThrottleSeconds,
		exceeded:     func(refusal) string { return "Too many requests." },
		details:      graphDetails,
	}
}

// graphView shows an incident without alerts, or with the first of them where
// the query asks for that.
func graphView(x *exchange, i Incident) view {
	if !x.query.expand {
		return view{Incident: i}
	}
	return x.alertsOf(i, 0, mark{})
}

// graphDetails tells requests apart. A client may give its requests names.
func graphDetails(x *exchange, w *writer, _ string) {
	id := newDice(x.s.cfg.Seed, streamErrors, uint64(x.number)).guid()
	w.name("innerError")
	w.open('{')
	w.text("date", x.s.stamp(time.Now()).Format("2006-01-02T15:04:05"))
	w.text("request-id", id)
	w.text("client-request-id", cmp.Or(x.r.Header.Get("client-request-id"), id))
	w.close('}')
}

// prefer takes over what the client prefers, and says so in the answer.
func (x *exchange) prefer() {
	for preference := range strings.SplitSeq(strings.Join(x.r.Header.Values("Prefer"), ","), ",") {
		name, _, _ := strings.Cut(preference, ";")
		if name = strings.TrimSpace(name); name != "" && strings.EqualFold(name, x.dialect.preference) {
			x.preferred = true
			x.w.Header().Set("Preference-Applied", x.dialect.preference)
		}
	}
}

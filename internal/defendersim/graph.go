// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"strings"
	"time"
)

// newGraph is the security API of Microsoft Graph. Its tokens are for the host
// of each cloud, or for Graph's own application id.
func newGraph(c Config) *dialect {
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
			EndpointList:     append(graphListOptions(), "$expand"),
		},
		fields: map[string]field{
			"lastUpdateDateTime": {time: (*shown).updated, order: byUpdate, rising: c.GraphNoUpperBounds},
			"createdDateTime":    {time: (*shown).created, order: byCreation, rising: c.GraphNoUpperBounds},
			"status":             {text: func(r *shown) string { return graphWord(r.incident.Status) }},
			"severity":           {text: func(r *shown) string { return graphWord(r.incident.Severity) }},
			"classification":     {text: func(r *shown) string { return graphWord(r.incident.Classification) }},
			"determination":      {text: func(r *shown) string { return graphWord(r.incident.Determination) }},
			"assignedTo":         {text: func(r *shown) string { return r.incident.AssignedTo }},
		},
		list:         func(s *Sim) *listing { return &s.graphList },
		order:        byPlace,
		maxTop:       50,
		maxSkip:      500,
		tokens:       c.GraphSkipToken,
		sample:       &shown{incident: &Incident{}},
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

func graphListOptions() []string {
	return []string{"$filter", "$orderby", "$select", "$count", "$top", "$skip", "$skiptoken"}
}

// graphView shows an incident without alerts, or with the first of them if the
// query requests them.
func graphView(x *exchange, i Incident) view {
	if !x.query.expand {
		return view{Incident: i}
	}
	return x.alertsOf(i, 0, mark{})
}

// graphDetails identifies requests. A client may set their IDs.
func graphDetails(x *exchange, w *writer, _ string) {
	id := newDice(x.s.cfg.Seed, streamErrors, uint64(x.number)).guid()
	w.name("innerError")
	w.open('{')
	w.text("date", x.s.stamp(time.Now()).Format("2006-01-02T15:04:05"))
	w.text("request-id", id)
	w.text("client-request-id", cmp.Or(x.r.Header.Get("client-request-id"), id))
	w.close('}')
}

// prefer honors the client's preference, and says so in the response.
func (x *exchange) prefer() {
	for preference := range strings.SplitSeq(strings.Join(x.r.Header.Values("Prefer"), ","), ",") {
		name, _, _ := strings.Cut(preference, ";")
		if name = strings.TrimSpace(name); name != "" && strings.EqualFold(name, x.dialect.preference) {
			x.preferred = true
			x.w.Header().Set("Preference-Applied", x.dialect.preference)
		}
	}
}

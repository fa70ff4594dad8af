// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// newXDR is the API of Microsoft Defender XDR. Its tokens are for the host of
// each cloud, or for the old name of the service.
func newXDR(c Config) *dialect {
	return &dialect{
		api:  APIDefenderXDR,
		path: "/api/incidents/", // links were seen with a slash at the end
		audiences: []string{
			"https://api.security.microsoft.com",
			"https://api-gcc.security.microsoft.us",
			"https://api-gov.security.microsoft.us",
			"https://securitycenter.microsoft.com/mtp",
		},
		read:         "Incident.Read.All",
		write:        "Incident.ReadWrite.All",
		options:      map[string][]string{EndpointList: {"$filter", "$top", "$skip", "$skiptoken"}},
		fields:       xdrFields(c),
		maxTop:       100,
		maxSkip:      c.ListMaxSkip,
		list:         func(s *Sim) *listing { return &s.xdrList },
		order:        byUpdate,
		backward:     true, // the newest change first
		context:      "https://api.security.microsoft.com/api/$metadata#Incidents",
		identity:     `"incidentId":%d`,
		name:         "incidentName",
		view:         xdrView,
		render:       func(x *exchange, v view) []byte { return renderXDR(v.Incident, x.s.cfg.TenantID) },
		row:          func(x *exchange, w *writer, v view) { w.xdrIncident(v.Incident, x.s.cfg.TenantID) },
		keepsRows:    true,
		badToken:     "Unauthorized",
		throttled:    "429",
		throttleForm: ThrottleMessage,
		exceeded: func(r refusal) string {
			return fmt.Sprintf("API calls quota exceeded! Maximum allowed %d per %s for the key Destination+TenantID+AppID.", r.limit, clockForm(r.span))
		},
		details: func(_ *exchange, w *writer, target string) { w.text("target", target) },
	}
}

// xdrFields are the fields that a filter may compare.
func xdrFields(c Config) map[string]field {
	fields := map[string]field{
		"lastUpdateTime": {time: (*shown).updated, order: byUpdate, rising: !c.ListUpperBounds},
		"createdTime":    {time: (*shown).created, order: byCreation, rising: !c.ListUpperBounds},
		"status":         {text: func(r *shown) string { return r.incident.Status }, ignored: c.ListStatusFilter == StatusFilterIgnored},
		"assignedTo":     {text: func(r *shown) string { return r.incident.AssignedTo }},
	}
	if c.ListStatusFilter == StatusFilterRefused {
		delete(fields, "status")
	}
	return fields
}

// xdrView shows an incident with all its alerts, except in List.
func xdrView(x *exchange, i Incident) view {
	if x.endpoint == EndpointList {
		i = x.s.asListed(i)
	}
	return view{Incident: i, expanded: true}
}

// asListed is an incident as List shows it. Its alerts end at 150
// without any sign.
func (s *Sim) asListed(i Incident) Incident {
	i.Alerts = i.Alerts[:min(len(i.Alerts), maxAlerts)]
	if !s.cfg.ListDiffers {
		return i
	}
	i.Determination = otherCase(i.Determination)
	i.Alerts = slices.Clone(i.Alerts)
	for n := range i.Alerts {
		i.Alerts[n].InvestigationState = otherCase(i.Alerts[n].InvestigationState)
	}
	return i
}

// otherCase inverts the case of a word's first letter.
func otherCase(word string) string {
	first, size := utf8.DecodeRuneInString(word)
	if size == 0 {
		return word
	}
	if unicode.IsUpper(first) {
		return string(unicode.ToLower(first)) + word[size:]
	}
	return string(unicode.ToUpper(first)) + word[size:]
}

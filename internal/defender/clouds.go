// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"cmp"
	"strings"
)

// cloud is one of Microsoft's clouds, with the host of each API and of the
// portal there (vendor documentation).
type cloud struct {
	name   string // empty: the commercial one
	portal string
	hosts  map[API]string
}

func clouds() []cloud {
	return []cloud{
		{"", "security.microsoft.com", map[API]string{XDR: "api.security.microsoft.com", Graph: "graph.microsoft.com"}},
		{"GCC", "security.microsoft.com", map[API]string{XDR: "api-gcc.security.microsoft.us", Graph: "graph.microsoft.com"}},
		{"GCC High", "security.microsoft.us", map[API]string{XDR: "api-gov.security.microsoft.us", Graph: "graph.microsoft.us"}},
		{"DoD", "security.apps.mil", map[API]string{XDR: "api-gov.security.microsoft.us", Graph: "dod-graph.microsoft.us"}},
	}
}

// Endpoint is the API's endpoint on the commercial cloud. An unknown API
// counts as XDR.
func Endpoint(api API) string {
	hosts := clouds()[0].hosts
	return "https://" + cmp.Or(hosts[api], hosts[XDR])
}

// place is an API's place on one cloud.
type place struct {
	cloud    string // empty: the commercial one
	endpoint string
}

// servedAt returns which API one of Microsoft's hosts serves, and where the
// other API is on each cloud that has that host. Empty: the host is not known.
func servedAt(host string) (api API, other []place) {
	for _, c := range clouds() {
		for served, known := range c.hosts {
			if !within(host, known) {
				continue
			}
			api = served
			for another, otherHost := range c.hosts {
				if another != served {
					other = append(other, place{cloud: c.name, endpoint: "https://" + otherHost})
				}
			}
		}
	}
	return api, other
}

// besidePortal returns where an API is on each cloud with that portal: people
// mistake the portal's address for the API's. An unknown API counts as XDR.
// Empty: the host is no portal.
func besidePortal(host string, api API) (places []place) {
	for _, c := range clouds() {
		if !strings.EqualFold(host, c.portal) {
			continue
		}
		endpoint := "https://" + cmp.Or(c.hosts[api], c.hosts[XDR])
		if len(places) == 0 || places[0].endpoint != endpoint {
			places = append(places, place{cloud: c.name, endpoint: endpoint})
		}
	}
	return places
}

// within reports whether a host is the known one or one of its regional hosts:
// us, eu, uk and so on are subdomains of it.
func within(host, known string) bool {
	host = strings.ToLower(host)
	return host == known || strings.HasSuffix(host, "."+known)
}

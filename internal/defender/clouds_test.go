// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEachHostOfAnAPIIsKnownWithTheOtherOnItsClouds(t *testing.T) {
	const xdrHost, graphHost = "https://api.security.microsoft.com", "https://graph.microsoft.com"
	for host, want := range map[string]struct {
		api   API
		other []Place
	}{
		"api.security.microsoft.com":    {XDR, []Place{{"", graphHost}}},
		"EU.api.security.microsoft.com": {XDR, []Place{{"", graphHost}}},
		"graph.microsoft.com":           {Graph, []Place{{"", xdrHost}, {"GCC", "https://api-gcc.security.microsoft.us"}}},
		"api-gcc.security.microsoft.us": {XDR, []Place{{"GCC", graphHost}}},
		"api-gov.security.microsoft.us": {XDR, []Place{{"GCC High", "https://graph.microsoft.us"}, {"DoD", "https://dod-graph.microsoft.us"}}},
		"graph.microsoft.us":            {Graph, []Place{{"GCC High", "https://api-gov.security.microsoft.us"}}},
		"dod-graph.microsoft.us":        {Graph, []Place{{"DoD", "https://api-gov.security.microsoft.us"}}},
		"notgraph.microsoft.com":        {},
		"graph.microsoft.com.evil":      {},
	} {
		api, other := ServedAt(host)
		assert.Equal(t, want.api, api, host)
		assert.Equal(t, want.other, other, host)
	}
	assert.Equal(t, xdrHost, Endpoint(XDR))
	assert.Equal(t, graphHost, Endpoint(Graph))
	assert.Equal(t, xdrHost, Endpoint("another"))
}

func TestEachPortalIsKnownWithTheAPIOnItsClouds(t *testing.T) {
	for _, c := range []struct {
		host string
		api  API
		want []Place
	}{
		{"security.microsoft.com", XDR, []Place{{"", "https://api.security.microsoft.com"}, {"GCC", "https://api-gcc.security.microsoft.us"}}},
		{"Security.Microsoft.com", Graph, []Place{{"", "https://graph.microsoft.com"}}},
		{"security.microsoft.us", XDR, []Place{{"GCC High", "https://api-gov.security.microsoft.us"}}},
		{"security.apps.mil", Graph, []Place{{"DoD", "https://dod-graph.microsoft.us"}}},
		{"security.microsoft.us", "another", []Place{{"GCC High", "https://api-gov.security.microsoft.us"}}},
		{"api.security.microsoft.com", XDR, nil},
		{"mysecurity.microsoft.com", XDR, nil},
	} {
		assert.Equal(t, c.want, BesidePortal(c.host, c.api), c.host)
	}
}

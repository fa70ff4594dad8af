// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEachHostIsKnownWithThatOfTheOtherAPIInItsCloud(t *testing.T) {
	const xdrHost, graphHost = "https://api.security.microsoft.com", "https://graph.microsoft.com"
	for host, want := range map[string]struct {
		api   API
		other []place
	}{
		"api.security.microsoft.com":    {XDR, []place{{"", graphHost}}},
		"EU.api.security.microsoft.com": {XDR, []place{{"", graphHost}}},
		"graph.microsoft.com":           {Graph, []place{{"", xdrHost}, {"GCC", "https://api-gcc.security.microsoft.us"}}},
		"api-gcc.security.microsoft.us": {XDR, []place{{"GCC", graphHost}}},
		"api-gov.security.microsoft.us": {XDR, []place{{"GCC High", "https://graph.microsoft.us"}, {"DoD", "https://dod-graph.microsoft.us"}}},
		"graph.microsoft.us":            {Graph, []place{{"GCC High", "https://api-gov.security.microsoft.us"}}},
		"dod-graph.microsoft.us":        {Graph, []place{{"DoD", "https://api-gov.security.microsoft.us"}}},
		"notgraph.microsoft.com":        {},
		"graph.microsoft.com.evil":      {},
	} {
		api, other := servedAt(host)
		assert.Equal(t, want.api, api, host)
		assert.Equal(t, want.other, other, host)
	}
	assert.Equal(t, xdrHost, Endpoint(XDR))
	assert.Equal(t, graphHost, Endpoint(Graph))
	assert.Equal(t, xdrHost, Endpoint("another"))
}

func TestEachPortalIsKnownWithTheAPIInItsCloud(t *testing.T) {
	for _, c := range []struct {
		host string
		api  API
		want []place
	}{
		{"security.microsoft.com", XDR, []place{{"", "https://api.security.microsoft.com"}, {"GCC", "https://api-gcc.security.microsoft.us"}}},
		{"Security.Microsoft.com", Graph, []place{{"", "https://graph.microsoft.com"}}},
		{"security.microsoft.us", XDR, []place{{"GCC High", "https://api-gov.security.microsoft.us"}}},
		{"security.apps.mil", Graph, []place{{"DoD", "https://dod-graph.microsoft.us"}}},
		{"security.microsoft.us", "another", []place{{"GCC High", "https://api-gov.security.microsoft.us"}}},
		{"api.security.microsoft.com", XDR, nil},
		{"mysecurity.microsoft.com", XDR, nil},
	} {
		assert.Equal(t, c.want, besidePortal(c.host, c.api), c.host)
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// mistake is an invalid receiver section, as YAML in one line, and what the
// error must contain: the key and, if there is one, the fix.
type mistake struct {
	name, receiver string
	messages       []string
}

func TestInvalidConfigurationFailsTheStartAndNamesTheFix(t *testing.T) {
	t.Parallel()
	const local = "http: {endpoint: 'http://127.0.0.1:9'}"
	for _, m := range []mistake{
		{"no ids", "{" + local + "}", []string{
			"incident_ids: empty, and neither incident_ids_file nor change_feed::discover is set; list ids, e.g. [437, 552]",
		}},
		{"an id twice", "{incident_ids: [437, 437], " + local + "}", []string{"incident_ids[1]: 437 is listed twice; remove one"}},
		{"ids that are no list", "{incident_ids: '437, 552', " + local + "}", []string{`incident_ids: "437, 552" is not a list; write [437, 552]`}},
		{"a negative interval", "{incident_ids: [437], collection_interval: -5m, " + local + "}", []string{
			"collection_interval: -5m0s is not more than 0; write e.g. 5m",
		}},
		{"an interval without a unit", "{incident_ids: [437], collection_interval: 300, " + local + "}", []string{
			"collection_interval: 300 has no unit; write e.g. 300s",
		}},
		{"no authentication", "{incident_ids: [437]}", []string{
			"http::auth: missing; api.security.microsoft.com needs a token, e.g. auth: {authenticator: azureauth}",
		}},
		{"plain http", "{incident_ids: [437], http: {endpoint: 'http://api.contoso.example', auth: {authenticator: azureauth}}}", []string{
			"http::endpoint: http would send the token to api.contoso.example unencrypted; use https",
		}},
		{"an unknown key", "{incident_ids: [437], colection_interval: 5m, " + local + "}", []string{
			"receivers::defender_incidents: colection_interval: no such setting; did you mean collection_interval?",
		}},
		{"an unknown key under http", "{incident_ids: [437], http: {endpiont: 'http://127.0.0.1:9'}}", []string{
			"http::endpiont: no such setting; did you mean http::endpoint?",
		}},
		{"a unit in words", "{incident_ids: [437], collection_interval: 5 min, " + local + "}", []string{
			`collection_interval: "5 min" is not a duration; write 5m`,
		}},
		{"days", "{incident_ids: [437], collection_interval: 1d, " + local + "}", []string{
			`collection_interval: "1d" is not a duration; write 24h`,
		}},
		{"alerts switched on", "{incident_ids: [437], alerts: true, " + local + "}", []string{
			"alerts: true is not known; use one of split, embedded, none",
		}},
		{"a change feed switched on", "{incident_ids: [437], change_feed: true, " + local + "}", []string{
			"change_feed: true is not a section; write change_feed: {} to turn it on",
		}},
		{"a single limit", "{incident_ids: [437], rate_limit: 100, " + local + "}", []string{
			"rate_limit: 100 is not a section; write rate_limit: {requests_per_minute: 100}",
		}},
		{"auth without a section", "{incident_ids: [437], http: {auth: oauth2client}}", []string{
			"http::auth: not a section; write auth: {authenticator: oauth2client}",
		}},
		{"storage switched on", "{incident_ids: [437], storage: true, " + local + "}", []string{
			"storage: true is not the ID of an extension; write e.g. file_storage",
		}},
		{"the portal's address", "{incident_ids: [437], http: {endpoint: 'https://security.microsoft.com', auth: {authenticator: azureauth}}}", []string{
			"http::endpoint: security.microsoft.com is the portal, not an API; write https://api.security.microsoft.com",
		}},
		{"an empty variable", "{incident_ids: [437], collection_interval: '${env:NOT_SET_ANYWHERE}', " + local + "}", []string{
			"collection_interval: empty; write e.g. 5m, or remove it",
		}},
		{"unknown alerts", "{incident_ids: [437], alerts: all, " + local + "}", []string{
			`alerts: "all" is not known; use one of split, embedded, none`,
		}},
		{"no limit at all", "{incident_ids: [437], rate_limit: {requests_per_minute: 0, requests_per_hour: 0}, " + local + "}", []string{
			"rate_limit: both limits are 0; set requests_per_minute, requests_per_hour or both",
		}},
		{"the other API's endpoint", "{incident_ids: [437], api: graph, http: {endpoint: 'https://eu.api.security.microsoft.com', auth: {authenticator: azureauth}}}", []string{
			"http::endpoint: eu.api.security.microsoft.com belongs to api: defender_xdr; change api to that, or the endpoint to https://graph.microsoft.com",
		}},
		{"an endpoint with a path", "{incident_ids: [437], api: graph, http: {endpoint: 'https://graph.microsoft.com/v1.0', auth: {authenticator: azureauth}}}", []string{
			"http::endpoint: on graph.microsoft.com the receiver adds the path by itself; remove the path and leave https://graph.microsoft.com",
		}},
		{"several at once", "{incident_ids: [437, -1, 437], collection_interval: 0s, emit: all, max_concurrent_requests: -4, rate_limit: {requests_per_hour: -1}}", []string{
			"incident_ids[1]: -1 is not a positive number",
			"incident_ids[2]: 437 is listed twice; remove one",
			"collection_interval: 0s is not more than 0; write e.g. 5m",
			`emit: "all" is not known; use one of changes, snapshots`,
			"max_concurrent_requests: -4 is not between 1 and 100; write e.g. 4",
			"rate_limit::requests_per_hour: -1 is negative; 0 means no limit per hour",
			"http::auth: missing",
		}},
		{"of every kind at once", "{incident_ids: [437, 437], colection_interval: 5 min, alerts: true, http: {auth: oauth2client}}", []string{
			"receivers::defender_incidents: 5 problems:\n",
			"\n  http::auth: not a section; write auth: {authenticator: oauth2client}\n",
			"\n  alerts: true is not known; use one of split, embedded, none\n",
			"\n  colection_interval: no such setting; did you mean collection_interval?\n",
			"\n  colection_interval: \"5 min\" is not a duration; write 5m\n",
			"\n  incident_ids[1]: 437 is listed twice; remove one\n",
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			config := withReceiver(t, m.receiver)
			requireRefused(t, m.messages, "validate", "--config", config)
			requireRefused(t, m.messages, "--config", config)
		})
	}
}

func TestProblemsFoundAtStartFailItAndNameTheFix(t *testing.T) {
	t.Parallel()
	const local = "http: {endpoint: 'http://127.0.0.1:9'}"
	for _, m := range []mistake{
		{"no ids file", "{incident_ids_file: /nowhere/incidents.txt, " + local + "}", []string{
			"incident_ids_file: stat /nowhere/incidents.txt: no such file or directory",
		}},
		{"no storage and no auth", "{incident_ids: [437], storage: file_storage, http: {auth: {authenticator: azureauth}}}", []string{
			"http::auth::authenticator: there is no extension azureauth; add it to extensions and to service::extensions",
			"storage: there is no extension file_storage; add it to extensions and to service::extensions",
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			requireRefused(t, m.messages, "--config", withReceiver(t, m.receiver))
		})
	}
}

// withReceiver writes a configuration that is valid except for that receiver
// section.
func withReceiver(t *testing.T, section string) string {
	t.Helper()
	return harness.WriteFile(t, "config.yaml", `
receivers:
  defender_incidents: `+section+`
exporters: {debug: {}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [defender_incidents], exporters: [debug]}}
`)
}

// requireRefused requires that the collector ends by itself with one error that
// contains each message once.
func requireRefused(t *testing.T, messages []string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := harness.Command(ctx, collector, args...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, ctx.Err(), "it does not end:\n%s", output)
	require.Error(t, err)
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", output)
	_, message, found := strings.Cut(string(output), "Error: ")
	require.True(t, found, "%s", output)
	for _, wanted := range messages {
		require.Equal(t, 1, strings.Count(message, wanted), "%s\nmust occur once in\n%s", wanted, output)
	}
}

// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadata"
)

// refusal reads a receiver's section as the collector does, over one that is valid, and
// returns what validation reports, a line each, without the receiver's path.
func refusal(t *testing.T, section string) string {
	t.Helper()
	dir := t.TempDir()
	utf16 := filepath.Join(dir, "utf16.txt")
	require.NoError(t, os.WriteFile(utf16, []byte("\xff\xfe4\x003\x007\x00"), 0o600))
	none := filepath.Join(dir, "none.txt")
	require.NoError(t, os.WriteFile(none, []byte("# later\n"), 0o600))

	cfg, err := texts{
		"valid": "incident_ids: [437]\nhttp: {auth: {authenticator: azureauth}}", "section": section,
		"empty": "", "day": "1d", "yes": "yes", "n": "123", "zero": "0437", "dir": dir, "utf16": utf16, "none": none, "missing": filepath.Join(dir, "no"),
		"http": "{endpiont: x, headers: {X-Key: hunter2}, timeout: 5}",
	}.read(t, "valid", "section")
	require.NoError(t, err)
	text := validated(cfg)
	require.NotContains(t, text, "hunter2")
	text = strings.TrimPrefix(text, "receivers::defender_incidents: ")
	if first, others, several := strings.Cut(text, "\n"); several && strings.HasSuffix(first, " problems:") {
		text = strings.TrimPrefix(strings.ReplaceAll(others, "\n  ", "\n"), "  ")
	}
	return strings.NewReplacer(utf16, "/utf16", dir, "/the/dir").Replace(text)
}

// read reads the texts of these names, each over those before, as the receiver's section.
func (p texts) read(t *testing.T, names ...string) (component.Config, error) {
	t.Helper()
	conf, err := p.resolve(t, names...)
	require.NoError(t, err)
	cfg := NewFactory().CreateDefaultConfig()
	return cfg, conf.Unmarshal(&cfg)
}

// validated is the error of validating the whole configuration; empty: none.
func validated(cfg component.Config) string {
	err := confmap.Validate(struct {
		Receivers map[component.ID]component.Config `mapstructure:"receivers"`
	}{map[component.ID]component.Config{component.NewID(metadata.Type): cfg}})
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestEachMistakeIsReportedWithItsKeyAndHowToMendIt(t *testing.T) {
	for _, c := range []struct{ section, want string }{
		{`collection_interval: 5 min`, `collection_interval: "5 min" is not a duration; write 5m`},
		{`collection_interval: 1d`, `collection_interval: "1d" is not a duration; write 24h`},
		{`collection_interval: PT5M`, `collection_interval: "PT5M" is not a duration; write 5m`},
		{`collection_interval: 1h 30m`, `collection_interval: "1h 30m" is not a duration; write 1h30m`},
		{`collection_interval: 90 sec.`, `collection_interval: "90 sec." is not a duration; write 90s`},
		{`collection_interval: 300`, `collection_interval: 300 has no unit; write e.g. 300s`},
		{`collection_interval: "300"`, `collection_interval: "300" has no unit; write e.g. 300s`},
		{`collection_interval: 5m30`, `collection_interval: "5m30" is not a duration; write e.g. 5m`},
		{`collection_interval: often`, `collection_interval: "often" is not a duration; write e.g. 5m`},
		{`collection_interval: true`, `collection_interval: true is not a duration; write e.g. 5m`},
		{`collection_interval: [5m]`, `collection_interval: a list is not a duration; write e.g. 5m`},
		{`collection_interval: {minutes: 5}`, `collection_interval: a section is not a duration; write e.g. 5m`},
		{`collection_interval:`, `collection_interval: empty; write e.g. 5m, or remove it`},
		{`collection_interval: ${text:empty}`, `collection_interval: empty; write e.g. 5m, or remove it`},
		{`collection_interval: ${text:day}`, `collection_interval: "1d" is not a duration; write 24h`},
		{`collection_interval: 0`, `collection_interval: 0s is not more than 0; write e.g. 5m`},
		{`collection_interval: 0s`, `collection_interval: 0s is not more than 0; write e.g. 5m`},
		{`collection_interval: -5m`, `collection_interval: -5m0s is not more than 0; write e.g. 5m`},
		{`collection_interval: 2 weeks`, `collection_interval: "2 weeks" is not a duration; write 336h`},
		{`collection_interval: 9999999h`, `collection_interval: "9999999h" is too long; write at most 2562047h`},
		{`collection_interval: 9999999 days`, `collection_interval: "9999999 days" is too long; write at most 2562047h`},
		{`collection_interval: 2026-01-01`, `collection_interval: 2026-01-01 is not a duration; write e.g. 5m`},
		{`alerts: true`, `alerts: true is not known; use one of split, embedded, none`},
		{`alerts: false`, `alerts: false is not known; use one of split, embedded, none`},
		{`alerts: no`, `alerts: "no" is not known; use one of split, embedded, none`},
		{`alerts: all`, `alerts: "all" is not known; use one of split, embedded, none`},
		{`alerts:`, `alerts: empty; use one of split, embedded, none`},
		{`alerts: ${text:empty}`, `alerts: empty; use one of split, embedded, none`},
		{`alerts: [split]`, `alerts: a list cannot stand here; use one of split, embedded, none`},
		{`emit: 1`, `emit: 1 is not known; use one of changes, snapshots`},
		{`api: Graph`, `api: "Graph" is not known; use one of defender_xdr, graph`},
		{`api: {name: graph}`, `api: a section cannot stand here; use one of defender_xdr, graph`},
		{`{api: {name: graph}, http: {endpoint: https://graph.microsoft.com}}`, `api: a section cannot stand here; use one of defender_xdr, graph`},
		{`change_feed: true`, `change_feed: true is not a section; write change_feed: {} to turn it on`},
		{`change_feed: false`, `change_feed: false is not a section; remove it, or write change_feed: {enabled: false}`},
		{`change_feed: "on"`, `change_feed: "on" is not a section; write change_feed: {} to turn it on`},
		{`change_feed: [discover]`, `change_feed: a list is not a section; write its settings without dashes`},
		{`change_feed: [{discover: true}]`, `change_feed: a list is not a section; write its settings without dashes`},
		{`change_feed: {discover: "yes"}`, `change_feed::discover: "yes" is neither true nor false; write true`},
		{`change_feed: {discover: "true"}`, `change_feed::discover: "true" is a string; write true, without quotes`},
		{`change_feed: {discover: 1}`, `change_feed::discover: 1 is neither true nor false; write true`},
		{`change_feed: {sweep: }`, `change_feed::sweep: empty; write true or false, or remove it`},
		{`change_feed: {sweep: "${text:yes}"}`, `change_feed::sweep: "yes" is neither true nor false; write true`},
		{`change_feed: {enabled: "no"}`, `change_feed::enabled: "no" is neither true nor false; write false`},
		{`change_feed: {intervall: 30 s}`, strings.Join([]string{
			`change_feed::intervall: no such setting; did you mean change_feed::interval?`,
			`change_feed::intervall: "30 s" is not a duration; write 30s`,
		}, "\n")},
		{`change_feed: {lookback: 1 day, forget_after: 1w, interval: -1s}`, strings.Join([]string{
			`change_feed::lookback: "1 day" is not a duration; write 24h`,
			`change_feed::forget_after: "1w" is not a duration; write 168h`,
			`change_feed::interval: -1s is not more than 0; write e.g. 30s`,
		}, "\n")},
		{`change_feed: {rate_limit: 50}`, `change_feed::rate_limit: 50 is not a section; write rate_limit: {requests_per_minute: 50}`},
		{`rate_limit: 100`, `rate_limit: 100 is not a section; write rate_limit: {requests_per_minute: 100}`},
		{`rate_limit: "100/min"`, `rate_limit: "100/min" is not a section; write its settings below it, e.g. rate_limit: {requests_per_minute: 100}`},
		{`rate_limit: {requests_per_minute: 100 per minute}`, `rate_limit::requests_per_minute: "100 per minute" is not a whole number; write e.g. 100`},
		{`rate_limit: {requests_per_second: 1}`, `rate_limit::requests_per_second: no such setting; the settings there are requests_per_minute, requests_per_hour`},
		{`rate_limit: {requests_per_minute: 1e30}`, `rate_limit::requests_per_minute: 1e+30 is too large; write e.g. 100`},
		{`rate_limit: {requests_per_minute: -1}`, `rate_limit::requests_per_minute: -1 is negative; 0 means no limit per minute`},
		{`rate_limit: {requests_per_minute: 0, requests_per_hour: 0}`, `rate_limit: both limits are 0; set requests_per_minute, requests_per_hour or both`},
		{`max_concurrent_requests: "4"`, `max_concurrent_requests: "4" is a string; write 4, without quotes`},
		{`max_concurrent_requests: 1.5`, `max_concurrent_requests: 1.5 is not a whole number; write e.g. 4`},
		{`max_concurrent_requests: 18446744073709551615`, `max_concurrent_requests: 18446744073709551615 is too large; write e.g. 4`},
		{`max_concurrent_requests: ${text:empty}`, `max_concurrent_requests: empty; write e.g. 4, or remove it`},
		{`max_concurrent_requests: true`, `max_concurrent_requests: true is not a whole number; write e.g. 4`},
		{`max_response_body_size: 32 MiB`, `max_response_body_size: "32 MiB" is not a whole number; write e.g. 33554432`},
		{`ignore_changes: riskScore, priorityScore`, `ignore_changes[1]: " priorityScore" has spaces around it; write "priorityScore"`},
		{`ignore_changes: [riskScore, 5, [a], '']`, strings.Join([]string{
			`ignore_changes[1]: 5 is not a string; write "5"`,
			`ignore_changes[2]: a list is not a string; write a single one`,
		}, "\n")},
		{`ignore_changes: {riskScore: true}`, `ignore_changes: a section is not a list; write e.g. [name]`},
		{`ignore_changes: 5`, `ignore_changes: 5 is not a list; write e.g. [name]`},
		{`include_original: "yes"`, `include_original: "yes" is neither true nor false; write true`},
		{`include_original: 1`, `include_original: 1 is neither true nor false; write true`},
		{`include_original: ${text:empty}`, `include_original: empty; write true or false, or remove it`},
		{`include_original: [true]`, `include_original: a list is neither true nor false; write one of them`},
		{`storage: true`, `storage: true is not the ID of an extension; write e.g. file_storage`},
		{`storage: {directory: /var}`, `storage: a section is not the ID of an extension; write e.g. file_storage`},
		{`storage: [file_storage]`, `storage: a list is not the ID of an extension; write e.g. file_storage`},
		{`storage: file storage`, `storage: "file storage" is not the ID of an extension; write e.g. file_storage`},
		{`incident_ids_file: 2024`, `incident_ids_file: 2024 is not a string; write "2024"`},
		{`incident_ids_file: [a, b]`, `incident_ids_file: a list is not a string; write a single one`},
		{`http: https://reader:hunter2@api.security.microsoft.com`, `http: not a section; write e.g. http: {auth: {authenticator: azureauth}}`},
		{`http: {auth: oauth2client}`, `http::auth: not a section; write auth: {authenticator: oauth2client}`},
		{`http: {auth: hunter2}`, `http::auth: not a section; write auth: {authenticator: azureauth}`},
		{`http: {auth: true}`, `http::auth: not a section; write auth: {authenticator: azureauth}`},
		{`http: {auth: {authenticator: Bearer hunter2}}`, `http::auth::authenticator: not the ID of an extension; write e.g. azureauth`},
		{`http: {auth: {authenticator: }}`, `http::auth::authenticator: empty; name an extension, e.g. azureauth`},
		{`http: {auth: {client_id: x, client_secret: hunter2}}`, strings.Join([]string{
			`http::auth::client_id: no such setting; the settings there are authenticator, enabled`,
			`http::auth::client_secret: no such setting; the settings there are authenticator, enabled`,
		}, "\n")},
		{`http: {endpont: https://eu.api.security.microsoft.com}`, `http::endpont: no such setting; did you mean http::endpoint?`},
		{`http: {endpoint: 12345}`, `http::endpoint: not a string; put it in quotes`},
		{`http: {endpoint: [https://hunter2]}`, `http::endpoint: a list is not a string; write a single one`},
		{`http: {endpoint: }`, `http::endpoint: not a URL with a host; write e.g. https://api.security.microsoft.com`},
		{`http: {headers: {X-Key: 12345, X-Other: [hunter2], X-Ok: "a"}}`, strings.Join([]string{
			`http::headers::X-Key: not a string; put it in quotes`,
			`http::headers::X-Other: a list is not a string; write a single one`,
		}, "\n")},
		{`http: {headers: hunter2}`, `http::headers: not a map of names to strings; write e.g. {X-Name: value}`},
		{`http: {headers: [{name: a, value: 5}]}`, `http::headers: not a map of names to strings; write e.g. {X-Name: value}`},
		{`http: {tls: true}`, `http::tls: not a section; write its settings below it, e.g. tls: {ca_file: …}`},
		{`http: {tls: {key_pem: 12345, min_version: 1.2, ca: x}}`, strings.Join([]string{
			`http::tls::key_pem: not a string; put it in quotes`,
			`http::tls::min_version: not a string; put it in quotes`,
			`http::tls::ca: no such setting; did you mean http::tls::ca_pem?`,
		}, "\n")},
		{`http: {tls: {min_version: "1.9"}}`, strings.Join([]string{
			`receivers::defender_incidents::http::tls: invalid TLS min_version: unsupported TLS version: "1.9"`,
			`receivers::defender_incidents::http::tls::config: invalid TLS min_version: unsupported TLS version: "1.9"`,
		}, "\n")},
		{`http: {proxy_url: 12345}`, `http::proxy_url: not a string; put it in quotes`},
		{`http: {timeout: 30}`, `http::timeout: 30 has no unit; write e.g. 30s`},
		{`http: {timeout: -1s}`, `http::timeout: "-1s" is negative; write e.g. 30s`},
		{`http: {keepalive: false}`, `http::keepalive: false is not a section; remove it, or write keepalive: {enabled: false}`},
		{`http: {keepalive: {idle_conn_timeout: 90}, idle_conn_timeout: 30s}`, strings.Join([]string{
			`http::keepalive::idle_conn_timeout: 90 has no unit; write e.g. 90s`,
			`http::idle_conn_timeout: cannot stand beside keepalive; write http::keepalive::idle_conn_timeout`,
		}, "\n")},
		{`http: {middlewares: foo}`, `http::middlewares: not a list of extensions; write e.g. [{id: headers_setter}]`},
		{`http: {middlewares: [{id: foo, x: 1}]}`, `http::middlewares: not a list of extensions; write e.g. [{id: headers_setter}]`},
		{`http: {compression: brotli}`, `http::compression: "brotli" is not known; remove it, requests have no body`},
		{`http: {compression: gzip, compression_params: {level: 99}}`, `receivers::defender_incidents::http: unsupported parameters {Level:99} for compression type "gzip"`},
		{`http: {compression_params: {level: fast}}`, `http::compression_params::level: "fast" is not a whole number; write e.g. 0`},
		{`http: {max_conns_per_host: 1.5}`, `http::max_conns_per_host: 1.5 is not a whole number; write e.g. 0`},
		{`http: ${text:http}`, strings.Join([]string{
			`http::timeout: 5 has no unit; write e.g. 5s`,
			`http::endpiont: no such setting; did you mean http::endpoint?`,
			`http::endpoint: not a URL with a host; write e.g. https://api.security.microsoft.com`,
		}, "\n")},
		{`colection_interval: 5 min`, strings.Join([]string{
			`colection_interval: no such setting; did you mean collection_interval?`,
			`colection_interval: "5 min" is not a duration; write 5m`,
		}, "\n")},
		{`interval: 5m`, `interval: no such setting; did you mean collection_interval?`},
		{`k8s_leader_elector: 5`, `k8s_leader_elector: 5 is not the ID of an extension; write e.g. k8s_leader_elector`},
		{`polling: 5m`, `polling: no such setting; the settings there are incident_ids, incident_ids_file, api, http, collection_interval, rate_limit, max_concurrent_requests, max_response_body_size, change_feed, emit, alerts, ignore_changes, include_original, storage, k8s_leader_elector`},
		{`endpoint: https://eu.api.security.microsoft.com`, `endpoint: no such setting; did you mean http::endpoint?`},
		{`auth: {authenticator: azureauth}`, `auth: no such setting; did you mean http::auth?`},
		{`auth: oauth2client`, `auth: no such setting; write http: {auth: {authenticator: oauth2client}}`},
		{`auth: hunter2`, `auth: no such setting; write http: {auth: {authenticator: azureauth}}`},
		{`auth: `, `auth: no such setting; write http: {auth: {authenticator: azureauth}}`},
		{`change_feed: {auth: [hunter2]}`, `change_feed::auth: no such setting; write http: {auth: {authenticator: azureauth}}`},
		{`Incident-IDs: [437, 437]`, strings.Join([]string{
			`Incident-IDs: no such setting; did you mean incident_ids?`,
			`incident_ids[1]: 437 is listed twice; remove one`,
		}, "\n")},
		{`incidentIds: [1]`, `incidentIds: no such setting; did you mean incident_ids?`},
		{`chang_feed: {intervall: 30, foo: 1}`, strings.Join([]string{
			`chang_feed: no such setting; did you mean change_feed?`,
			`chang_feed::foo: no such setting; the settings there are interval, discover, lookback, forget_after, sweep, alert_feed, rate_limit, enabled`,
			`chang_feed::intervall: no such setting; did you mean chang_feed::interval?`,
			`chang_feed::intervall: 30 has no unit; write e.g. 30s`,
		}, "\n")},
		{`incident_ids: ["437,552", " 437", "https://security.microsoft.com/incidents/437?tid=1", "#437", 9223372036854775808, "9223372036854775808", 1e40, null, true, [5], {a: 1}, 437, 437, -1, 0, 437]`, strings.Join([]string{
			`incident_ids[0]: "437,552" is not an ID; write 437, 552`,
			`incident_ids[1]: " 437" is not an ID; write 437`,
			`incident_ids[2]: "https://security.microso"... is not an ID; write 437`,
			`incident_ids[3]: "#437" is not an ID; write digits only, e.g. 437`,
			`incident_ids[4]: 9223372036854775808 is too large for an ID; write the number in the portal's address`,
			`incident_ids[5]: "9223372036854775808" is too large for an ID; write the number in the portal's address`,
			`incident_ids[6]: 1e+40 is too large for an ID; write the number in the portal's address`,
			`incident_ids[7]: empty; write an ID, or remove it`,
			`incident_ids[8]: true is not an ID; write digits only, e.g. 437`,
			`incident_ids[9]: a list is not an ID; write digits only, e.g. 437`,
			`incident_ids[10]: a section is not an ID; write digits only, e.g. 437`,
			`incident_ids[12]: 437 is listed twice; remove one`,
			`incident_ids[13]: -1 is not a positive number; write the number in the portal's address`,
			`incident_ids[15]: 437 is listed twice; remove one`,
		}, "\n")},
		{`incident_ids: 437`, `incident_ids: 437 is not a list; write [437]`},
		{`incident_ids: "437, 552"`, `incident_ids: "437, 552" is not a list; write [437, 552]`},
		{`incident_ids: {437: x}`, `incident_ids: a section is not a list; write e.g. [437, 552]`},
		{`incident_ids: true`, `incident_ids: true is not a list; write e.g. [437, 552]`},
		{`incident_ids: ${text:empty}`, `incident_ids: empty, and neither incident_ids_file nor change_feed::discover is set; list ids, e.g. [437, 552]`},
		{`incident_ids: ["${text:zero}"]`, `incident_ids[0]: "0437" is 287 in YAML; write 437`},
		{`"a::b": 5`, `a: no such setting; the settings there are incident_ids, incident_ids_file, api, http, collection_interval, rate_limit, max_concurrent_requests, max_response_body_size, change_feed, emit, alerts, ignore_changes, include_original, storage, k8s_leader_elector`},
		{`"Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9 aaaaaaaaaaaaaaa": 3`, `"Bearer eyJhbGciOiJSUzI1N"...: no such setting; the settings there are incident_ids, incident_ids_file, api, http, collection_interval, rate_limit, max_concurrent_requests, max_response_body_size, change_feed, emit, alerts, ignore_changes, include_original, storage, k8s_leader_elector`},
		{`http: {endpoint: https://security.microsoft.com/incidents/437}`, `http::endpoint: security.microsoft.com is the portal, not an API; write https://api.security.microsoft.com, on GCC https://api-gcc.security.microsoft.us`},
		{`http: {endpoint: https://security.microsoft.us, auth: {authenticator: azureauth}}`, `http::endpoint: security.microsoft.us is the portal, not an API; write https://api-gov.security.microsoft.us`},
		{`{api: graph, http: {endpoint: https://security.microsoft.com}}`, `http::endpoint: security.microsoft.com is the portal, not an API; write https://graph.microsoft.com`},
		{`http: {endpoint: https://api.security.microsoft.com/api}`, `http::endpoint: on api.security.microsoft.com the receiver adds the path by itself; remove the path and leave https://api.security.microsoft.com`},
		{`http: {endpoint: https://graph.microsoft.com}`, `http::endpoint: graph.microsoft.com belongs to api: graph; change api to that, or the endpoint to https://api.security.microsoft.com, on GCC https://api-gcc.security.microsoft.us`},
		{`http: {endpoint: "http://api.contoso.com"}`, `http::endpoint: http would send the token to api.contoso.com unencrypted; use https`},
		{`http: {endpoint: "https://reader:hunter2@api.contoso.com"}`, `http::endpoint: holds a user name or password; remove it and use http::auth`},
		{`http: {proxy_url: "http://reader:hunter2%zz@proxy.contoso.com:3128"}`, `http::proxy_url: not the address of a proxy; write e.g. http://proxy.example:3128`},
		{`http: {proxy_url: proxy.contoso.com:3128}`, `http::proxy_url: not the address of a proxy; write e.g. http://proxy.example:3128`},
		{`http: {http2_ping_timeout: -5s, keepalive: {idle_conn_timeout: -1m}}`, strings.Join([]string{
			`http::http2_ping_timeout: "-5s" is negative; write e.g. 5s`,
			`http::keepalive::idle_conn_timeout: "-1m" is negative; write e.g. 30s`,
		}, "\n")},
		{`http: {keepalive: {max_idle_conns: many}}`, `http::keepalive::max_idle_conns: "many" is not a whole number; write e.g. 100`},
		{`http: [{endpoint: https://api.contoso.com}]`, `http: a list is not a section; write its settings without dashes`},
		{`http: {cookies: true}`, `http::cookies: true is not a section; write cookies: {} to turn it on`},
		{`http: {rate_limit: 5}`, strings.Join([]string{
			`http::rate_limit: no such setting; did you mean rate_limit?`,
			`http::rate_limit: 5 is not a section; write rate_limit: {requests_per_minute: 5}`,
		}, "\n")},
		{`incident_ids_file: ${text:dir}`, `incident_ids_file: /the/dir is a directory; name a file`},
		{`incident_ids_file: ${text:utf16}`, `incident_ids_file: /utf16 is UTF-16; save it as UTF-8`},
		{`incident_ids: []`, `incident_ids: empty, and neither incident_ids_file nor change_feed::discover is set; list ids, e.g. [437, 552]`},
		{`incident_ids: [552.5, 553.0]`, `incident_ids[0]: 552.5 is not an ID; write digits only, e.g. 437`},
		{`incident_ids: ["0437", "0o437", "0x1B5", "4_37", "437.0", "4e2", "+437", "a text that is far too long to be an ID"]`, strings.Join([]string{
			`incident_ids[0]: "0437" begins with 0; write 437`,
			`incident_ids[1]: "0o437" is not an ID; write digits only, e.g. 437`,
			`incident_ids[2]: "0x1B5" is not an ID; write digits only, e.g. 437`,
			`incident_ids[3]: "4_37" is not an ID; write digits only, e.g. 437`,
			`incident_ids[4]: "437.0" is not an ID; write digits only, e.g. 437`,
			`incident_ids[5]: "4e2" is not an ID; write digits only, e.g. 437`,
			`incident_ids[6]: "+437" is not an ID; write digits only, e.g. 437`,
			`incident_ids[7]: "a text that is far too l"... is not an ID; write digits only, e.g. 437`,
		}, "\n")},
		{`incident_ids: "all, of, them"`, `incident_ids: "all, of, them" is not a list; write e.g. [437, 552]`},
		{`incident_ids: 1,2,3,4,5,6,7,8,9,10,11`, `incident_ids: "1,2,3,4,5,6,7,8,9,10,11" is not a list; write e.g. [437, 552]`},
		{`incident_ids: []
incident_ids_file: [a.txt]`, strings.Join([]string{
			`incident_ids_file: a list is not a string; write a single one`,
		}, "\n")},
		{`incident_ids: []
change_feed: {discover: "yes"}`, strings.Join([]string{
			`change_feed::discover: "yes" is neither true nor false; write true`,
		}, "\n")},
		{`change_feed: {rate_limit: {requests_per_minute: 2.5, requests_per_hour: }}`, strings.Join([]string{
			`change_feed::rate_limit::requests_per_minute: 2.5 is not a whole number; write e.g. 50`,
			`change_feed::rate_limit::requests_per_hour: empty; write e.g. 1500, or remove it`,
		}, "\n")},
		{`change_feed: {interval: 30, lookback: 1.5, forget_after: -7}`, strings.Join([]string{
			`change_feed::interval: 30 has no unit; write e.g. 30s`,
			`change_feed::lookback: 1.5 has no unit; write e.g. 1.5s`,
			`change_feed::forget_after: -7 has no unit; write e.g. 7s`,
		}, "\n")},
		{`collection_interval: "5 Min"`, `collection_interval: "5 Min" is not a duration; write 5m`},
		{`collection_interval: 0.5 d`, `collection_interval: "0.5 d" is not a duration; write 12h`},
		{`collection_interval: "5"`, `collection_interval: "5" has no unit; write e.g. 5s`},
		{`collection_interval: 5 fortnights`, `collection_interval: "5 fortnights" is not a duration; write e.g. 5m`},
		{`ignore_changes: [" riskScore"]`, `ignore_changes[0]: " riskScore" has spaces around it; write "riskScore"`},
		{`rate_limit: {enabled: true}`, `rate_limit::enabled: no such setting; the settings there are requests_per_minute, requests_per_hour`},
		{`timeout: 30`, strings.Join([]string{
			`timeout: no such setting; did you mean http::timeout?`,
			`timeout: 30 has no unit; write e.g. 30s`,
		}, "\n")},
		{`requests_per_minute: 100`, `requests_per_minute: no such setting; did you mean rate_limit::requests_per_minute?`},
		{`include_orignal: "true"`, strings.Join([]string{
			`include_orignal: no such setting; did you mean include_original?`,
			`include_orignal: "true" is a string; write true, without quotes`,
		}, "\n")},
		{`emit: snapshot`, `emit: "snapshot" is not known; use one of changes, snapshots`},
		{`api: xdr`, `api: "xdr" is not known; use one of defender_xdr, graph`},
		{`max_concurrent_requests: 0`, `max_concurrent_requests: 0 is not between 1 and 100; write e.g. 4`},
		{`max_concurrent_requests: 1000`, `max_concurrent_requests: 1000 is not between 1 and 100; write e.g. 4`},
		{`max_response_body_size: -1`, `max_response_body_size: -1 is not more than 0; write e.g. 33554432`},
		{`tls: {insecure_skip_verify: "yes"}`, strings.Join([]string{
			`tls: no such setting; did you mean http::tls?`,
			`tls::insecure_skip_verify: "yes" is neither true nor false; write true`,
		}, "\n")},
		{`change_feed: {sweep: no}`, `change_feed::sweep: "no" is neither true nor false; write false`},
		{`incidents: [437]
colection_interval: 1d
alerts: true
change_feed: true
http: {auth: oauth2client}`, strings.Join([]string{
			`http::auth: not a section; write auth: {authenticator: oauth2client}`,
			`change_feed: true is not a section; write change_feed: {} to turn it on`,
			`alerts: true is not known; use one of split, embedded, none`,
			`colection_interval: no such setting; did you mean collection_interval?`,
			`colection_interval: "1d" is not a duration; write 24h`,
			`incidents: no such setting; did you mean incident_ids?`,
		}, "\n")},
	} {
		require.Equal(t, c.want, refusal(t, c.section), c.section)
	}
}

func TestWhatIsNoMistakeIsAccepted(t *testing.T) {
	for _, section := range []string{
		`incident_ids: ["437", '552']`,
		`incident_ids: [552, 553.0, 0437]`,
		`incident_ids_file: ${text:n}`, // a name of digits
		`incident_ids_file: ${text:none}`,
		`incident_ids_file: ${text:missing}`,
		`incident_ids_file: ${text:empty}`,
		`storage: ${text:empty}`,
		`ignore_changes: riskScore`,
		`ignore_changes: riskScore,priorityScore`,
		`change_feed: {enabled: false}`,
		`change_feed: {}`,
		`http: {headers: [{name: X-Key, value: "5"}]}`,
		`http: {headers: {X-Key: "${text:n}", X-None: }}`,
		`http: {tls: , headers: , keepalive: , cookies: {}}`,
		`http: {keepalive: {max_idle_conns: 1}, idle_conn_timeout: 0s}`,
		`{rate_limit: , http: {timeout: 1m30s}}`,
		`max_concurrent_requests: 1.0`,
	} {
		require.Empty(t, refusal(t, section), section)
	}
}

func TestEveryProblemIsALineOfOneRefusal(t *testing.T) {
	cfg, err := texts{"config": `
colection_interval: 5 min
alerts: true
rate_limit: 100
http: {auth: oauth2client, endpoint: https://security.microsoft.com}
incident_ids: [437, 437]
`}.read(t, "config")
	require.NoError(t, err)
	require.Equal(t, `receivers::defender_incidents: 7 problems:
  http::auth: not a section; write auth: {authenticator: oauth2client}
  rate_limit: 100 is not a section; write rate_limit: {requests_per_minute: 100}
  alerts: true is not known; use one of split, embedded, none
  colection_interval: no such setting; did you mean collection_interval?
  colection_interval: "5 min" is not a duration; write 5m
  incident_ids[1]: 437 is listed twice; remove one
  http::endpoint: security.microsoft.com is the portal, not an API; write https://api.security.microsoft.com, on GCC https://api-gcc.security.microsoft.us`,
		validated(cfg))
	require.Nil(t, cfg.(*Config).HTTP.Auth.Get())
}

// A section may be the expansion of one text with further expansions in it.
func TestMistakesInAnExpandedSectionAreReportedAndTheRestIsKept(t *testing.T) {
	p := texts{
		"config": "{alerts: true, incident_ids: '${text:ids}', http: '${text:http}'}", "ids": "['${text:id}', 552]", "id": "437",
		"http": "{headers: {X-Key: '${text:key}'}, timeout: 5, auth: {authenticator: azureauth}}", "key": "123",
	}
	cfg, err := p.read(t, "config")
	require.NoError(t, err)
	require.Equal(t, "receivers::defender_incidents: 2 problems:\n  http::timeout: 5 has no unit; write e.g. 5s\n"+
		"  alerts: true is not known; use one of split, embedded, none", validated(cfg))
	require.Equal(t, []int64{437, 552}, cfg.(*Config).IncidentIDs)
	value, _ := cfg.(*Config).HTTP.Headers.Get("X-Key")
	require.Equal(t, "123", string(value))
	require.Equal(t, 30*time.Second, cfg.(*Config).HTTP.Timeout)
}

// A key that Conf cannot take out ends the reading, with all that is wrong.
func TestAnEmptyKeyIsReported(t *testing.T) {
	_, err := texts{"config": `{"": 5, alerts: true}`}.read(t, "config")
	require.ErrorContains(t, err, "2 problems:\n  alerts: true is not known; use one of split, embedded, none\n"+
		`  "": no such setting; the settings there are incident_ids, `)
}

// Once auth is known to be in the wrong place, no other rule reports that it is missing.
func TestMisplacedAuthIsOneProblem(t *testing.T) {
	for section, want := range map[string]string{
		"auth: oauth2client": "auth: no such setting; write http: {auth: {authenticator: oauth2client}}",
		"auth: {client_id: x}": "2 problems:\n  auth: no such setting; did you mean http::auth?\n" +
			"  auth::client_id: no such setting; the settings there are authenticator, enabled",
	} {
		cfg, err := texts{"config": "incident_ids: [437]\n" + section}.read(t, "config")
		require.NoError(t, err)
		require.Equal(t, "receivers::defender_incidents: "+want, validated(cfg))
	}
}

// A host may unmarshal without validating.
func TestReceiverIsNotCreatedFromAConfigurationThatWasMisread(t *testing.T) {
	cfg, err := texts{"config": "incident_ids: [437]\ncollection_interval: 1d"}.read(t, "config")
	require.NoError(t, err)
	_, err = NewFactory().CreateLogs(t.Context(), receivertest.NewNopSettings(metadata.Type), cfg, consumertest.NewNop())
	require.EqualError(t, err, `collection_interval: "1d" is not a duration; write 24h`)
}

func TestProblemsOfOneReadingAreForgottenByTheNext(t *testing.T) {
	cfg := usableConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"alerts": true}).Unmarshal(cfg))
	require.Error(t, cfg.Validate())
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"alerts": "none"}).Unmarshal(cfg))
	require.NoError(t, cfg.Validate())
}

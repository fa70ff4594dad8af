package defendersim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	incidentsPath = "/v1.0/security/incidents"
	expanded      = "?$expand=alerts"
)

// callGraph sends a request with a token that is good for Graph.
func callGraph(t *testing.T, s *Sim, method, path string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return call(t, s, method, path, append([]string{"Authorization", "Bearer " + s.TokenOf(APIGraph)}, headers...)...)
}

// getGraph gets an incident; rest is what stands behind its id.
func getGraph(t *testing.T, s *Sim, id int64, rest string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return callGraph(t, s, http.MethodGet, fmt.Sprintf("%s/%d%s", incidentsPath, id, rest), headers...)
}

// graphError reads Graph's error object.
func graphError(t *testing.T, body []byte) (code, message string) {
	t.Helper()
	var e struct {
		Error struct {
			Code, Message string
			InnerError    map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(body, &e), string(body))
	require.Len(t, e.Error.InnerError, 3)
	_, err := time.Parse("2006-01-02T15:04:05", e.Error.InnerError["date"])
	require.NoError(t, err)
	require.NotEmpty(t, e.Error.InnerError["request-id"])
	require.NotEmpty(t, e.Error.InnerError["client-request-id"])
	return e.Error.Code, e.Error.Message
}

// withoutContext takes out the member that says what the alerts are, which the
// golden files do without.
func withoutContext(body []byte, id int64) string {
	return strings.Replace(string(body), fmt.Sprintf(`"alerts@odata.context":"%s('%d')/alerts",`, graphContext, id), "", 1)
}

// sampleOfGraph is what testdata/graph_incident.json shows.
func sampleOfGraph(t *testing.T) Incident {
	evidence := at(t, "2026-09-06T12:07:54.37Z")
	return Incident{
		ID: 924565, Name: "Multi-stage incident involving initial access & defense evasion on one endpoint", Severity: SeverityHigh,
		Created: at(t, "2026-09-06T12:07:55.1366667Z"), LastUpdate: at(t, "2026-09-06T13:02:10.53Z"),
		Tags:     []string{"VIP"},
		Comments: []Comment{{"Host isolated", "soc@contoso.example", at(t, "2026-09-06T13:02:10.5Z")}},
		Alerts: []Alert{{
			ID: "da638614080472345678_-104729001", ProviderID: "da638614080472345678_-104729001", ServiceSource: "MicrosoftDefenderForEndpoint",
			Created: at(t, "2026-09-06T12:07:54.3716642Z"), LastUpdated: at(t, "2026-09-06T12:26:31.24Z"),
			FirstActivity: at(t, "2026-09-06T12:04:00Z"), LastActivity: at(t, "2026-09-06T12:05:38.123Z"),
			Title: "Suspicious process injection observed", Description: "A process injected code into another process and opened an outbound connection.",
			Category: "DefenseEvasion", Severity: SeverityMedium, InvestigationState: "Running", DetectionSource: "WindowsDefenderAtp",
			DetectorID: "d0000001-0000-4000-8000-00000000d001", MitreTechniques: []string{"T1055", "T1055.012"},
			Devices: []Device{{
				ID: "263a4dbe41488fb87214b0032339dbb9f0c8da14", DNSName: "ws-017.contoso.example", OSPlatform: "Windows11", Version: "23H2", OSBuild: 22631,
				HealthStatus: "Active", RiskScore: "High", RBACGroup: "Workstations", FirstSeen: at(t, "2026-02-06T14:16:01.9330135Z"),
				DefenderStatus: "Updated", Onboarding: "Onboarded", LoggedOnUsers: []Account{{"jdoe", "CONTOSO"}},
			}},
			Entities: []Entity{{"Ip", evidence, "Suspicious", "None", "", []Field{{"ipAddress", "198.51.100.23"}}}},
		}},
	}
}

func TestGraphShowsAnIncidentAsTheSampleDoes(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Add(sampleOfGraph(t)))
	// The sample's device came a little before its alert; here it comes with it.
	want := strings.Replace(golden(t, "graph_incident.json"), `deviceEvidence","createdDateTime":"2026-09-06T12:07:54.37Z"`, `deviceEvidence","createdDateTime":"2026-09-06T12:07:54.3716642Z"`, 1)

	resp, body := getGraph(t, s, 924565, expanded)

	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, string(body), `"comments":[{"comment":"Host isolated","createdByDisplayName":"soc@contoso.example","createdDateTime":"2026-09-06T13:02:10.5Z"}],"alerts@odata.context":"https://graph.microsoft.com/v1.0/$metadata#security/incidents('924565')/alerts","alerts":[`)
	assert.Equal(t, want, withoutContext(body, 924565))
	assert.Contains(t, resp.Header.Get("Content-Type"), "application/json")
}

func TestGraphShowsAMergedIncidentAsAStub(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Add(Incident{
		ID: 7002, RedirectID: 7001, Status: StatusRedirected, Severity: SeverityMedium, AssignedTo: "soc@contoso.example",
		Name: "Unfamiliar sign-in properties involving one user", Created: at(t, "2026-03-01T09:00:00.4Z"), LastUpdate: at(t, "2026-03-01T09:03:00.7733333Z"),
	}))

	_, body := getGraph(t, s, 7002, expanded)

	assert.Equal(t, golden(t, "graph_redirected.json"), withoutContext(body, 7002))
}

func TestGraphShowsEveryKindOfEvidence(t *testing.T) {
	when := at(t, "2026-03-01T10:00:00.3716642Z")
	file := []Field{{"sha1", "s1"}, {"sha256", "s256"}, {"fileName", "a.exe"}, {"filePath", `C:\b`}, {"detectionStatus", "Detected"}, {"deviceId", "m1"}}
	who := []Field{{"accountName", "jdoe"}, {"domainName", ""}, {"userSid", "S-1"}, {"userPrincipalName", "jdoe@contoso.example"}}
	piece := func(kind string, fields ...Field) Entity {
		return Entity{kind, when, "Suspicious", "Blocked", "", fields}
	}
	s := newSim(t, nil)
	require.NoError(t, s.Add(Incident{ID: 7, Alerts: []Alert{{
		ID: "da1", Created: when,
		Devices: []Device{{
			ID: "m1", AADDeviceID: "a1", DNSName: "host", OSPlatform: "Linux", FirstSeen: when, VM: &VM{"v1", "AWS", "r1", "s1"}, Tags: []string{"kiosk"},
		}},
		Entities: []Entity{
			piece("User", append(who, Field{"aadUserId", "u1"})...),
			piece("Ip"),
			piece("Url", Field{"url", "https://login.contoso.example/?a=1&b=2"}),
			piece("File", file...),
			piece("Process", slices.Concat(file, who, []Field{
				{"processId", int64(7)},
				{"processCommandLine", "a.exe -x"},
				{"processCreationTime", when},
				{"parentProcessId", int64(6)},
				{"parentProcessCreationTime", when},
				{"parentProcessFileName", "p.exe"},
				{"parentProcessFilePath", `C:\p`},
			})...),
			piece("MailBox", Field{"userPrincipalName", "jdoe@contoso.example"}, Field{"mailboxDisplayName", "Jane Doe"}, Field{"mailboxAddress", "jane@contoso.example"}),
			piece("Mailbox", Field{"accountName", "jdoe"}),
			piece("MailMessage", Field{"userPrincipalName", "jdoe@contoso.example"}, Field{"sender", "a@fabrikam.example"}, Field{"recipient", "jdoe@contoso.example"},
				Field{"subject", "Invoice"}, Field{"internetMessageId", "<1@fabrikam.example>"}, Field{"deliveryAction", "DeliveredAsSpam"}),
			piece("MailCluster", Field{"clusterBy", "Subject"}, Field{"clusterByValue", "Invoice"}, Field{"emailCount", int64(3)}),
			piece("OAuthApplication", Field{"applicationId", "app1"}, Field{"applicationName", "Exporter"}),
			piece("Registry", Field{"registryHive", "HKEY_CURRENT_USER"}, Field{"registryKey", `Software\Run`}, Field{"registryValueType", "String"}, Field{"registryValue", "a.exe"}),
			piece("Registry", Field{"registryHive", "HKEY_CURRENT_USER"}, Field{"registryKey", `Software\Run`}),
			piece("SecurityGroup", Field{"securityGroupId", "g1"}, Field{"securityGroupName", "Finance"}),
			piece("KubernetesPod", Field{"name", "pod-1"}),
		},
	}}}))

	_, body := getGraph(t, s, 7, expanded)

	var shown struct {
		Alerts []struct{ Evidence json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(body, &shown))
	assert.Equal(t, golden(t, "graph_evidence.json"), string(shown.Alerts[0].Evidence))
}

func TestWordsAreThoseOfGraph(t *testing.T) {
	for word, want := range map[string]string{
		"Active": "active", "InProgress": "inProgress", "Resolved": "resolved", "Redirected": "redirected", "New": "new", "AwaitingAction": "awaitingAction",
		"UnSpecified": "unknown", "Informational": "informational", "High": "high",
		"Unknown": "unknown", "NotAvailable": "unknown", "": "unknown", "TruePositive": "truePositive", "notEnoughDataToValidate": "notEnoughDataToValidate",
		"MicrosoftDefenderForEndpoint": "microsoftDefenderForEndpoint", "AADIdentityProtection": "azureAdIdentityProtection",
		"MicrosoftDefenderForOffice365": "microsoftDefenderForOffice365", "MicrosoftCloudAppSecurity": "microsoftDefenderForCloudApps",
		"AppGovernance": "microsoftAppGovernance", "Microsoft365Defender": "microsoft365Defender", "MicrosoftDefenderForCloud": "microsoftDefenderForCloud",
		"WindowsDefenderAtp": "microsoftDefenderForEndpoint", "AAD": "azureAdIdentityProtection", "OfficeATP": "microsoftDefenderForOffice365",
		"MCAS": "cloudAppSecurity", "AppGPolicy": "appGovernancePolicy", "16777232": "microsoftDefenderForServers", "AWS": "unknown", "Azure": "azure",
		"unknownFutureValue": "unknownFutureValue", "ÄX": "ÄX",
	} {
		assert.Equal(t, want, graphWord(word), word)
	}
	for _, service := range services() {
		assert.NotEmpty(t, productName(service.name))
	}
	assert.Equal(t, "Microsoft Defender for Cloud Apps", productName("MicrosoftCloudAppSecurity"))
}

func TestTheScoreGoesByTheSeverity(t *testing.T) {
	for severity, want := range map[string]int64{SeverityUnspecified: 0, SeverityInformational: 18, SeverityHigh: 72, "Critical": 0} {
		assert.Equal(t, want, priority(severity), severity)
	}
}

func TestWithoutExpandThereAreNoAlerts(t *testing.T) {
	s := newSim(t, nil)
	_, with := getGraph(t, s, 1001, expanded)
	_, without := getGraph(t, s, 1001, "")

	head, _, found := strings.Cut(string(with), `,"alerts@odata.context":`)
	require.True(t, found)
	assert.Equal(t, head+"}", string(without))
	assert.Equal(t, 0, s.Journal()[0].State)
	assert.Equal(t, -1, s.Journal()[1].State, "its alerts were not served")
}

func TestUnderGraphAChangeIsShownAndNothingElseIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ChangesPerHour, c.AlertBytes, c.MergedShare = 2000, 1, 0.2 })
		bodies := map[string]string{} // by incident and state
		states := map[string]string{} // by body
		for range 20 {
			time.Sleep(20 * time.Second)
			for _, id := range s.IDs() {
				_, body := getGraph(t, s, id, expanded)
				journal := s.Journal()
				key := fmt.Sprint(id, " ", journal[len(journal)-1].State)
				before, known := bodies[key]
				require.True(t, !known || before == string(body), "state %s was shown differently", key)
				other, known := states[string(body)]
				require.True(t, !known || other == key, "states %s and %s are shown alike", key, other)
				bodies[key], states[string(body)] = string(body), key
			}
		}
		require.Greater(t, len(bodies), 60)
	})
}

func TestNewerMembersAreShownToWhoAsksForThem(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Add(Incident{ID: 7, Status: StatusAwaitingAction, Alerts: []Alert{{
		ID: "dc1", ServiceSource: "MicrosoftDefenderForCloud", DetectionSource: "16777232", InvestigationState: "Running",
		Entities: []Entity{{Type: "Ip", RemediationStatus: "Active"}, {Type: "Ip", RemediationStatus: "Blocked"}},
	}}}))
	words := []string{
		`"status":"awaitingAction"`, `"serviceSource":"microsoftDefenderForCloud"`, `"detectionSource":"microsoftDefenderForServers"`, `"remediationStatus":"active"`,
	}
	for _, prefer := range []string{
		"include-unknown-enum-members", "Include-Unknown-Enum-Members", "odata.maxpagesize=5, include-unknown-enum-members", "respond-async,include-unknown-enum-members;x=1",
	} {
		resp, body := getGraph(t, s, 7, expanded, "Prefer", prefer)
		assert.Equal(t, "include-unknown-enum-members", resp.Header.Get("Preference-Applied"), prefer)
		assert.NotContains(t, string(body), "unknownFutureValue")
		for _, word := range words {
			assert.Contains(t, string(body), word)
		}
	}
	for _, prefer := range []string{"", "include-unknown-enum-members-not", "respond-async"} {
		resp, body := getGraph(t, s, 7, expanded, "Prefer", prefer)
		assert.Empty(t, resp.Header.Get("Preference-Applied"), prefer)
		assert.Equal(t, 4, strings.Count(string(body), "unknownFutureValue"))
		for _, word := range words {
			assert.NotContains(t, string(body), word)
		}
		assert.Contains(t, string(body), `"investigationState":"running"`, "an old member of another enumeration")
	}
	resp, _ := get(t, s, 7, "Prefer", "include-unknown-enum-members")
	assert.NotContains(t, resp.Header, "Preference-Applied", "Defender XDR knows no such thing")
	resp, _ = get(t, s, 7)
	assert.NotContains(t, resp.Header, "Preference-Applied")

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example"+incidentsPath, nil)
	require.NoError(t, err)
	r.Header = http.Header{"Authorization": {"Bearer " + s.TokenOf(APIGraph)}, "Prefer": {"respond-async", "include-unknown-enum-members"}}
	resp, err = s.RoundTripper().RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.NotEmpty(t, resp.Header.Get("Preference-Applied"), "in a header line of its own")
}

func TestGraphMayCutTimesToTheMillisecond(t *testing.T) {
	s := newSim(t, func(c *Config) { c.GraphCoarseTimes = true })
	require.NoError(t, s.Add(sampleOfGraph(t)))

	_, body := getGraph(t, s, 924565, expanded)

	assert.Contains(t, string(body), `"createdDateTime":"2026-09-06T12:07:55.136Z"`)
	assert.Contains(t, string(body), `"firstSeenDateTime":"2026-02-06T14:16:01.933Z"`)
	assert.NotRegexp(t, `\.\d{4,}Z`, string(body))
	_, rows := callGraph(t, s, http.MethodGet, incidentsPath)
	assert.NotRegexp(t, `\.\d{4,}Z`, string(rows))
	_, alerts := getGraph(t, s, 924565, "/alerts")
	assert.NotRegexp(t, `\.\d{4,}Z`, string(alerts))
	_, body = get(t, s, 924565)
	assert.Contains(t, string(body), "2026-09-06T12:07:55.1366667Z", "Defender XDR stays as exact as it is")
}

func TestWhatGraphDoesNotHaveIsRefusedWithItsErrorObject(t *testing.T) {
	s := newSim(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{http.MethodPatch, "/1001", 405, "MethodNotAllowed"},
		{http.MethodPost, "", 405, "MethodNotAllowed"},
		{http.MethodDelete, "/1001/alerts", 405, "MethodNotAllowed"},
		{http.MethodGet, "/abc", 400, "BadRequest"},
		{http.MethodGet, "/-1/alerts", 400, "BadRequest"},
		{http.MethodGet, "/1001?$expand=comments", 400, "BadRequest"},
		{http.MethodGet, "/1001?$expand=", 400, "BadRequest"},
		{http.MethodGet, "/1001?$select=status", 400, "BadRequest"},
		{http.MethodGet, "/1001?$skip=1", 400, "BadRequest"},
		{http.MethodGet, "/1001/alerts?$top=1", 400, "BadRequest"},
		{http.MethodGet, "/1001/alerts?$skip=-1", 400, "BadRequest"},
		{http.MethodGet, "/1001/alerts?$skip=1&$skip=1", 400, "BadRequest"},
		{http.MethodGet, "/999999", 404, "ResourceNotFound"},
		{http.MethodGet, "/999999/alerts", 404, "ResourceNotFound"},
		{http.MethodGet, "/1001/comments", 404, "NotFound"},
		{http.MethodGet, "?$expand=alerts&$filter=" + "status%20eq%20%27active%27", 500, "InternalServerError"},
	} {
		resp, body := callGraph(t, s, c.method, incidentsPath+c.path)
		code, _ := graphError(t, body)
		assert.Equal(t, c.status, resp.StatusCode, c.path)
		assert.Equal(t, c.code, code, c.path)
	}
	resp, _ := getGraph(t, s, 1001, "?api-version=1")
	assert.Equal(t, http.StatusOK, resp.StatusCode, "what is none of OData's is passed over")
	resp, _ = get(t, s, 1001)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = call(t, s, http.MethodGet, "/api/incidents/1001?$expand=x")
	assert.Equal(t, http.StatusOK, resp.StatusCode, "Defender XDR looks at no option of Get")
	resp, body := call(t, s, http.MethodGet, "/api/incidents/1001/alerts")
	apiError(t, body)
	assert.Equal(t, http.StatusNotFound, resp.StatusCode, "and has no pages of alerts")
}

func TestErrorsOfGraphNameTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ClockSkew = time.Hour })
		inner := func(headers ...string) map[string]string {
			var e struct {
				Error struct{ InnerError map[string]string }
			}
			_, body := getGraph(t, s, 5, "", headers...)
			require.NoError(t, json.Unmarshal(body, &e))
			return e.Error.InnerError
		}
		first, second := inner(), inner("client-request-id", "mine")
		assert.Equal(t, time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05"), first["date"])
		assert.Equal(t, first["request-id"], first["client-request-id"])
		assert.NotEqual(t, first["request-id"], second["request-id"])
		assert.Equal(t, "mine", second["client-request-id"])
	})
}

func TestBothAPIsShowTheSamePopulation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, func(c *Config) { c.ChangesPerHour, c.MergedShare = 2000, 0.2 })
		time.Sleep(10 * time.Minute)
		for _, id := range s.IDs() {
			var xdr struct {
				LastUpdateTime     string
				RedirectIncidentID *int64 `json:"redirectIncidentId"`
				Alerts             []struct{ AlertID, LastUpdatedTime string }
			}
			var graph struct {
				ID                 string
				LastUpdateDateTime string
				RedirectIncidentID *string `json:"redirectIncidentId"`
				Alerts             []struct{ ID, LastUpdateDateTime string }
			}
			_, body := get(t, s, id)
			require.NoError(t, json.Unmarshal(body, &xdr))
			_, body = getGraph(t, s, id, expanded)
			require.NoError(t, json.Unmarshal(body, &graph))
			require.Equal(t, fmt.Sprint(id), graph.ID)
			require.Equal(t, xdr.LastUpdateTime, graph.LastUpdateDateTime)
			require.Equal(t, xdr.RedirectIncidentID == nil, graph.RedirectIncidentID == nil)
			if graph.RedirectIncidentID != nil {
				require.Equal(t, fmt.Sprint(*xdr.RedirectIncidentID), *graph.RedirectIncidentID)
			}
			times := func(id, at string) string { return id + " " + at }
			var a, b []string
			for n := range xdr.Alerts {
				a = append(a, times(xdr.Alerts[n].AlertID, xdr.Alerts[n].LastUpdatedTime))
			}
			for n := range graph.Alerts {
				b = append(b, times(graph.Alerts[n].ID, graph.Alerts[n].LastUpdateDateTime))
			}
			require.ElementsMatch(t, a, b)
		}
		apis := map[string]int{}
		for _, r := range s.Journal() {
			require.Equal(t, EndpointIncident, r.Endpoint)
			apis[r.API]++
		}
		require.Equal(t, map[string]int{APIDefenderXDR: 10, APIGraph: 10}, apis)
		call(t, s, http.MethodGet, "/v1.0/security/alerts_v2")
		require.Empty(t, s.Journal()[20].API)
	})
}

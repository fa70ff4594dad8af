// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withoutContext removes the member that describes the alerts, which is not in
// the golden files.
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

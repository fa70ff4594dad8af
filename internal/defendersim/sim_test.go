// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newSim makes an unlimited simulator of ten incidents that do not change,
// adjusted by change.
func newSim(t *testing.T, change func(*Config)) *Sim {
	t.Helper()
	c := DefaultConfig()
	c.Incidents, c.MergedShare, c.ChangesPerHour, c.PerMinute, c.PerHour, c.ListPerMinute, c.ListPerHour, c.GraphPerMinute = 10, 0, 0, 0, 0, 0, 0, 0
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	require.NoError(t, err)
	return s
}

// call sends a request with a good token and reads the whole response.
func call(t *testing.T, s *Sim, method, path string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://api.example"+path, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.Token())
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	resp, err := s.RoundTripper().RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp, body
}

func get(t *testing.T, s *Sim, id int64, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return call(t, s, http.MethodGet, fmt.Sprintf("/api/incidents/%d", id), headers...)
}

// apiError reads the API's error object.
func apiError(t *testing.T, body []byte) (code, message string) {
	t.Helper()
	var e struct {
		Error *struct{ Code, Message, Target string }
	}
	require.NoError(t, json.Unmarshal(body, &e))
	require.NotNil(t, e.Error)
	require.NotEmpty(t, e.Error.Target)
	return e.Error.Code, e.Error.Message
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return moment
}

func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, text))
	return compact.String()
}

// sampleIncident is what testdata/incident.json shows.
func sampleIncident(t *testing.T) Incident {
	evidence := at(t, "2026-03-01T10:00:00.37Z")
	return Incident{
		ID: 7001, Name: "Exfiltration & more on <one> endpoint",
		Created: at(t, "2026-03-01T10:00:00Z"), LastUpdate: at(t, "2026-03-01T11:00:00.53Z"),
		Tags:     []string{"VIP"},
		Comments: []Comment{{"Host isolated", "soc@contoso.example", at(t, "2026-03-01T11:00:00.5Z")}},
		Alerts: []Alert{{
			ID: "da1_2", ProviderID: "p1", ServiceSource: "MicrosoftDefenderForEndpoint",
			Created: at(t, "2026-03-01T10:00:00.3716642Z"), LastUpdated: at(t, "2026-03-01T10:30:00.0Z"),
			FirstActivity: at(t, "2026-03-01T09:59:00Z"), LastActivity: at(t, "2026-03-01T10:00:00.1230Z"),
			Title: "Suspicious process", Description: "A process did something.", Category: "Execution",
			Severity: SeverityHigh, InvestigationState: "Running", DetectionSource: "WindowsDefenderAtp", DetectorID: "d1",
			MitreTechniques: []string{"T1055"},
			Devices: []Device{{
				ID: "m1", DNSName: "ws-001.contoso.example", OSPlatform: "Windows11", Version: "23H2", OSProcessor: "x64", OSBuild: 22631,
				HealthStatus: "Active", RiskScore: "High", FirstSeen: at(t, "2026-02-01T00:00:00Z"), DefenderStatus: "Updated", Onboarding: "Onboarded",
				VM: &VM{"v1", "Azure", "r1", "s1"}, LoggedOnUsers: []Account{{"jdoe", "CONTOSO"}},
			}, {
				ID: "m2", AADDeviceID: "a2", DNSName: "ws-002.contoso.example", OSPlatform: "Linux", Version: "Other",
				HealthStatus: "Inactive", RiskScore: "None", RBACGroup: "Servers", FirstSeen: at(t, "2026-02-01T00:00:00.0000001Z"),
				Tags: []string{"kiosk"}, DefenderStatus: "Unknown", Onboarding: "CanBeOnboarded",
			}},
			Entities: []Entity{
				{"Process", evidence, "Suspicious", "Active", "still there", []Field{{"processId", int64(7812)}, {"processCreationTime", at(t, "2026-03-01T09:59:59Z")}}},
				{"Ip", evidence, "Suspicious", "None", "", []Field{{"ipAddress", "198.51.100.23"}}},
			},
		}},
	}
}

func TestIncidentIsShownAsTheAPIShowsIt(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Add(sampleIncident(t)))

	resp, body := get(t, s, 7001)

	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, golden(t, "incident.json"), string(body))
	assert.Contains(t, resp.Header.Get("Content-Type"), "application/json")
}

func TestMergedIncidentIsShownAsAStub(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Add(Incident{
		ID: 7002, RedirectID: 7001, Status: StatusRedirected, Severity: SeverityMedium, AssignedTo: "soc@contoso.example",
		Name: "Unfamiliar sign-in properties involving one user", Created: at(t, "2026-03-01T09:00:00.4Z"), LastUpdate: at(t, "2026-03-01T09:03:00.7733333Z"),
	}))

	_, body := get(t, s, 7002)

	assert.Equal(t, golden(t, "redirected.json"), string(body))
}

func TestSameSeedGivesTheSameAnswers(t *testing.T) {
	tell := func(seed uint64) string {
		var story bytes.Buffer
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, func(c *Config) { c.Seed, c.ChangesPerHour, c.MergedShare = seed, 2000, 0.2 })
			require.NoError(t, s.SetFault(AllIncidents, Rule{Fault: Fault{Name: "500"}, Probability: 0.2}))
			for range 3 {
				time.Sleep(time.Minute)
				for _, id := range append(s.IDs(), s.UnknownID()) {
					resp, body := get(t, s, id)
					fmt.Fprintln(&story, resp.StatusCode, resp.Header, string(body))
				}
			}
		})
		return story.String()
	}

	assert.Equal(t, tell(1), tell(1))
	assert.NotEqual(t, tell(1), tell(2))
}

func TestUnknownAndRemovedIncidentsAreNotFound(t *testing.T) {
	s := newSim(t, nil)
	require.NoError(t, s.Remove(1001))

	for _, id := range []int64{1001, s.UnknownID()} {
		resp, body := get(t, s, id)
		code, message := apiError(t, body)
		assert.Equal(t, http.StatusNotFound, resp.StatusCode)
		assert.Equal(t, "ResourceNotFound", code)
		assert.Equal(t, fmt.Sprintf("Incident %d was not found.", id), message)
	}

	require.NoError(t, s.Restore(1001))
	resp, _ := get(t, s, 1001)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestWhatTheAPIDoesNotHaveIsRefusedWithAnErrorObject(t *testing.T) {
	s := newSim(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodPatch, "/api/incidents/1001", http.StatusMethodNotAllowed},
		{http.MethodGet, "/api/incidents/abc", http.StatusBadRequest},
		{http.MethodGet, "/api/incidents/+7", http.StatusBadRequest},
		{http.MethodGet, "/api/incidents/-1", http.StatusBadRequest},
		{http.MethodGet, "/api/alerts", http.StatusNotFound},
	} {
		resp, body := call(t, s, c.method, c.path)
		apiError(t, body)
		assert.Equal(t, c.status, resp.StatusCode, c.path)
	}
}

func TestDateIsTheTimeOfTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nil)
		time.Sleep(36 * time.Hour)
		resp, _ := get(t, s, 1001)
		assert.Equal(t, time.Now().UTC().Format(http.TimeFormat), resp.Header.Get("Date"))
	})
}

func TestDeflateIsPreferredToGzip(t *testing.T) {
	unzlib := func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
	unflate := func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil }
	ungzip := func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	plain := func(r io.Reader) (io.Reader, error) { return r, nil }
	for _, c := range []struct {
		name, offer, coding string
		raw, never          bool
		decode              func(io.Reader) (io.Reader, error)
	}{
		{"both", "gzip, deflate, br", "deflate", false, false, unzlib},
		{"raw", "deflate", "deflate", true, false, unflate},
		{"gzip only", "gzip;q=0.5", "gzip", false, false, ungzip},
		{"deflate ruled out", "deflate;q=0, gzip", "gzip", false, false, ungzip},
		{"none", "br", "", false, false, plain},
		{"switched off", "gzip, deflate", "", false, true, plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, func(cfg *Config) { cfg.RawDeflate, cfg.NoCompression = c.raw, c.never })
			_, want := get(t, s, 1001)
			for range 2 { // the second one meets a used compressor
				resp, body := get(t, s, 1001, "Accept-Encoding", c.offer)
				assert.Equal(t, c.coding, resp.Header.Get("Content-Encoding"))
				decoded, err := c.decode(bytes.NewReader(body))
				require.NoError(t, err)
				got, err := io.ReadAll(decoded)
				require.NoError(t, err)
				assert.Equal(t, string(want), string(got))
			}
		})
	}
}

func TestConfigReportsEverythingThatIsWrong(t *testing.T) {
	_, err := New(Config{
		Incidents: -1, MergedShare: 2, AlertsPerIncident: 151, AlertBytes: -1, ChangesPerHour: -1, QuietAfter: -1,
		RequestsKept: -1, PerMinute: -1, ForeignPerMinute: -1, ListPerHour: -1, ListDelay: -1, NewPerHour: -1, ListLinkHost: "here", GraphPerMinute: -1, AlertsPage: -1, ThrottleForm: "shout", TokenLifetime: -1, Weights: Weights{ChangeName: -1},
	})
	for _, word := range []string{
		"incidents:", "first id:", "merged share:", "alerts per incident:", "alert bytes:", "changes per hour:", "quiet after:",
		"kept", "limits:", "foreign", "list limits:", "new per hour:", "list delay", "list link host:", "graph limits:", "alerts page:", `"shout"`, "client secret", "token lifetime:", "weight of name",
	} {
		assert.ErrorContains(t, err, word)
	}
}

func TestObserverIsGivenEachRequestOnceItHasEnded(t *testing.T) {
	var seen []Request
	s := newSim(t, func(c *Config) { c.Observe = func(r Request) { seen = append(seen, r) } })
	get(t, s, 1001)
	assert.Equal(t, s.Journal(), seen)
	assert.False(t, seen[0].Ended.IsZero())
}

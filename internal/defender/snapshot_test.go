// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func TestIncidentIsReadCompletely(t *testing.T) {
	s, err := decodeAs(xdr(), 4711, fixture(t, "incident.json"))
	require.NoError(t, err)

	assert.Equal(t, map[string]any{
		"@odata.context":     "https://api.example.com/api/$metadata#Incidents/$entity",
		"incidentId":         int64(4711),
		"incidentUri":        "https://security.example.com/incidents/4711?tid=0F1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
		"redirectIncidentId": nil,
		"incidentName":       "Sign-in from an unusual place\u200b involving one user",
		"createdTime":        "2026-02-03T04:05:06Z",
		"lastUpdateTime":     "2026-02-03T05:06:07.1234567Z",
		"assignedTo":         "soc@contoso.example",
		"classification":     "TruePositive",
		"determination":      "MultiStagedAttack",
		"status":             "InProgress",
		"severity":           "High",
		"tags":               []any{},
		"comments": []any{map[string]any{
			"comment": `Looks "odd"`, "createdBy": "soc@contoso.example", "createdTime": "2026-02-03T05:00:00Z",
		}},
	}, raw(t, s.Object))
	require.Len(t, s.Alerts, 2)
	assert.Equal(t, map[string]any{
		"alertId":         "ad0001_1",
		"incidentId":      int64(4711),
		"serviceSource":   "AzureADIdentityProtection",
		"lastUpdatedTime": "2026-02-03T05:10:00.5Z",
		"resolvedTime":    nil,
		"title":           "Unfamiliar sign-in properties",
		"category":        "InitialAccess",
		"status":          "New",
		"severity":        "Medium",
		"detectionSource": "AzureADIdentityProtection",
		"mitreTechniques": []any{"T1078", "T1078.004"},
		"devices":         []any{map[string]any{"osBuild": int64(22631), "aadDeviceId": nil, "tags": []any{"kiosk"}}},
		"entities":        []any{map[string]any{"entityType": "Ip", "ipAddress": "198.51.100.23"}},
	}, raw(t, s.Alerts[0].Object))
	assert.Equal(t, map[string]any{
		"alertId": "da0002_1", "status": "Resolved", "severity": "UnSpecified",
	}, raw(t, s.Alerts[1].Object))

	assert.Equal(t, &incident.Snapshot{
		ID:              4711,
		Name:            "Sign-in from an unusual place\u200b involving one user",
		Status:          "InProgress",
		Severity:        "High",
		Classification:  "TruePositive",
		Determination:   "MultiStagedAttack",
		AssignedTo:      "soc@contoso.example",
		URL:             "https://security.example.com/incidents/4711?tid=0F1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
		TenantID:        "0F1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
		Created:         time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		LastUpdate:      time.Date(2026, 2, 3, 5, 6, 7, 123456700, time.UTC),
		Comments:        new(1),
		API:             "defender_xdr",
		AlertsField:     "alerts",
		LastUpdateField: "lastUpdateTime", AlertLastUpdateField: "lastUpdatedTime",
		Alerts: []incident.Alert{{
			ID:              "ad0001_1",
			Title:           "Unfamiliar sign-in properties",
			Status:          "New",
			Severity:        "Medium",
			Category:        "InitialAccess",
			ServiceSource:   "AzureADIdentityProtection",
			DetectionSource: "AzureADIdentityProtection",
			MitreTechniques: []string{"T1078", "T1078.004"},
			LastUpdate:      time.Date(2026, 2, 3, 5, 10, 0, 500000000, time.UTC),
		}, {
			ID: "da0002_1", Status: "Resolved", Severity: "UnSpecified",
		}},
	}, described(s))
}

func TestAbsentFieldsOfAnIncidentStayEmpty(t *testing.T) {
	for _, body := range []string{
		`{"incidentId":1}`,
		`{"incidentId":1,"status":null,"incidentName":null,"lastUpdateTime":null,"redirectIncidentId":null,"incidentUri":null,"assignedTo":null}`,
		`{"incidentId":1,"status":7,"incidentName":{},"lastUpdateTime":[],"redirectIncidentId":["2"],"incidentUri":false,"assignedTo":1.5}`,
	} {
		s, err := decodeXDR(body)
		require.NoError(t, err)
		assert.Equal(t, &incident.Snapshot{ID: 1, API: "defender_xdr", AlertsField: "alerts", LastUpdateField: "lastUpdateTime", AlertLastUpdateField: "lastUpdatedTime"}, described(s))
	}
}

func TestTagsAndCommentsAreReadUnchanged(t *testing.T) {
	for _, d := range []dialect{xdr(), graph()} {
		for text, want := range map[string]struct {
			tags     []string
			comments *int
		}{
			`"%s":["VIP","",null,7,{"a":"b"},["c"],"x\u0000y"],"%s":[{"comment":"one"},null,[]]`: {[]string{"VIP", "", "x\x00y"}, new(3)},
			`"%s":[],"%s":[]`:                    {nil, new(0)},
			`"%s":null,"%s":null`:                {nil, nil},
			`"%s":"VIP","%s":"one"`:              {nil, nil},
			`"%s":{"0":"VIP"},"%s":{"length":3}`: {nil, nil},
		} {
			id := map[bool]string{false: "1", true: `"1"`}[d.textIDs]
			s, err := decodeAs(d, 1, fmt.Appendf(nil, `{%q:%s,`+text+`}`, d.incident.id, id, d.incident.tags, d.incident.comments))
			require.NoError(t, err)
			assert.Equal(t, want.tags, s.Tags, text)
			assert.Equal(t, want.comments, s.Comments, text)
		}
	}
}

func TestAlertIsReadUnderEachAPI(t *testing.T) {
	for api, test := range map[string]struct {
		d    dialect
		body string
		url  string
	}{
		"defender_xdr": {xdr(), `{"incidentId":1,"alerts":[{"alertId":"a","creationTime":"2026-02-03T04:05:06Z",%s}]}`, ""},
		"graph":        {graph(), `{"id":"1","alerts":[{"id":"a","createdDateTime":"2026-02-03T04:05:06Z",%s}]}`, "https://security.example.com/alerts/a"},
	} {
		const same = `"assignedTo":"Automation","classification":"Odd","determination":"Malware","alertWebUrl":"https://security.example.com/alerts/a"`
		s, err := decodeAs(test.d, 1, fmt.Appendf(nil, test.body, same))
		require.NoError(t, err, api)
		a := s.Alerts[0]
		assert.Equal(t, []string{"Automation", "Odd", "Malware", test.url}, []string{a.AssignedTo, a.Classification, a.Determination, a.URL}, api)
		assert.Equal(t, time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), a.Created, api)

		s, err = decodeAs(test.d, 1, fmt.Appendf(nil, test.body, `"assignedTo":7,"classification":{},"determination":null,"alertWebUrl":["x"]`))
		require.NoError(t, err, api)
		a = s.Alerts[0]
		assert.Equal(t, []string{"", "", "", ""}, []string{a.AssignedTo, a.Classification, a.Determination, a.URL}, api)
	}
}

func TestUnknownEnumValuesStayUnchanged(t *testing.T) {
	s, err := decodeXDR(`{"incidentId":1,"status":"awaitingAction","severity":"UnSpecified","classification":"","determination":"Öl\u200b",
		"alerts":[{"alertId":"a","status":"ODD","severity":"Extreme","mitreTechniques":["T1",null,2,"T2"]},{"alertId":"b","mitreTechniques":"T1"}]}`)
	require.NoError(t, err)
	assert.Equal(t, "awaitingAction", s.Status)
	assert.Equal(t, "UnSpecified", s.Severity)
	assert.Empty(t, s.Classification)
	assert.Equal(t, "Öl\u200b", s.Determination)
	assert.Equal(t, "ODD", s.Alerts[0].Status)
	assert.Equal(t, "Extreme", s.Alerts[0].Severity)
	assert.Equal(t, []string{"T1", "T2"}, s.Alerts[0].MitreTechniques)
	assert.Empty(t, s.Alerts[1].MitreTechniques)
}

func TestTimesAreReadInTheFormatsOfTheAPIsAndSimilarOnes(t *testing.T) {
	second := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for text, want := range map[string]time.Time{
		`2026-02-03T04:05:06Z`:                    second,
		`2026-02-03T04:05:06.1Z`:                  second.Add(100 * time.Millisecond),
		`2026-02-03T04:05:06.12Z`:                 second.Add(120 * time.Millisecond),
		`2026-02-03T04:05:06.123Z`:                second.Add(123 * time.Millisecond),
		`2026-02-03T04:05:06.1234Z`:               second.Add(123400 * time.Microsecond),
		`2026-02-03T04:05:06.12345Z`:              second.Add(123450 * time.Microsecond),
		`2026-02-03T04:05:06.123456Z`:             second.Add(123456 * time.Microsecond),
		`2026-02-03T04:05:06.1234567Z`:            second.Add(123456700 * time.Nanosecond),
		`2026-02-03T04:05:06.12345678Z`:           second.Add(123456780 * time.Nanosecond),
		`2026-02-03T04:05:06.123456789Z`:          second.Add(123456789 * time.Nanosecond),
		`2026-02-03T04:05:06.123456789987654321Z`: second.Add(123456789 * time.Nanosecond),
		`2026-02-03T04:05:06.0000001Z`:            second.Add(100 * time.Nanosecond),
		`2026-02-03T04:05:06,5Z`:                  second.Add(500 * time.Millisecond),
		`2026-02-03T05:05:06.5+01:00`:             second.Add(500 * time.Millisecond),
		`2026-02-03T04:05:06-00:00`:               second,
		`2026-02-03T04:05:06`:                     second, // no zone
		`2026-02-03T04:05:06.1233333`:             second.Add(123333300 * time.Nanosecond),
		`2026-02-03T04:05:06.123456789012`:        second.Add(123456789 * time.Nanosecond),
		`2026-02-03t04:05:06z`:                    second,
		`2026-02-03 04:05:06`:                     second,
		`2026-02-03 04:05:06.5Z`:                  second.Add(500 * time.Millisecond),
		`2026-02-03 04:05:06 +00:00`:              second,
		`2026-02-03 04:05:06 Z`:                   second,
		`2026-02-03T04:05:06+0000`:                second,
		`2026-02-03T06:35:06.5+0230`:              second.Add(500 * time.Millisecond),
		`2026-02-03T03:05:06-01`:                  second,
		`2038-01-19T03:14:08Z`:                    time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
		`1990-01-01T00:00:00Z`:                    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		`2099-12-31T23:59:59.9999999Z`:            time.Date(2099, 12, 31, 23, 59, 59, 999999900, time.UTC),
	} {
		for _, d := range []dialect{xdr(), graph()} {
			s, err := decodeAs(d, 1, timed(d, `"`+text+`"`))
			require.NoError(t, err)
			assert.Equal(t, want, s.LastUpdate, text) // in UTC, too
			assert.Equal(t, want, s.Alerts[0].LastUpdate, text)
			page := decodePageAs(d, []byte(pageOf(string(timed(d, `"`+text+`"`)))), 0, false)
			assert.Equal(t, want, page.Rows[0].LastUpdate, text)
		}
	}
}

// timed is an incident that changed last at that time, as its alert did.
func timed(d dialect, at string) []byte {
	return fmt.Appendf(nil, `{%q:1,%q:%s,"alerts":[{%q:"a",%q:%s}]}`, d.incident.id, d.incident.lastUpdate, at, d.alert.id, d.alert.lastUpdate, at)
}

func TestInvalidAndPlaceholderTimesAreUnknown(t *testing.T) {
	for _, text := range []string{
		`null`, `1770091506`, `{"value":"2026-02-03T04:05:06.123Z"}`, `["2026-02-03T04:05:06Z"]`, `false`,
		`""`, `" "`, `"yesterday"`, `"2026-02-30T04:05:06Z"`, `"2026-02-03T24:05:06Z"`, `"2026-02-03"`, `"2026-02-03T"`, `"2026-02-03Z"`,
		`"2026-02-03 "`, `"04:05:06Z"`, `"2026-02-03T04:05:06ZZ"`, `"2026-02-03T04:05:06 PST"`, `"2026-02-03T04:05:06+1"`, `"2026-02-03T04:05:06.Z"`,
		`"03/02/2026 04:05:06"`, `"03-02-2026T04:05:06Z"`, `"/Date(1770091506000)/"`, `"2026-02-03T04:05:06.` + strings.Repeat("1", 1000) + `Z"`,
		`"0001-01-01T00:00:00"`, `"0001-01-01T00:00:00Z"`, `"0001-01-01T00:00:00+14:00"`, `"0000-00-00T00:00:00Z"`, `"1601-01-01T00:00:00Z"`,
		`"1753-01-01T00:00:00"`, `"1899-12-30T00:00:00Z"`, `"1900-01-01T00:00:00Z"`, `"1970-01-01T00:00:00"`, `"1970-01-01T00:00:00.0000000Z"`,
		`"1969-12-31T16:00:00-08:00"`, `"1980-01-01T00:00:00Z"`, `"1989-12-31T23:59:59Z"`,
		`"2100-01-01T00:00:00Z"`, `"2099-12-31T23:59:59-01:00"`, `"2038-01-19T03:14:07Z"`, `"2106-02-07T06:28:15Z"`, `"2262-04-11T23:47:16.854775807Z"`, `"2554-07-21T23:34:33Z"`,
		`"9999-12-31T23:59:59.9999999Z"`, `"9999-12-31T23:59:59"`, `"9999-12-31T23:59:59-08:00"`, `"10000-01-01T00:00:00Z"`, `"-0001-01-01T00:00:00Z"`,
	} {
		for _, d := range []dialect{xdr(), graph()} {
			s, err := decodeAs(d, 1, timed(d, text))
			require.NoError(t, err)
			assert.Zero(t, s.LastUpdate, text)
			assert.Zero(t, s.Alerts[0].LastUpdate, text)
			page := decodePageAs(d, []byte(pageOf(string(timed(d, text)))), 0, false)
			assert.Zero(t, page.Rows[0].LastUpdate, text)
			page = decodePageAs(d, []byte(pageOf(strings.Replace(string(timed(d, text)), `{`, `{"a":1,"a":1,`, 1))), 0, false)
			require.Error(t, page.Rows[0].Err)
			assert.Zero(t, page.Rows[0].LastUpdate, text)
		}
	}
}

func FuzzMoment(f *testing.F) {
	for _, text := range []string{
		"2026-02-03T04:05:06.1234567Z", "2026-02-03 04:05:06,5 +0230", "2026-02-03t04:05:06z", "2026-02-03T04:05:06", "9999-12-31T23:59:59-08:00",
		"0001-01-01T00:00:00", "2026-02-03", "2026-02-03T", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at := moment(text)
		if at.IsZero() {
			return
		}
		assert.Equal(t, time.UTC, at.Location())
		assert.Equal(t, at, moment(at.Format(time.RFC3339Nano)))
		assert.Equal(t, at, time.Unix(0, at.UnixNano()).UTC(), "it fits into a timestamp")
		_, err := at.MarshalJSON()
		assert.NoError(t, err, "it can be stored")
		if exact, err := time.Parse(time.RFC3339Nano, text); err == nil {
			assert.True(t, at.Equal(exact))
		}
	})
}

func TestMissingListOfAlertsDiffersFromAnEmptyOne(t *testing.T) {
	for body, c := range map[string]struct {
		alerts []incident.Alert
		object map[string]any
	}{
		`{"incidentId":1}`:               {nil, map[string]any{"incidentId": int64(1)}},
		`{"incidentId":1,"alerts":null}`: {nil, map[string]any{"incidentId": int64(1), "alerts": nil}},
		`{"incidentId":1,"alerts":[]}`:   {[]incident.Alert{}, map[string]any{"incidentId": int64(1)}},
	} {
		s, err := decodeXDR(body)
		require.NoError(t, err)
		assert.Equal(t, c.alerts, s.Alerts, body)
		assert.Equal(t, c.object, raw(t, s.Object), body)
	}
}

func TestRedirectedIncidentIsMergedIntoItsSuccessor(t *testing.T) {
	s, err := decodeAs(xdr(), 4712, fixture(t, "redirected.json"))
	require.NoError(t, err)
	assert.True(t, s.Merged)
	assert.EqualValues(t, 4712, s.ID)
	assert.EqualValues(t, 4711, s.SuccessorID)
	assert.Equal(t, "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", s.TenantID)
	assert.Equal(t, time.Date(2026, 2, 3, 4, 30, 0, 0, time.UTC), s.LastUpdate)
	assert.Equal(t, int64(4711), raw(t, s.Object)["redirectIncidentId"])

	for body, want := range map[string]struct {
		merged    bool
		successor int64
	}{
		`{"incidentId":1,"status":"Redirected","redirectIncidentId":2}`:    {true, 2},
		`{"incidentId":1,"status":"redirected","redirectIncidentId":2}`:    {true, 2},
		`{"incidentId":1,"status":"Redirected","redirectIncidentId":"2"}`:  {true, 2},
		`{"incidentId":1,"status":"Redirected","redirectIncidentId":null}`: {true, 0},
		`{"incidentId":1,"status":"Redirected","redirectIncidentId":-2}`:   {true, 0},
		`{"incidentId":1,"status":"Redirected"}`:                           {true, 0},
		`{"incidentId":1,"status":"Active","redirectIncidentId":2}`:        {false, 0},
	} {
		s, err := decodeXDR(body)
		require.NoError(t, err)
		assert.Equal(t, want.merged, s.Merged, body)
		assert.Equal(t, want.successor, s.SuccessorID, body)
	}
}

func TestIDMayBeANumberOrAStringUnderBothAPIs(t *testing.T) {
	const largest = "9223372036854775807"
	for _, d := range []dialect{xdr(), graph()} {
		for _, id := range []string{"437", `"437"`, `"\u00343\u0037"`, largest, `"` + largest + `"`} {
			want := int64(437)
			if strings.Contains(id, largest) {
				want = math.MaxInt64
			}
			s, err := decodeAs(d, want, []byte(`{"`+d.incident.id+`":`+id+`,"alerts":[{"`+d.alert.id+`":"a","incidentId":`+id+`}]}`))
			require.NoError(t, err, id)
			assert.Equal(t, want, s.ID, id)

			s, err = decodeAs(d, 1, []byte(`{"`+d.incident.id+`":1,"status":"redirected","redirectIncidentId":`+id+`}`))
			require.NoError(t, err, id)
			assert.Equal(t, want, s.SuccessorID, id)

			s, err = decodeAs(d, 1, []byte(`{"`+d.incident.id+`":`+id+`}`))
			require.ErrorIs(t, err, errAnotherIncident, id)
			assert.Equal(t, want, s.SuccessorID, "the response shows another incident")

			page := decodePageAs(d, []byte(pageOf(`{"`+d.incident.id+`":`+id+`,"alerts":[null]}`)), 0, false)
			require.Error(t, page.Rows[0].Err)
			assert.Equal(t, want, page.Rows[0].ID, "a row that is no sound incident")
			assert.Equal(t, want, firstIDAs(d, []byte(`{"value":[{"`+d.incident.id+`":`+id+`,"title":"cut`)))
		}
	}
}

func TestIDHasOnlyDigitsAndIsPositive(t *testing.T) {
	for _, d := range []dialect{xdr(), graph()} {
		for _, id := range []string{
			`null`, `0`, `-437`, `-0`, `437.0`, `4e2`, `437e0`, `9223372036854775808`, `1` + strings.Repeat("0", 1000), `["437"]`, `{"id":437}`, `true`,
			`""`, `"0"`, `"-437"`, `"+437"`, `"0437"`, `" 437"`, `"437 "`, `"437.0"`, `"4e2"`, `"4_37"`, `"0x1B5"`, `"9223372036854775808"`, `"hush"`,
			`"\uff14\uff13\uff17"`, `"437\u0000"`,
		} {
			_, err := decodeAs(d, 437, []byte(`{"`+d.incident.id+`":`+id+`}`))
			assert.EqualError(t, err, "no "+d.incident.id, id)
			s, err := decodeAs(d, 1, []byte(`{"`+d.incident.id+`":1,"status":"redirected","redirectIncidentId":`+id+`}`))
			require.NoError(t, err, id)
			assert.True(t, s.Merged)
			assert.Zero(t, s.SuccessorID, id)
			assert.Equal(t, 1, decodePageAs(d, []byte(pageOf(`{"`+d.incident.id+`":`+id+`}`)), 0, false).Nameless, id)
		}
	}
}

func TestResponseWithAnotherIncidentIsAMergeOnlyIfItSaysSo(t *testing.T) {
	want := &incident.Snapshot{
		ID: 4000, SuccessorID: 4711, Merged: true, TenantID: "0F1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
		API: "defender_xdr", AlertsField: "alerts", LastUpdateField: "lastUpdateTime", AlertLastUpdateField: "lastUpdatedTime",
	}
	s, err := decodeAs(xdr(), 4000, fixture(t, "incident.json"))
	require.ErrorIs(t, err, errAnotherIncident)
	assert.Equal(t, map[string]any{"incidentId": int64(4000), "redirectIncidentId": int64(4711)}, raw(t, s.Object))
	assert.Equal(t, want, described(s))

	for body, merged := range map[string]bool{
		`{"incidentId":4711}`: false,
		`{"incidentId":4711,"status":"Active","redirectIncidentId":null}`:     false,
		`{"incidentId":4711,"status":"Active","redirectIncidentId":0}`:        false,
		`{"incidentId":4711,"status":"Redirected","redirectIncidentId":4000}`: false, // the other was merged into this one
		`{"incidentId":4711,"status":"Redirected"}`:                           true,
		`{"incidentId":4711,"status":"redirected","redirectIncidentId":4800}`: true,
		`{"incidentId":4711,"status":"Active","redirectIncidentId":4711}`:     true,
		`{"incidentId":4711,"status":"Active","redirectIncidentId":4800}`:     true,
	} {
		s, err := decodeAs(xdr(), 4000, []byte(body))
		if merged {
			require.NoError(t, err, body)
		} else {
			require.ErrorIs(t, err, errAnotherIncident, body)
		}
		assert.True(t, s.Merged)
		assert.EqualValues(t, 4711, s.SuccessorID, body)
	}
}

func TestErrorAboutAnotherIncidentSaysWhatItWouldMean(t *testing.T) {
	for name, transport := range map[string]http.RoundTripper{
		"whole":   responding(200, `{"incidentId":2,"incidentName":"hush"}`),
		"partial": responding(206, `{"incidentId":2,"incidentName":"hush"}`),
	} {
		result := get(t, transport)
		failure := failed(t, result)
		assert.Equal(t, Malformed, failure.Kind, name)
		assert.NotContains(t, failure.Error(), "hush")
		require.NotNil(t, result.Other)
		assert.EqualValues(t, 1, result.Other.ID)
		assert.EqualValues(t, 2, result.Other.SuccessorID)
		assert.Len(t, result.Other.Fields, 2, "with its digests")
		assert.Nil(t, result.Partial)
	}
	result := get(t, responding(200, `{"incidentId":2}{}`))
	assert.Equal(t, Malformed, failed(t, result).Kind)
	assert.Nil(t, result.Other, "no incident at all")
}

func TestMergedIncidentOfTheSimulatorIsMerged(t *testing.T) {
	sim := newSim(t, nil)
	require.NoError(t, sim.Merge(1001, 1002))
	result := clientAt(t, endpoint, sim.RoundTripper()).Get(t.Context(), 1001)
	require.NoError(t, result.Err)
	assert.True(t, result.Snapshot.Merged)
	assert.EqualValues(t, 1002, result.Snapshot.SuccessorID)
	assert.Empty(t, result.Snapshot.Alerts)
}

func TestTenantIsReadFromTheURLOnlyIfItIsAUUID(t *testing.T) {
	const id = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	for address, want := range map[string]string{
		"https://security.example/incidents/1?tid=" + id:                                id,
		"https://security.example/incidents/1?a=b&tid=" + id + "&c=d":                   id,
		"https://security.example/incidents/1?tid=0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0": "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0",
		"https://security.example/incidents/1":                                          "",
		"https://security.example/incidents/1?tid=":                                     "",
		"https://security.example/incidents/1?tid=contoso.example":                      "",
		"https://security.example/incidents/1?tid=" + id + "0":                          "",
		"https://security.example/incidents/1?tid=x" + id:                               "",
		"https://security.example/incidents/1?tid=" + id[:35] + "g":                     "",
		"https://security.example/incidents/1?tid=" + id[:35] + "-":                     "",
		"https://security.example/incidents/1?tid=" + id[:8] + "0" + id[9:]:             "",
		"https://security.example/incidents/1?tid=" + strings.ReplaceAll(id, "-", ""):   "",
		"https://security.example/incidents/1?tid=%7B" + id + "%7D":                     "",
		"https://security.example/incidents/1?tid=" + id + "%0Ainject":                  "",
		"https://security.example/" + id:                                                "",
		"https://security.example/incidents/1?tid=" + id + "#top":                       id,
		"https://security.example/incidents/1?xtid=" + id:                               "",
		"https://security.example/incidents/1#?tid=" + id:                               "",
		"": "",
	} {
		s, err := decodeXDR(`{"incidentId":1,"incidentUri":"` + address + `"}`)
		require.NoError(t, err)
		assert.Equal(t, want, s.TenantID, address)
		assert.Equal(t, address, s.URL)
	}
}

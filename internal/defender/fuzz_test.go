// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

func FuzzDecode(f *testing.F) {
	f.Add(fixture(f, "incident.json"))
	f.Add(fixture(f, "redirected.json"))
	f.Add([]byte(`{"incidentId":2}`))
	f.Add([]byte(`{"incidentId":"1","redirectIncidentId":"2","status":"Redirected"}`))
	f.Add([]byte(`{"incidentId":1,"alerts":[{"alertId":"a"},{"alertId":"a"}]}`))
	f.Add([]byte(withAlerts(200, 0)))
	f.Add([]byte("{\"incidentId\":1,\"\\ud83d\xff\":[\"\\ude00\"],\"alerts\":[{\"alertId\":\"a\xff\\ud83d\"}]}"))
	f.Add([]byte(`{"incidentId":1,"it":[1e400,9223372036854775808,-0.0,"\ud83d\ude00",{"":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		given := string(body)
		s, err := decodeAs(xdr(), 1, body)
		assert.Equal(t, given, string(body), "the body, which may be emitted, was changed")
		again, errAgain := decodeAs(xdr(), 1, []byte(given))
		assert.Equal(t, err, errAgain)
		assert.Equal(t, s, again)
		if err != nil && !errors.Is(err, errAnotherIncident) {
			require.Nil(t, s)
			return
		}

		require.True(t, json.Valid(body))
		assert.True(t, utf8.ValidString(fmt.Sprint(raw(t, s.Object), s.Name, s.Status)))
		assert.EqualValues(t, 1, s.ID)
		assert.Equal(t, "1", fmt.Sprint(raw(t, s.Object)["incidentId"]))
		assert.GreaterOrEqual(t, s.SuccessorID, int64(0))
		assert.True(t, s.Merged || s.SuccessorID == 0)
		assert.LessOrEqual(t, len(s.Alerts), maxAlerts)
		checkAffected(t, s)
		seen := map[string]bool{}
		for _, alert := range s.Alerts {
			assert.NotEmpty(t, alert.ID)
			assert.True(t, utf8.ValidString(fmt.Sprint(raw(t, alert.Object), alert.ID)))
			assert.Equal(t, alert.ID, raw(t, alert.Object)["alertId"])
			assert.False(t, seen[alert.ID], alert.ID)
			seen[alert.ID] = true
		}
	})
}

func FuzzPage(f *testing.F) {
	whole, merged := string(fixture(f, "incident.json")), string(fixture(f, "redirected.json"))
	f.Add([]byte(pageOf(whole, merged)), 0)
	f.Add([]byte(pageOf(`{"incidentId":1,"lastUpdateTime":"2026-02-03T04:05:06Z"}`, `null`, `{"incidentId":2,"alerts":[null]}`)), 100)
	f.Add([]byte(`{"value":[{"incidentId":1}],"@odata.nextLink":"https://api.example/api/incidents?$top=100&$skip=200"}`), 100)
	f.Fuzz(func(t *testing.T, body []byte, skipped int) {
		given := string(body)
		skipped = max(0, min(skipped, 1<<40)) // as far as a call ever comes
		page := decodePageAs(xdr(), body, skipped, true)
		assert.Equal(t, given, string(body), "the body was changed")
		assert.Equal(t, page, decodePageAs(xdr(), []byte(given), skipped, true))
		assert.True(t, page.Next == 0 || page.Next > skipped || page.Token != "" && page.Next == skipped && len(page.Rows) == 0)
		assert.LessOrEqual(t, len(page.Rows)+page.Nameless, maxRows)
		for _, row := range page.Rows {
			checkRow(t, row)
		}

		first := firstIDAs(xdr(), body)
		if page.Err == nil && page.Nameless == 0 && len(page.Rows) > 0 {
			assert.Equal(t, page.Rows[0].ID, first)
		}
		for _, end := range []int{len(body) / 3, len(body) / 2, max(0, len(body)-1)} {
			assert.Contains(t, []int64{0, first}, firstIDAs(xdr(), body[:end]), "told of a part, other than of the whole")
		}
	})
}

// checkRow holds a row against what Get would make of it.
func checkRow(t *testing.T, row Row) {
	t.Helper()
	assert.Positive(t, row.ID)
	if row.Err != nil {
		assert.Nil(t, row.Snapshot)
		assert.False(t, row.Closed)
		assert.True(t, printable(row.Err.Error()), "%q", row.Err.Error())
		return
	}
	if row.Snapshot == nil {
		return // too many alerts to count as whole
	}
	alone, err := decodeAs(xdr(), row.ID, row.Snapshot.Original)
	require.NoError(t, err)
	alone.Source = incident.FromList
	alone.Original = row.Snapshot.Original
	assert.Equal(t, shown(t, alone), shown(t, row.Snapshot))
	assert.LessOrEqual(t, len(alone.Alerts), wholeAlerts)
	row.Snapshot = nil
	created, _ := raw(t, alone.Object)["createdTime"].(string)
	assert.Equal(t, Row{ID: alone.ID, LastUpdate: alone.LastUpdate, Created: moment(created), Closed: alone.Closed()}, row)
}

// FuzzAlertPage reads pages of Graph's list of alerts.
func FuzzAlertPage(f *testing.F) {
	alert := string(fixture(f, "graph_alert.json"))
	f.Add([]byte(pageOf(alert, alert)))
	f.Add([]byte(pageOf(alert, strings.Replace(alert, `"@odata.type"`, `"other"`, 1))))
	f.Add([]byte(pageOf(`{"id":"a"}`, `null`, `{"id":"b","incidentId":"hush"}`, `{"incidentId":7}`)))
	f.Add([]byte(`{"@odata.count":7,"value":[{"id":"a","incidentId":7,"lastUpdateDateTime":"2026-02-03T04:05:06Z"}],"@odata.nextLink":"?$skip=200"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		given, r := string(body), ListRequest{Alerts: true}
		page := decodeListAs(graph(), body, r, true)
		assert.Equal(t, given, string(body), "the body was changed")
		assert.Equal(t, page, decodeListAs(graph(), []byte(given), r, true))
		assert.LessOrEqual(t, len(page.Rows)+page.Nameless, maxRows)
		assert.GreaterOrEqual(t, page.Total, 0)
		var texts []json.RawMessage // of the rows
		if members := map[string]json.RawMessage{}; page.Err == nil && page.Nameless == 0 {
			require.NoError(t, json.Unmarshal(body, &members))
			require.NoError(t, json.Unmarshal(members[rowsField], &texts))
		}
		for i, row := range page.Rows {
			checkAlertRow(t, row)
			if row.Snapshot != nil && page.Nameless == 0 {
				checkAsInGet(t, row.Snapshot, texts[i])
			}
		}

		fields := graph().rowFields(true)
		first := fields.first(newDecoder(nil), body)
		if page.Err == nil && page.Nameless == 0 && len(page.Rows) > 0 {
			assert.Equal(t, page.Rows[0].Alert, first.Alert)
			assert.Equal(t, page.Rows[0].ID, first.ID)
		}
		for _, end := range []int{len(body) / 3, len(body) / 2, max(0, len(body)-1)} {
			part := fields.first(newDecoder(nil), body[:end])
			assert.Contains(t, []string{"", first.Alert}, part.Alert, "told of a part, other than of the whole")
			assert.Contains(t, []int64{0, first.ID}, part.ID, "told of a part, other than of the whole")
		}
	})
}

// checkAlertRow holds a row of the list of alerts against its own alert.
func checkAlertRow(t *testing.T, row Row) {
	t.Helper()
	assert.NotEmpty(t, row.Alert)
	assert.GreaterOrEqual(t, row.ID, int64(0))
	assert.False(t, row.Closed)
	if row.Err != nil {
		assert.Nil(t, row.Snapshot)
		assert.True(t, printable(row.Err.Error()), "%q", row.Err.Error())
		return
	}
	s := row.Snapshot
	require.Equal(t, row.ID != 0, s != nil)
	if s == nil {
		return
	}
	require.Len(t, s.Alerts, 1)
	object := raw(t, s.Alerts[0].Object)
	assert.Equal(t, fmt.Sprint(row.ID), fmt.Sprint(object["incidentId"]))
	assert.Equal(t, row.Alert, object["id"])
	assert.Equal(t, row.LastUpdate, s.Alerts[0].LastUpdate)
	assert.True(t, utf8.ValidString(fmt.Sprint(object, row.Alert, s.TenantID)))
	assert.Equal(t, incident.Snapshot{
		ID: row.ID, API: "graph", Source: incident.FromList, Shows: incident.SomeAlerts, TenantID: s.TenantID,
		AlertsField: "alerts", LastUpdateField: "lastUpdateDateTime", AlertLastUpdateField: "lastUpdateDateTime", Alerts: s.Alerts,
		Evidence: s.Evidence,
	}, *s)
	checkAffected(t, s)
}

// checkAffected requires that what alerts affect is bounded, whatever their evidence is.
func checkAffected(t *testing.T, s *incident.Snapshot) {
	t.Helper()
	var affected incident.Affected
	for i := range s.Alerts {
		s.Evidence.Affected(&s.Alerts[i], &affected)
	}
	for asset, list := range affected {
		assert.LessOrEqual(t, len(list.Values), incident.MaxListed, asset)
		for _, value := range list.Values {
			assert.LessOrEqual(t, len(value), incident.MaxText, asset)
			assert.True(t, utf8.ValidString(value), asset)
		}
	}
}

// checkAsInGet holds the alert of a row against what Get makes of the same text.
func checkAsInGet(t *testing.T, s *incident.Snapshot, text []byte) {
	t.Helper()
	alone, err := decodeAs(graph(), 1, fmt.Appendf(nil, `{"id":"1","alerts":[%s]}`, text))
	require.NoError(t, err)
	require.Len(t, alone.Alerts, 1)
	want, got := alone.Alerts[0], s.Alerts[0]
	assert.Equal(t, raw(t, want.Object), raw(t, got.Object))
	want.Object, got.Object = content.Object{}, content.Object{} // how names are kept depends on the rows before
	assert.Equal(t, want, got)
}

// FuzzLink follows a link to a next page: of the list, and of an incident's alerts.
func FuzzLink(f *testing.F) {
	for _, link := range []string{
		"https://api.example/api/incidents?$top=100&$skip=200", "?$skip=-1", "?$skip=9223372036854775807", "?$skiptoken=a%20b%26c", "?%24skip=1&$skip=2",
		`"?$skip\u003d7"`, `"\ud83d?$skip=7"`, "null", "7", `{"a":1}`, "", "?$skiptoken=" + strings.Repeat("x", maxLinkToken+1),
	} {
		f.Add(link, 100)
	}
	f.Fuzz(func(t *testing.T, link string, skipped int) {
		value := jsontext.Value(link)
		if !value.IsValid(jsontext.AllowInvalidUTF8(true)) {
			value, _ = jsontext.AppendQuote(nil, link)
		}
		skipped = max(0, skipped%1_000_000)
		page := decodePageAs(xdr(), fmt.Appendf(nil, `{"value":[{"incidentId":1}],%q:%s}`, linkField, value), skipped, false)
		assert.True(t, page.Next == 0 || page.Next > skipped)
		assert.Len(t, page.Rows, 1)
		if page.Err != nil {
			assert.True(t, printable(page.Err.Error()), "%q", page.Err.Error())
		}

		body := fmt.Appendf(nil, `{"id":"1","alerts":[{"id":"a"}],%q:%s}`, "alerts"+linkField, value)
		s, rest, err := graph().decode(1, newDecoder(nil).reset(bytes.NewReader(body), math.MaxInt64))
		require.NoError(t, err)
		result := (&Rest{snapshot: s}).follow(rest, Result{Pages: 1})
		switch {
		case result.Err != nil:
			assert.True(t, printable(result.Err.Error()), "%q", result.Err.Error())
		case result.Rest != nil:
			query, err := url.ParseQuery(result.Rest.query())
			require.NoError(t, err)
			assert.Len(t, query, 1, "nothing else of the link is sent")
			assert.True(t, query.Has(skipOption) || len(query.Get(tokenOption)) <= maxLinkToken)
		default:
			assert.NotNil(t, result.Snapshot)
		}
	})
}

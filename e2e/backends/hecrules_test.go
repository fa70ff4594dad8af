// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

func TestHECStubAcceptsExactlyWhatSplunkAccepts(t *testing.T) {
	t.Parallel()
	const good = `{"time":1795437282.495,"host":"h","source":"s","sourcetype":"t","fields":{"a":"b","n":1,"l":["x",true]},"event":{"a":{"b":[{}]}}}`
	for name, send := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		code   int
	}{
		"one event":               {body: good, status: 200},
		"several, one on another": {body: good + good + "\n" + good, status: 200},
		"an event of text":        {body: `{"event":"text"}`, status: 200},
		"no token":                {body: good, change: header("Authorization", ""), status: 401, code: 2},
		"another scheme":          {body: good, change: header("Authorization", "Bearer "+hecToken), status: 401, code: 3},
		"another token":           {body: good, change: header("Authorization", "Splunk nonsense"), status: 403, code: 4},
		"another content":         {body: good, change: header("Content-Type", "text/plain"), status: 400, code: 6},
		"another place":           {body: good, change: func(r *http.Request) { r.URL.Path = "/services" }, status: 404, code: 404},
		"another method":          {body: good, change: func(r *http.Request) { r.Method = http.MethodPut }, status: 405, code: 405},
		"not gzip":                {body: good, change: header("Content-Encoding", "gzip"), status: 400, code: 6},
		"nothing":                 {body: "", status: 400, code: 5},
		"no JSON":                 {body: good + "nonsense", status: 400, code: 6},
		"an array":                {body: "[" + good + "]", status: 400, code: 6},
		"a key it does not know":  {body: `{"event":"e","sourceType":1}`, status: 400, code: 6},
		"a host that is none":     {body: `{"event":"e","host":1}`, status: 400, code: 6},
		"a time that is text":     {body: `{"event":"e","time":"1795437282"}`, status: 400, code: 6},
		"no event":                {body: `{"host":"h"}`, status: 400, code: 12},
		"a blank event":           {body: good + `{"event":""}`, status: 400, code: 13},
		"no event at all":         {body: `{"event":null}`, status: 400, code: 13},
		"an object as a field":    {body: `{"event":"e","fields":{"a":{"b":1}}}`, status: 400, code: 15},
		"objects in a field":      {body: `{"event":"e","fields":{"a":[{}]}}`, status: 400, code: 15},
		"nothing in a field":      {body: `{"event":"e","fields":{"a":null}}`, status: 400, code: 15},
		"an event too large":      {body: zipped(t, `{"event":"`+strings.Repeat("e", maxHECBytes)+`"}`), change: header("Content-Encoding", "gzip"), status: 413, code: 27},
		"a request too large":     {body: strings.Repeat(`{"event":"`+strings.Repeat("e", maxHECBytes/4)+`"}`, 5), status: 413, code: 27},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/services/collector", strings.NewReader(send.body))
			r.Header.Set("Authorization", "Splunk "+hecToken)
			r.Header.Set("Content-Type", "application/json")
			if send.change != nil {
				send.change(r)
			}
			stub, response := &hec{notifier: harness.NewNotifier()}, httptest.NewRecorder()
			stub.ServeHTTP(response, r)
			require.Equal(t, send.status, response.Code, response.Body)
			code, err := harness.Object(t, response.Body.Bytes())["code"].(interface{ Int64() (int64, error) }).Int64()
			require.NoError(t, err)
			require.EqualValues(t, send.code, code)
			require.Equal(t, send.code == 0, stub.RecordCount() > 0)
		})
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

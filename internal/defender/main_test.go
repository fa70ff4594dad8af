// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bytes"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	endpoint = "https://api.example"
	maxBody  = 1 << 20
)

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// handled is a transport that calls the handler in process.
func handled(handler http.HandlerFunc) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		handler(recorder, r)
		response := recorder.Result()
		response.Request = r
		return response, nil
	}
}

// responding is a transport that always returns the same response. The header
// alternates names and values.
func responding(status int, body string, header ...string) roundTrip {
	return handled(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

// clientAt is a client of the endpoint, through the transport.
func clientAt(t testing.TB, endpoint string, transport http.RoundTripper) *Client {
	t.Helper()
	parsed, err := url.Parse(endpoint)
	require.NoError(t, err)
	return NewClient(&http.Client{Transport: transport}, Settings{Endpoint: parsed, MaxBody: maxBody})
}

// get requests incident 1 through the transport.
func get(t testing.TB, transport http.RoundTripper) Result {
	t.Helper()
	return clientAt(t, endpoint, transport).Get(t.Context(), 1)
}

// decodeAs decodes a response to Get that shows all alerts.
func decodeAs(d dialect, id int64, body []byte) (*incident.Snapshot, error) {
	json := newDecoder(nil).reset(bytes.NewReader(body), math.MaxInt64)
	s, rest, err := d.decode(id, json)
	switch {
	case s == nil:
		return nil, err
	case linked(rest):
		return nil, errors.New("there are more alerts")
	}
	json.print.Snapshot(s)
	return s, err
}

// decodePageAs decodes a response to List.
func decodePageAs(d dialect, body []byte, skipped int, keepOriginal bool) Page {
	return decodeListAs(d, body, ListRequest{Skip: skipped}, keepOriginal)
}

// decodeListAs decodes a response to List, to a request.
func decodeListAs(d dialect, body []byte, r ListRequest, keepOriginal bool) Page {
	client := &Client{dialect: d, keepOriginal: keepOriginal}
	page, err := client.decodePage(newDecoder(nil).reset(bytes.NewReader(body), math.MaxInt64), newDecoder(nil), r)
	switch {
	case errors.Is(err, errTooMuch):
		page.Err = oversize(err)
	case err != nil:
		page.Err = malformed(err)
	}
	return page
}

// firstIDAs reads the id of the first row out of a part of a response to List.
func firstIDAs(d dialect, body []byte) int64 {
	return d.rowFields(false).first(newDecoder(nil), body).ID
}

// described is a snapshot without its content and the digests of that.
func described(s *incident.Snapshot) *incident.Snapshot {
	described := *s
	described.Object, described.Fields, described.Evidence = content.Object{}, nil, nil
	described.Alerts = slices.Clone(s.Alerts)
	for i := range described.Alerts {
		described.Alerts[i].Object, described.Alerts[i].Digest = content.Object{}, incident.Digest{}
	}
	return &described
}

// shown is all that a snapshot shows, in a form that compares: the same content is
// kept in more than one way.
func shown(t testing.TB, s *incident.Snapshot) []any {
	t.Helper()
	if s == nil {
		return nil
	}
	all := []any{described(s), s.Fields}
	if s.Shows != incident.SomeAlerts { // which has no object of its own
		all = append(all, raw(t, s.Object))
	}
	for _, alert := range s.Alerts {
		all = append(all, raw(t, alert.Object), alert.Digest)
	}
	return all
}

// shownRow is a row in a form that compares.
func shownRow(t testing.TB, row Row) []any {
	t.Helper()
	all := shown(t, row.Snapshot)
	row.Snapshot = nil
	return append(all, row)
}

// raw is the body of the record that the content becomes.
func raw(t testing.TB, object content.Object) map[string]any {
	t.Helper()
	logs := record.Builder{}.Logs(record.Observation{
		Snapshot: &incident.Snapshot{Object: object}, Change: incident.Change{Kind: incident.FirstSeen},
	})
	return logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Map().AsRaw()
}

// failed is the error of a response without an incident.
func failed(t testing.TB, result Result) *Error {
	t.Helper()
	require.Nil(t, result.Snapshot)
	failure, ok := errors.AsType[*Error](result.Err)
	require.True(t, ok, "%v", result.Err)
	return failure
}

// newSim is a simulator of three incidents that do not change, the first of
// which is 1001. It requires no token and has no limits.
func newSim(t testing.TB, change func(*defendersim.Config)) *defendersim.Sim {
	t.Helper()
	config := defendersim.DefaultConfig()
	config.Incidents, config.MergedShare, config.ChangesPerHour = 3, 0, 0
	config.PerMinute, config.PerHour, config.AllowAnonymous = 0, 0, true
	if change != nil {
		change(&config)
	}
	sim, err := defendersim.New(config)
	require.NoError(t, err)
	return sim
}

// faulty is a simulator that a fault strikes at every request.
func faulty(t testing.TB, fault string) *defendersim.Sim {
	t.Helper()
	sim := newSim(t, nil)
	parsed, err := defendersim.ParseFault(fault)
	require.NoError(t, err)
	require.NoError(t, sim.SetFault(0, defendersim.Rule{Fault: parsed}))
	return sim
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return content
}

// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	jsoniter "github.com/json-iterator/go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/record"
)

// incidentOf is an incident of the simulator, as JSON.
func incidentOf(b *testing.B, alerts, alertBytes int) []byte {
	b.Helper()
	sim := newSim(b, func(c *defendersim.Config) {
		c.AlertsPerIncident, c.AlertBytes, c.NoCompression = alerts, alertBytes, true
		c.Start = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC) // the same incident each time
	})
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, endpoint+"/api/incidents/1001", http.NoBody)
	require.NoError(b, err)
	response, err := sim.RoundTripper().RoundTrip(request)
	require.NoError(b, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	return body
}

// BenchmarkResponse measures how long a response takes from its bytes to its
// records. "one_record" decodes it and builds one record, as generic pollers do,
// and "records" also builds one for each alert; "one_compared" and "compared"
// also make the digests and compare them with nothing; "unchanged" is what most
// polls do: they find what was delivered before, and build nothing. For
// comparison, generic pollers compare nothing: they parse the JSON into a tree
// of any, with encoding/json or jsoniter, and make one record of it.
func BenchmarkResponse(b *testing.B) {
	for _, size := range []struct {
		name               string
		alerts, alertBytes int
	}{{"3kB", 1, 2300}, {"230kB", 120, 1900}} {
		body := incidentOf(b, size.alerts, size.alertBytes)
		for _, way := range []struct {
			name string
			run  func(*ours, io.Reader) (plog.Logs, error)
			want int
		}{
			{"encoding_json", intoAny(json.Unmarshal), 1},
			{"jsoniter", intoAny(jsoniter.ConfigFastest.Unmarshal), 1},
			{"tokens", tokens, 0},
			{"one_record", (*ours).oneRecord, 1},
			{"one_compared", (*ours).oneCompared, 1},
			{"records", (*ours).records, 1 + size.alerts},
			{"compared", (*ours).compared, 1 + size.alerts},
			{"unchanged", (*ours).unchanged, 0},
		} {
			b.Run(size.name+"/"+way.name, func(b *testing.B) {
				o := &ours{dialect: xdr(), json: newDecoder(nil), builder: record.Builder{Host: "api.example"}}
				o.use(incident.Split)
				var from bytes.Reader
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					from.Reset(body)
					logs, err := way.run(o, &from)
					if err != nil || logs.LogRecordCount() != way.want {
						b.Fatal(logs.LogRecordCount(), err)
					}
				}
			})
		}
	}
}

// ours is what this receiver does with a response.
type ours struct {
	dialect   dialect
	json      *decoder
	comparer  *incident.Comparer
	builder   record.Builder
	delivered incident.State
}

// use sets how alerts are treated.
func (o *ours) use(alerts incident.AlertsMode) {
	if o.builder.Alerts != alerts {
		o.builder.Alerts, o.comparer = alerts, incident.NewComparer(alerts, false, nil, 0)
	}
}

func (o *ours) decode(from io.Reader) (*incident.Snapshot, error) {
	s, _, err := o.dialect.decode(1001, o.json.reset(from, math.MaxInt64))
	return s, err
}

func (o *ours) oneRecord(from io.Reader) (plog.Logs, error) {
	o.use(incident.Embedded)
	s, err := o.decode(from)
	if err != nil {
		return plog.Logs{}, err
	}
	return o.builder.Logs(record.Observation{ID: 1001, Snapshot: s, Change: incident.Change{Kind: incident.FirstSeen}}), nil
}

func (o *ours) records(from io.Reader) (plog.Logs, error) {
	s, err := o.decode(from)
	if err != nil {
		return plog.Logs{}, err
	}
	change := incident.Change{Kind: incident.FirstSeen, Alerts: make([]incident.AlertChange, len(s.Alerts))}
	for i := range s.Alerts {
		change.Alerts[i] = incident.AlertChange{Kind: incident.FirstSeen, ID: s.Alerts[i].ID, Alert: &s.Alerts[i]}
	}
	return o.builder.Logs(record.Observation{ID: 1001, Snapshot: s, Change: change}), nil
}

func (o *ours) oneCompared(from io.Reader) (plog.Logs, error) {
	o.use(incident.Embedded)
	return o.compare(from, incident.State{})
}

func (o *ours) compared(from io.Reader) (plog.Logs, error) {
	return o.compare(from, incident.State{})
}

func (o *ours) unchanged(from io.Reader) (plog.Logs, error) {
	if !o.delivered.Seen {
		s, err := o.decode(bytes.NewReader(incidentBytes(from)))
		if err != nil {
			return plog.Logs{}, err
		}
		o.json.print.Snapshot(s)
		_, o.delivered = o.comparer.Compare(incident.State{}, s)
		return plog.NewLogs(), nil
	}
	return o.compare(from, o.delivered)
}

func (o *ours) compare(from io.Reader, delivered incident.State) (plog.Logs, error) {
	s, err := o.decode(from)
	if err != nil {
		return plog.Logs{}, err
	}
	o.json.print.Snapshot(s)
	change, after := o.comparer.Compare(delivered, s)
	return o.builder.Logs(record.Observation{ID: 1001, Snapshot: s, Change: change, After: after}), nil
}

func tokens(_ *ours, from io.Reader) (plog.Logs, error) {
	d := jsontext.NewDecoder(from)
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			return plog.NewLogs(), nil
		} else if err != nil {
			return plog.Logs{}, err
		}
	}
}

func incidentBytes(from io.Reader) []byte {
	body, err := io.ReadAll(from)
	if err != nil {
		panic(err)
	}
	return body
}

// intoAny is the usual way, which turns integers into floats.
func intoAny(unmarshal func([]byte, any) error) func(*ours, io.Reader) (plog.Logs, error) {
	return func(_ *ours, from io.Reader) (plog.Logs, error) {
		body, err := io.ReadAll(from)
		if err != nil {
			return plog.Logs{}, err
		}
		var object map[string]any
		if err := unmarshal(body, &object); err != nil {
			return plog.Logs{}, err
		}
		logs := plog.NewLogs()
		r := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		return logs, r.Body().SetEmptyMap().FromRaw(object)
	}
}

// pageOfHundred is a page as full as it gets, of small incidents.
func pageOfHundred(b *testing.B) []byte {
	b.Helper()
	row := string(incidentOf(b, 1, 2300))
	rows := make([]string, 100)
	for i := range rows {
		rows[i] = strings.Replace(row, `"incidentId":1001`, fmt.Sprintf(`"incidentId":%d`, 2000-i), 1)
	}
	return []byte(pageOf(rows...))
}

func BenchmarkDecodePage(b *testing.B) {
	body := pageOfHundred(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if page := decodePageAs(xdr(), body, 0, false); page.Err != nil || len(page.Rows) != 100 {
			b.Fatal(page.Err)
		}
	}
}

// BenchmarkSweptPage compares the cost of a page of a sweep without changes with that of only decoding its rows.
func BenchmarkSweptPage(b *testing.B) {
	body := pageOfHundred(b)
	client := &Client{dialect: xdr()}
	comparer := incident.NewComparer(incident.Split, false, incident.Ignore(), 0)
	known := map[int64]incident.Summary{}
	for _, row := range decodePageAs(xdr(), body, 0, false).Rows {
		_, state := comparer.Compare(incident.State{}, row.Snapshot)
		known[row.ID] = state.Summary()
	}
	json, rows := newDecoder(nil), newDecoder(nil)
	for _, way := range []struct {
		name string
		run  func() (unchanged int, err error)
	}{
		{"decoded", func() (n int, err error) {
			json.reset(bytes.NewReader(body), math.MaxInt64)
			err = json.members(func(name string) error {
				if name != rowsField {
					return json.json.SkipValue()
				}
				return json.array(func() error {
					raw, err := json.json.ReadValue()
					if err != nil {
						return err
					}
					n++
					_, _, err = client.dialect.decodeIncident(rows.reset(bytes.NewReader(raw), math.MaxInt64))
					return err
				})
			})
			return n, err
		}},
		{"unchanged", func() (n int, err error) {
			page, err := client.decodePage(json.reset(bytes.NewReader(body), math.MaxInt64), rows, ListRequest{})
			for _, row := range page.Rows {
				if comparer.Unchanged(known[row.ID], row.Snapshot) {
					n++
				}
			}
			return n, err
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := way.run(); n != 100 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkDecodePageIntoAny(b *testing.B) {
	body := pageOfHundred(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var page struct{ Value []map[string]any }
		if err := json.Unmarshal(body, &page); err != nil || len(page.Value) != 100 {
			b.Fatal(err)
		}
		for _, object := range page.Value {
			if err := pcommon.NewMap().FromRaw(object); err != nil {
				b.Fatal(err)
			}
		}
	}
}

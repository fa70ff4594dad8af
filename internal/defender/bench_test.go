package defender

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
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

func eachSize(b *testing.B, decode func(body []byte) error) {
	b.Helper()
	for _, size := range []struct{ alerts, alertBytes int }{{1, 2300}, {120, 1900}} {
		body := incidentOf(b, size.alerts, size.alertBytes)
		b.Run(fmt.Sprintf("%.0fkB", float64(len(body))/1000), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	eachSize(b, func(body []byte) error {
		_, err := decodeAs(xdr(), 1001, body)
		return err
	})
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
		if page := xdr().decodePage(body, 0, false); page.Err != nil || len(page.Rows) != 100 {
			b.Fatal(page.Err)
		}
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

// BenchmarkDecodeIntoAny is the usual way, which makes floats of integers.
func BenchmarkDecodeIntoAny(b *testing.B) {
	eachSize(b, func(body []byte) error {
		var object map[string]any
		if err := json.Unmarshal(body, &object); err != nil {
			return err
		}
		return pcommon.NewMap().FromRaw(object)
	})
}

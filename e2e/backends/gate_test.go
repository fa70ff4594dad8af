// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// gate is a middleware in front of a backend that records how it answers.
type gate struct {
	notifier *harness.Notifier
	address  string

	mu       sync.Mutex // guards all that follows
	records  int        // received, accepted or not
	largest  int        // bytes of a decompressed request
	failures []string   // responses other than success
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer g.notifier.Notify()
	status, answer, records, size, err := g.pass(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		status, answer = http.StatusBadGateway, []byte(err.Error())
	}
	g.records += records
	g.largest = max(g.largest, size)
	if status/100 != 2 {
		g.failures = append(g.failures, fmt.Sprintf("%d records, %d bytes: %d %s", records, size, status, answer))
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the collector may be gone
}

// pass forwards a request to the backend.
func (g *gate) pass(r *http.Request) (status int, answer []byte, records, size int, err error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, 0, 0, err
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	body, err := harness.ReadBody(r)
	if err != nil {
		return 0, nil, 0, 0, err
	}
	request := plogotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return 0, nil, 0, 0, err
	}
	on, err := http.NewRequestWithContext(r.Context(), r.Method, g.address+r.URL.Path, bytes.NewReader(sent))
	if err != nil {
		return 0, nil, 0, 0, err
	}
	on.Header = r.Header.Clone()
	answered, err := http.DefaultClient.Do(on)
	if err != nil {
		return 0, nil, 0, 0, err
	}
	defer answered.Body.Close()
	answer, err = io.ReadAll(answered.Body)
	return answered.StatusCode, answer, request.Logs().LogRecordCount(), len(body), err
}

// RecordCount returns how many records came, accepted or not.
func (g *gate) RecordCount() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.records
}

func (g *gate) Problems() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.failures)
}

//go:build unix

package backends

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// otlpSink is an OTLP/HTTP endpoint that takes logs.
type otlpSink struct {
	bell *bell
	path string // where it takes them

	mu       sync.Mutex // guards all that follows
	accepted []plog.Logs
	headers  []http.Header // of what was accepted
	refused  []string
}

// serve lets a handler listen on this machine and returns its address.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func (s *otlpSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.bell.ring()
	body, err := readBody(r)
	request := plogotlp.NewExportRequest()
	if err == nil {
		err = request.UnmarshalProto(body)
	}
	if err == nil && (r.Method != http.MethodPost || r.URL.Path != s.path) {
		err = fmt.Errorf("%s %s", r.Method, r.URL.Path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.refused = append(s.refused, err.Error())
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.accepted = append(s.accepted, request.Logs())
	s.headers = append(s.headers, r.Header)
	answer, err := plogotlp.NewExportResponse().MarshalProto()
	if err != nil {
		s.refused = append(s.refused, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer) // the collector may have gone away
}

func readBody(r *http.Request) ([]byte, error) {
	switch coding := r.Header.Get("Content-Encoding"); coding {
	case "":
		return io.ReadAll(r.Body)
	case "gzip":
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(unzipped)
	default:
		return nil, fmt.Errorf("content encoding %q is not known", coding)
	}
}

// deliveries are all that was accepted, in its order.
func (s *otlpSink) deliveries() []plog.Logs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted)
}

// arrived counts the records of it.
func (s *otlpSink) arrived() int {
	n := 0
	for _, logs := range s.deliveries() {
		n += logs.LogRecordCount()
	}
	return n
}

// problems are what was not accepted, and why.
func (s *otlpSink) problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

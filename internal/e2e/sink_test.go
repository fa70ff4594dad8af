//go:build unix

package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// mood is how a sink meets what is delivered.
type mood int

const (
	accepting mood = iota
	refusing       // 503, until further notice
	silent         // no answer until the other side gives up
)

// sink is the pipeline's end: a backend that takes logs over OTLP/HTTP.
type sink struct {
	bell *bell

	mu       sync.Mutex // guards all that follows
	mood     mood
	accepted []plog.Logs
	bodies   []string // of what was accepted, as it came but not compressed
	refused  []time.Time
	ignored  int // deliveries that got no answer
}

func (s *sink) become(m mood) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = m
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/logs" {
		http.NotFound(w, r)
		return
	}
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer s.bell.ring()
	switch s.take(w, body) {
	case accepting:
	case refusing:
		w.WriteHeader(http.StatusServiceUnavailable)
	case silent:
		s.bell.ring()
		<-r.Context().Done()
	}
}

// take deals with a delivery as the present mood says, up to the answers that
// are not kind.
func (s *sink) take(w http.ResponseWriter, body []byte) mood {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.mood {
	case refusing:
		s.refused = append(s.refused, time.Now())
	case silent:
		s.ignored++
	case accepting:
		request := plogotlp.NewExportRequest()
		if err := request.UnmarshalProto(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return s.mood
		}
		answer, err := plogotlp.NewExportResponse().MarshalProto()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return s.mood
		}
		s.accepted = append(s.accepted, request.Logs())
		s.bodies = append(s.bodies, string(body))
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer) // the collector may have gone away
	}
	return s.mood
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
func (s *sink) deliveries() []plog.Logs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted)
}

func (s *sink) records() []proof.Record { return recordsOf(s.deliveries()) }

func recordsOf(deliveries []plog.Logs) []proof.Record {
	var records []proof.Record
	for _, logs := range deliveries {
		records = append(records, proof.Records(logs)...)
	}
	return records
}

// wire is what was accepted, byte by byte.
func (s *sink) wire() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// refusals are the moments at which a delivery was answered 503.
func (s *sink) refusals() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// unanswered counts the deliveries that got no answer.
func (s *sink) unanswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ignored
}

//go:build unix

package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
	mute           // accepting, and all the same no answer
)

// sink is the pipeline's end: a backend that takes logs over OTLP/HTTP.
type sink struct {
	bell *bell

	mu       sync.Mutex // guards all that follows
	mood     mood
	came     int // deliveries, whatever became of them
	accepted []plog.Logs
	bodies   []string // of what was accepted, as it came but not compressed
	book     *os.File // has a line for each accepted delivery, on the disk before it is answered; nil: there is none
	refused  []time.Time
	ignored  int // deliveries that got no answer
}

// become changes the mood and returns how many deliveries met the ones before.
func (s *sink) become(m mood) (came int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = m
	return s.came
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
	case silent, mute:
		s.bell.ring()
		<-r.Context().Done()
	}
}

// take deals with a delivery as the present mood says, up to the answers that
// are not kind.
func (s *sink) take(w http.ResponseWriter, body []byte) mood {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came++
	switch s.mood {
	case refusing:
		s.refused = append(s.refused, time.Now())
	case silent:
		s.ignored++
	case accepting, mute:
		answer, err := s.accept(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return accepting
		}
		if s.mood == mute {
			s.ignored++
			return mute
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer) // the collector may have gone away
	}
	return s.mood
}

// accept takes a delivery for good and returns the answer to it. The caller
// holds the mutex.
func (s *sink) accept(body []byte) (answer []byte, err error) {
	request := plogotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return nil, err
	}
	if err := s.enter(request.Logs()); err != nil {
		return nil, err
	}
	s.accepted = append(s.accepted, request.Logs())
	s.bodies = append(s.bodies, string(body))
	return plogotlp.NewExportResponse().MarshalProto()
}

// enter writes a delivery into the book, if there is one.
func (s *sink) enter(logs plog.Logs) error {
	if s.book == nil {
		return nil
	}
	text, err := new(plog.JSONMarshaler).MarshalLogs(logs)
	if err != nil {
		return err
	}
	if _, err := s.book.Write(append(text, '\n')); err != nil {
		return err
	}
	return s.book.Sync()
}

// keepBook has all that is accepted from now on written down before it is
// answered.
func (s *sink) keepBook(t *testing.T) {
	t.Helper()
	book, err := os.Create(filepath.Join(t.TempDir(), "book"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, book.Close()) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book = book
}

// written are the deliveries that the book has, in its order.
func (s *sink) written(t *testing.T) []plog.Logs {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := os.ReadFile(s.book.Name())
	require.NoError(t, err)
	var deliveries []plog.Logs
	for line := range bytes.Lines(text) {
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
		require.NoError(t, err)
		deliveries = append(deliveries, logs)
	}
	return deliveries
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

// met counts the deliveries that came.
func (s *sink) met() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came
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

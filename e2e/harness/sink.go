// SPDX-License-Identifier: Apache-2.0

//go:build unix

package harness

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

// Mode is how a sink responds to deliveries.
type Mode int

const (
	// Accept is the default: deliveries are accepted.
	Accept Mode = iota
	// Refuse responds 503.
	Refuse
	// Reject responds 400, which no exporter retries.
	Reject
	// Hang neither accepts nor responds: the client must give up.
	Hang
	// AcceptAndHang accepts deliveries and does not respond.
	AcceptAndHang
)

// Sink is a backend that accepts logs over OTLP/HTTP at /v1/logs.
type Sink struct {
	notifier *Notifier

	mu         sync.Mutex // guards all that follows
	mode       Mode
	limit      int // bytes of a decompressed delivery; 0: none
	received   int // deliveries, accepted or not
	accepted   []plog.Logs
	bodies     []string      // of the accepted deliveries, decompressed
	headers    []http.Header // of the accepted deliveries
	journal    *os.File      // one line for each accepted delivery, synced before the response; nil: no journal
	refused    []time.Time   // when deliveries got 503
	unanswered int           // deliveries that got no response
	problems   []string      // why requests were rejected that are no valid deliveries
}

// NewSink returns a sink that calls n after each delivery.
func NewSink(n *Notifier) *Sink { return &Sink{notifier: n} }

// SetMode changes how the sink responds and returns how many deliveries it
// has received before.
func (s *Sink) SetMode(m Mode) (received int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
	return s.received
}

// SetLimit makes the sink respond with 413 to deliveries of more bytes,
// decompressed. They are among the problems.
func (s *Sink) SetLimit(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = bytes
}

func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.notifier.Notify()
	logs, body, err := readDelivery(r)
	if err != nil {
		s.reject(w, err)
		return
	}
	if hang := s.handle(w, r, logs, body); hang {
		s.notifier.Notify()
		<-r.Context().Done()
	}
}

// readDelivery returns the logs of a request and its decompressed body.
func readDelivery(r *http.Request) (plog.Logs, []byte, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/logs" {
		return plog.Logs{}, nil, fmt.Errorf("unexpected request: %s %s", r.Method, r.URL.Path)
	}
	body, err := ReadBody(r)
	if err != nil {
		return plog.Logs{}, nil, err
	}
	request := plogotlp.NewExportRequest()
	err = request.UnmarshalProto(body)
	return request.Logs(), body, err
}

func (s *Sink) reject(w http.ResponseWriter, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, err.Error())
	http.Error(w, err.Error(), http.StatusBadRequest)
}

// handle processes a delivery according to the mode. It reports whether the
// request is to be left without a response.
func (s *Sink) handle(w http.ResponseWriter, r *http.Request, logs plog.Logs, body []byte) (hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received++
	if s.limit > 0 && len(body) > s.limit {
		s.problems = append(s.problems, fmt.Sprintf("a delivery of %d bytes", len(body)))
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return false
	}
	switch s.mode {
	case Refuse:
		s.refused = append(s.refused, time.Now())
		w.WriteHeader(http.StatusServiceUnavailable)
		return false
	case Reject:
		w.WriteHeader(http.StatusBadRequest)
		return false
	case Hang:
		s.unanswered++
		return true
	case Accept, AcceptAndHang:
	}
	response, err := s.accept(r, logs, body)
	if err != nil {
		s.problems = append(s.problems, err.Error())
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return false
	}
	if s.mode == AcceptAndHang {
		s.unanswered++
		return true
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(response) // the collector may be gone
	return false
}

// accept stores a delivery and returns the response. The caller holds the mutex.
func (s *Sink) accept(r *http.Request, logs plog.Logs, body []byte) (response []byte, err error) {
	if err := s.writeJournal(logs); err != nil {
		return nil, err
	}
	s.accepted = append(s.accepted, logs)
	s.bodies = append(s.bodies, string(body))
	s.headers = append(s.headers, r.Header)
	return plogotlp.NewExportResponse().MarshalProto()
}

func (s *Sink) writeJournal(logs plog.Logs) error {
	if s.journal == nil {
		return nil
	}
	text, err := new(plog.JSONMarshaler).MarshalLogs(logs)
	if err != nil {
		return err
	}
	if _, err := s.journal.Write(append(text, '\n')); err != nil {
		return err
	}
	return s.journal.Sync()
}

// KeepJournal makes the sink write each delivery to disk before it responds.
func (s *Sink) KeepJournal(t *testing.T) {
	t.Helper()
	journal, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, journal.Close()) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = journal
}

// Journal returns the deliveries in the journal, oldest first.
func (s *Sink) Journal(t *testing.T) []plog.Logs {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	return ReadLogs(t, s.journal.Name())
}

// Deliveries returns what was accepted, oldest first.
func (s *Sink) Deliveries() []plog.Logs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted)
}

// Records returns the records of all accepted deliveries.
func (s *Sink) Records() []proof.Record { return RecordsOf(s.Deliveries()) }

// RecordCount returns how many records were accepted.
func (s *Sink) RecordCount() int {
	n := 0
	for _, logs := range s.Deliveries() {
		n += logs.LogRecordCount()
	}
	return n
}

// Bodies returns the decompressed bodies of the accepted deliveries.
func (s *Sink) Bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// Headers returns the headers of the accepted deliveries.
func (s *Sink) Headers() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.headers)
}

// Received returns how many deliveries came, accepted or not.
func (s *Sink) Received() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// Refused returns when deliveries got 503.
func (s *Sink) Refused() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// Unanswered returns how many deliveries got no response.
func (s *Sink) Unanswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unanswered
}

// Problems returns why requests were rejected that are no valid deliveries.
func (s *Sink) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// RecordsOf returns the records of deliveries.
func RecordsOf(deliveries []plog.Logs) []proof.Record {
	var records []proof.Record
	for _, logs := range deliveries {
		records = append(records, proof.Records(logs)...)
	}
	return records
}

// ReadLogs reads a file with one delivery as OTLP JSON on each line.
func ReadLogs(t *testing.T, path string) []plog.Logs {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var deliveries []plog.Logs
	for line := range bytes.Lines(text) {
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
		require.NoError(t, err)
		deliveries = append(deliveries, logs)
	}
	return deliveries
}

// ReadBody reads the body of a request and decompresses it.
func ReadBody(r *http.Request) ([]byte, error) {
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "":
		return io.ReadAll(r.Body)
	case "gzip":
		decompressed, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(decompressed)
	default:
		return nil, fmt.Errorf("unknown content encoding %q", encoding)
	}
}

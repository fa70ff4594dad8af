// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

const (
	hecToken = "00000000-1111-2222-3333-444444444444"
	// maxHECBytes is the maximum size of a request and of an event that Splunk Cloud
	// recommends. Splunk Enterprise accepts more.
	maxHECBytes = 1_000_000
)

// hec is a stub of Splunk's HTTP Event Collector. It accepts the same requests
// and responds with the same codes. If it rejects a request, it stores nothing
// of it.
type hec struct {
	notifier *harness.Notifier

	mu       sync.Mutex // guards all that follows
	accepted []hecEvent
	refused  []hecError
}

// hecEvent is one event as it came.
type hecEvent struct {
	Time       *float64        `json:"time"` // seconds
	Host       string          `json:"host"`
	Source     string          `json:"source"`
	SourceType string          `json:"sourcetype"`
	Index      string          `json:"index"`
	Fields     map[string]any  `json:"fields"`
	Event      json.RawMessage `json:"event"`
}

// hecError is a response other than success.
type hecError struct {
	status int
	Text   string `json:"text"`
	Code   int    `json:"code"`
	Event  *int   `json:"invalid-event-number,omitempty"` // from 0 on
}

func (r hecError) Error() string { return fmt.Sprintf("%d: code %d, %s", r.status, r.Code, r.Text) }

func (h *hec) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer h.notifier.Notify()
	events, err := readEvents(r)
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if refusal, refused := errors.AsType[hecError](err); refused {
		h.refused = append(h.refused, refusal)
		w.WriteHeader(refusal.status)
		_ = json.NewEncoder(w).Encode(refusal) // the collector may be gone
		return
	}
	h.accepted = append(h.accepted, events...)
	_, _ = io.WriteString(w, `{"text":"Success","code":0}`)
}

// readEvents reads the events of a request. The error is a hecError.
func readEvents(r *http.Request) ([]hecEvent, error) {
	body, err := readHEC(r)
	if err != nil {
		return nil, err
	}
	var events []hecEvent
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, hecError{http.StatusBadRequest, "Invalid data format", 6, new(len(events))}
		}
		event, refusal := readEvent(raw)
		if refusal != nil {
			refusal.Event = new(len(events))
			return nil, *refusal
		}
		events = append(events, event)
	}
	if len(events) == 0 {
		return nil, hecError{http.StatusBadRequest, "No data", 5, nil}
	}
	return events, nil
}

// readHEC validates a request and returns its decompressed body.
func readHEC(r *http.Request) ([]byte, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case r.URL.Path != "/services/collector" && r.URL.Path != "/services/collector/event":
		return nil, hecError{http.StatusNotFound, "The requested URL was not found on this server.", 404, nil}
	case r.Method != http.MethodPost:
		return nil, hecError{http.StatusMethodNotAllowed, "Method Not Allowed", 405, nil}
	case scheme == "":
		return nil, hecError{http.StatusUnauthorized, "Token is required", 2, nil}
	case scheme != "Splunk":
		return nil, hecError{http.StatusUnauthorized, "Invalid authorization", 3, nil}
	case token != hecToken:
		return nil, hecError{http.StatusForbidden, "Invalid token", 4, nil}
	case r.Header.Get("Content-Type") != "application/json":
		return nil, hecError{http.StatusBadRequest, "Invalid data format", 6, nil}
	case r.ContentLength > maxHECBytes:
		return nil, hecError{http.StatusRequestEntityTooLarge, "Request entity too large", 27, nil}
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, hecError{http.StatusBadRequest, "Invalid data format", 6, nil}
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, hecError{http.StatusBadRequest, "Invalid data format", 6, nil}
	}
	return text, nil
}

// readEvent decodes and validates one event.
func readEvent(raw json.RawMessage) (hecEvent, *hecError) {
	if len(raw) > maxHECBytes {
		return hecEvent{}, &hecError{http.StatusRequestEntityTooLarge, "Request entity too large", 27, nil}
	}
	var event hecEvent
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&event); err != nil { // including a time or host of the wrong type
		return event, &hecError{http.StatusBadRequest, "Invalid data format", 6, nil}
	}
	switch string(event.Event) {
	case "":
		return event, &hecError{http.StatusBadRequest, "Event field is required", 12, nil}
	case "null", `""`, `" "`, "{}":
		return event, &hecError{http.StatusBadRequest, "Event field cannot be blank", 13, nil}
	}
	for _, value := range event.Fields {
		if !flat(value) {
			return event, &hecError{http.StatusBadRequest, "Error in handling indexed fields", 15, nil}
		}
	}
	return event, nil
}

// flat reports whether a value can be an indexed field: a string, a number, a
// boolean, or an array of those.
func flat(value any) bool {
	switch v := value.(type) {
	case string, json.Number, bool:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(element any) bool {
			_, nested := element.([]any)
			return nested || !flat(element)
		})
	}
	return false
}

// events returns the accepted events, oldest first.
func (h *hec) events() []hecEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.accepted)
}

func (h *hec) RecordCount() int { return len(h.events()) }

// Problems returns the rejections.
func (h *hec) Problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	problems := make([]string, len(h.refused))
	for i, refusal := range h.refused {
		problems[i] = refusal.Error()
	}
	return problems
}

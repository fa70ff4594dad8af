// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"iter"
	"slices"
	"time"
)

// Endpoints as written in the journal.
const (
	EndpointToken    = "Token"
	EndpointIncident = "GetIncident"
	EndpointList     = "ListIncidents"
	EndpointAlerts   = "ListAlerts" // of one incident, which only Graph has
	// EndpointAlertList is Graph's list of the alerts of all incidents, alerts_v2.
	EndpointAlertList = "ListAllAlerts"
	EndpointOther     = "Other" // not part of the API that is played
)

// Request is one request that reached the simulator.
type Request struct {
	// Number counts the requests from 0.
	Number   int
	Time     time.Time
	Ended    time.Time // zero while it is being handled
	API      string    // APIDefenderXDR or APIGraph; "": another call
	Endpoint string
	Method   string
	Path     string
	Query    string // as sent, without the question mark
	ID       int64  // of the incident; 0: none
	// Status is 0 where no response was sent.
	Status int
	// Fault is the fault that was applied, in the form that ParseFault
	// reads; "": none.
	Fault string
	// Bytes of the body as sent, compressed or not.
	Bytes int64
	// State is the index in the incident's history of the state that was served,
	// -1 if none was; Served is when. Graph serves a state with the Get that shows
	// all alerts, or with the last page of alerts if it is still the state that
	// the last Get showed.
	State  int
	Served time.Time
	// Shown is the index of the state that a Get showed, with or without its
	// alerts, or that a page of alerts belongs to, -1 if there is none.
	Shown int
	// Rows are the rows on the page of a List call, in order. They are read-only.
	Rows []Row
	// AlertRows are the rows on the page of the list of alerts, in order.
	// They are read-only.
	AlertRows []AlertRow
}

// Row is a state of an incident that was on a page. Rows of Graph show its own
// fields, and alerts only with $expand.
type Row struct {
	ID int64
	// State is the index in the incident's whole history, -1 if a fault changed
	// the row, or if $select left something out.
	State int
}

// AlertRow is a version of an alert that was on a page of the list of alerts.
type AlertRow struct {
	ID string
	// LastUpdated identifies the version, unless the alert moved silently.
	LastUpdated time.Time
	// Incident is the incident that contained the alert; 0: none.
	Incident int64
	// State is the index in the incident's whole history of the first state with
	// this version of the alert, -1 if a fault changed the row, if $select left
	// something out, or if the alert is in no incident.
	State int
}

// Served is a state of an incident that was sent, by which call and when.
type Served struct {
	At       time.Time
	State    int // index in the incident's whole history
	Endpoint string
}

// journal keeps the newest requests.
type journal struct {
	kept     int // 0: all
	requests []Request
	dropped  int
}

func (j *journal) add(r Request) int {
	r.Number = j.dropped + len(j.requests)
	j.requests = append(j.requests, r)
	// Trimming at twice the size keeps its cost per request constant.
	if j.kept > 0 && len(j.requests) >= 2*j.kept {
		excess := len(j.requests) - j.kept
		j.requests = slices.Delete(j.requests, 0, excess)
		j.dropped += excess
	}
	return r.Number
}

// amend changes an entry, unless it was already forgotten.
func (j *journal) amend(number int, change func(*Request)) {
	if n := number - j.dropped; n >= 0 {
		change(&j.requests[n])
	}
}

// newest returns what is kept.
func (j *journal) newest() []Request {
	if j.kept > 0 && len(j.requests) > j.kept {
		return j.requests[len(j.requests)-j.kept:]
	}
	return j.requests
}

// Journal returns the requests that reached the simulator, oldest first.
func (s *Sim) Journal() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.journal.newest())
}

// Served returns which states of an incident were served, by Get, by Get and
// pages of alerts, and on pages of List, in the order in which the requests
// arrived. Rows of Graph's List do not count: alerts are not on them.
func (s *Sim) Served(id int64) []Served {
	s.mu.Lock()
	defer s.mu.Unlock()
	var served []Served
	for _, r := range s.journal.newest() {
		for row := range r.served() {
			if row.ID == id {
				served = append(served, Served{At: r.Served, State: row.State, Endpoint: r.Endpoint})
			}
		}
	}
	return served
}

// AllServed is Served for all incidents: calling Served for each one scans the
// whole journal every time.
func (s *Sim) AllServed() map[int64][]Served {
	s.mu.Lock()
	defer s.mu.Unlock()
	served := make(map[int64][]Served)
	for _, r := range s.journal.newest() {
		for row := range r.served() {
			served[row.ID] = append(served[row.ID], Served{At: r.Served, State: row.State, Endpoint: r.Endpoint})
		}
	}
	return served
}

// served yields the states that were sent completely.
func (r *Request) served() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		if r.State >= 0 && !yield(Row{r.ID, r.State}) || r.API == APIGraph {
			return
		}
		for _, row := range r.Rows {
			if row.State >= 0 && !yield(row) {
				return
			}
		}
	}
}

// MaxInWindow is MaxInWindowOf for the calls that get one incident: Get, and
// the pages of alerts that belong to it.
func (s *Sim) MaxInWindow(d time.Duration) int {
	return s.mostOf(d, func(r Request) bool { return r.Endpoint == EndpointIncident || r.Endpoint == EndpointAlerts })
}

// MaxInWindowOfAPI is MaxInWindowOf for all calls of an API together, as
// Graph counts them.
func (s *Sim) MaxInWindowOfAPI(api string, d time.Duration) int {
	return s.mostOf(d, func(r Request) bool { return r.API == api })
}

// MaxInWindowOf returns the largest number of requests to an endpoint, of both
// APIs, that arrived within any half-open window of the given length, among
// those in the journal. It includes refused ones.
func (s *Sim) MaxInWindowOf(endpoint string, d time.Duration) int {
	return s.mostOf(d, func(r Request) bool { return r.Endpoint == endpoint })
}

func (s *Sim) mostOf(d time.Duration, counts func(Request) bool) int {
	var arrivals []time.Time
	for _, r := range s.Journal() {
		if counts(r) {
			arrivals = append(arrivals, r.Time)
		}
	}
	return maxInWindow(arrivals, d)
}

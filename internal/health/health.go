// SPDX-License-Identifier: Apache-2.0

// Package health decides whether the API works, and what is logged about it and how often. It
// is pure: the poller passes in every outcome and the time, and carries out the verdict.
//
// Health is kept per endpoint: sign-in, requests for one incident, requests for the list, and
// requests for the list of alerts. A failure that several incidents share puts its endpoint
// into a state, and requests to it pause. Any other failure is the incident's own, and only
// that incident backs off.
//
// Where to look:
//
//   - health.go: what goes in and what comes out; tracker.go: the Tracker, which gets the
//     outcomes; outcomes.go: what follows for an incident
//   - streak.go: an incident's failures; backoff.go: how long it, or an endpoint, waits
//   - endpoint.go: one endpoint; class.go: which failures have one cause; failure_run.go:
//     failures since the last success; state.go: what an endpoint is in; advance.go: what
//     changes with time
//   - evidence.go: failures that say nothing about the endpoint; found.go: a 404 of many
//     incidents; refused.go: an endpoint that returns only 429
//   - naming.go: which incidents are logged by ID; notices.go, messages.go: the log lines
//   - conditions.go: what is logged about everything but the API; duration.go: how log
//     lines show durations
package health

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Endpoint is a part of the API that can fail while the others work.
type Endpoint uint8

// The endpoints, the most important one first.
const (
	SignIn    Endpoint = iota // the token endpoint, behind the auth extension
	Get                       // requests for one incident, or for a page of its alerts
	List                      // requests of the change feed
	AlertList                 // its requests for the list of alerts; never the component's status, since polling shows alerts, too
	endpoints
)

func (e Endpoint) String() string {
	switch e {
	case SignIn:
		return "sign-in"
	case Get:
		return "incident"
	case List:
		return "list"
	case AlertList:
		return "alert list"
	case endpoints:
	}
	return "unknown"
}

// Incident is what a verdict needs to know about the requested incident.
type Incident struct {
	ID int64
	// Streak comes from the last verdict. Nil: the last request succeeded.
	Streak *Streak
	// Delivered: the pipeline has accepted a state of the incident in which it
	// existed. False for an incident recorded as not found.
	Delivered bool
	// Shown: the API has returned the incident, but a part of it failed, such as
	// its alerts. The endpoint works.
	Shown bool
}

// Population is what a verdict needs to know about all incidents.
type Population struct {
	// Tracked is the number of incidents that are requested by ID, and Delivered
	// the number of those with Incident.Delivered set.
	Tracked, Delivered int
	// Interval is the time from one poll of an incident to the next, as the quota
	// allows it. An incident's own backoff depends on it.
	Interval time.Duration
}

// Verdict is what follows from an outcome. The zero value: nothing.
type Verdict struct {
	// Streak replaces the incident's. Nil: it has none. Set only by the methods
	// whose names begin with Incident.
	Streak *Streak
	// Retry is how long to wait before the incident, or the list that failed, is
	// requested again. Zero after a failure: with Pause, until the pause is over;
	// without a token, the schedule does not change.
	Retry time.Duration
	// Hold is how long to send no request to the endpoint Held. Zero: a current
	// hold does not change.
	Hold time.Duration
	// Held is the endpoint of the Hold. SignIn: no request may go to any endpoint.
	Held Endpoint
	// Resume lists endpoints whose hold ends early.
	Resume []Endpoint
	// Pause: the error's RetryAfter concerns the endpoint, or after a 429 all
	// endpoints that share its quota. The caller sends nothing for that long.
	Pause bool
	// Learn: a 429 may show a stricter limit, because it is the first of its
	// incident since the last response. Further ones may concern only that incident.
	Learn bool
	// LogPause: the caller logs the pause. Only with Pause.
	LogPause bool
	// Hung: the request timed out.
	Hung bool
	// Missing: the API does not have the incident.
	Missing bool
	// Release lists incidents that are due at once, in ascending order. Some may
	// have left the roster since.
	Release []int64
	// Notices are the lines to log, in this order.
	Notices []Notice
	// Status is the status to report. Nil: it has not changed.
	Status *Status
}

// Notice is a log line.
type Notice struct {
	Level   zapcore.Level
	Message string
	Fields  []zap.Field
}

// Status is the component's status. A nil Err is OK, any other a recoverable error.
type Status struct{ Err error }

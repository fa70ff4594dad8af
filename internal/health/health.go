// SPDX-License-Identifier: Apache-2.0

// Package health judges whether the API works, and decides what is logged
// about it and how often. It is pure: the poller passes in every outcome and
// the time, and carries out the verdict.
//
// Health is kept per endpoint: sign-in, requests for one incident, requests for
// the list, and those for the list of alerts. A failure that several incidents share puts its
// endpoint into a state, and requests to it pause. Any other failure is the
// incident's own, and only that incident backs off.
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

// Incident is what a verdict needs to know about the incident that was requested.
type Incident struct {
	ID int64
	// Streak is the one of the last verdict. Nil: the last request succeeded.
	Streak *Streak
	// Delivered says that the pipeline has accepted a state of the incident
	// in which it existed. False for an incident recorded as not found.
	Delivered bool
	// Shown says that the API has shown the incident, though what failed is a
	// part of it, such as its alerts. The endpoint works.
	Shown bool
}

// Roster is what a verdict needs to know about all incidents.
type Roster struct {
	// Tracked is the number of incidents that are requested by ID, Delivered
	// that of those for which Incident.Delivered holds.
	Tracked, Delivered int
	// Interval is the time from one poll of an incident to the next, as the
	// quota allows it. An incident's own backoff depends on it.
	Interval time.Duration
}

// Verdict says what follows from an outcome. The zero value: nothing.
type Verdict struct {
	// Streak is the incident's from now on. Nil: it has none. Set by the
	// methods whose names begin with Incident only.
	Streak *Streak
	// Retry is how long to wait before the incident, or the list that failed, is
	// requested again. Zero after a failure: with Pause, until the pause is over; without
	// a token, the schedule stays as it is.
	Retry time.Duration
	// Hold is how long no request may go to the endpoint Held. Zero: a hold that
	// is running stays as it is.
	Hold time.Duration
	// Held is the endpoint of the Hold. SignIn: no request may go to any.
	Held Endpoint
	// Resume lists endpoints whose hold is over before its time.
	Resume []Endpoint
	// Pause says that the error's RetryAfter concerns the endpoint, or after a
	// 429 all that share its quota. The caller sends nothing for that long.
	Pause bool
	// Learn says that a 429 may show a stricter limit: it is the first of its
	// incident since the last answer. Further ones may be about that incident only.
	Learn bool
	// LogPause says that the caller logs the pause, with Pause only.
	LogPause bool
	// Hung says that the request ran into its timeout.
	Hung bool
	// Missing says that the API does not have the incident.
	Missing bool
	// Release lists incidents that are due at once, in ascending order. Some
	// may have left the roster since.
	Release []int64
	// Notices are the lines to log, in this order.
	Notices []Notice
	// Status is the one to report. Nil: it has not changed.
	Status *Status
}

// Notice is a log line.
type Notice struct {
	Level   zapcore.Level
	Message string
	Fields  []zap.Field
}

// Status is the component's status. A nil Err is OK, any other a recoverable
// error.
type Status struct{ Err error }

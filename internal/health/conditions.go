// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// quietFirst is how long a logged condition is not logged again. The time doubles with each further line, up to quietMax.
	quietFirst = 10 * time.Minute
	quietMax   = 6 * time.Hour
	// maxOfAKind is how many lines an hour one kind of event may log.
	maxOfAKind = 10
)

// Conditions decide what is logged about parts other than the API that fail and recover, such as the pipeline and the storage, and about
// events that may be frequent. The zero value is ready to use. It belongs to one goroutine.
type Conditions struct {
	failing map[string]*condition
	events  map[string]*window
}

// condition is one thing that has failed.
type condition struct {
	failures int
	since    time.Time // of the first failure in a row; zero: it works
	last     time.Time // of the last failure
	logged   time.Time // when a failure was last logged
	quiet    time.Duration
	open     bool // the failure was logged, the recovery not yet
}

// window counts the events of one kind in an hour.
type window struct {
	began time.Time
	count int
}

// Failed notes a failure and returns the line to log; nil: none, because a recent line reported it.
func (c *Conditions) Failed(what string, now time.Time, level zapcore.Level, message string, fields ...zap.Field) *Notice {
	if c.failing == nil {
		c.failing = map[string]*condition{}
	}
	f := c.failing[what]
	if f == nil {
		f = &condition{quiet: quietFirst}
		c.failing[what] = f
	}
	f.failures++
	f.last = now
	if f.since.IsZero() {
		f.since = now
	}
	if f.open {
		return nil
	}
	switch last := now.Sub(f.logged); {
	case f.logged.IsZero() || last >= 2*f.quiet:
		f.quiet = quietFirst
	case last < f.quiet:
		return nil
	default:
		f.quiet = min(2*f.quiet, quietMax)
	}
	f.open, f.logged = true, now
	return &Notice{Level: level, Message: message, Fields: fields}
}

// Succeeded notes that something works and returns the line to log, with the number of failures and how long they lasted; nil: none, because
// no failure was logged, or message is empty.
func (c *Conditions) Succeeded(what string, now time.Time, message string, fields ...zap.Field) *Notice {
	f := c.failing[what]
	if f == nil || f.since.IsZero() {
		return nil
	}
	failures, since, open := f.failures, f.since, f.open
	f.failures, f.since, f.open = 0, time.Time{}, false
	if !open || message == "" {
		return nil
	}
	return &Notice{Level: zapcore.InfoLevel, Message: message, Fields: append(fields,
		zap.Int("failures", failures), Duration("after", now.Sub(since).Round(time.Second)),
	)}
}

// Settled is Succeeded for something that may alternately work and fail, such as a full disk: it counts as working once it has not failed for
// calm. Call it while everything that it does works. The line contains the time from the first failure to the last.
func (c *Conditions) Settled(what string, now time.Time, calm time.Duration, message string, fields ...zap.Field) *Notice {
	f := c.failing[what]
	if f == nil || now.Sub(f.last) < calm {
		return nil
	}
	return c.Succeeded(what, f.last, message, fields...)
}

// Event returns the line to log for an event; nil: none, because ten of its kind were logged within the hour. The tenth says that
// no more follow.
func (c *Conditions) Event(kind string, now time.Time, level zapcore.Level, message string, fields ...zap.Field) *Notice {
	if c.events == nil {
		c.events = map[string]*window{}
	}
	w := c.events[kind]
	if w == nil || now.Sub(w.began) >= time.Hour {
		w = &window{began: now}
		c.events[kind] = w
	}
	if w.count++; w.count > maxOfAKind {
		return nil
	}
	if w.count == maxOfAKind {
		fields = append(fields, zap.Bool("suppressing_more_this_hour", true))
	}
	return &Notice{Level: level, Message: message, Fields: fields}
}

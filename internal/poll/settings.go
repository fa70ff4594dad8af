// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/checkpoint"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// Settings are the part of the configuration that polling depends on.
type Settings struct {
	API string // the name in the checkpoint and the log
	// Host of the API, for the records.
	Host string
	// Interval from one poll of an incident to the next, if Limits allow it.
	Interval time.Duration
	// Limits of the requests for single incidents, or of all requests if the API counts them together.
	Limits []quota.Limit
	// MaxConcurrentRequests bounds the requests in flight at once; at least 1.
	MaxConcurrentRequests int
	// Feed is nil when the change feed is off.
	Feed *FeedSettings

	Alerts          incident.AlertsMode
	Snapshots       bool // also emit what has not changed
	IgnoreChanges   []string
	IncludeOriginal bool
}

// FeedSettings are the settings of the change feed.
type FeedSettings struct {
	Interval time.Duration // from one request of the list to the next
	Limits   []quota.Limit // of requests by the feed and by sweeps; unused if Settings.Limits cover all requests
	// Sweep polls incidents by pages of the list if requests for single ones cannot keep up with Settings.Interval.
	Sweep bool
	// AlertFeed also lists changed alerts, if the API has a list of them.
	AlertFeed bool
	// Discover also tracks incidents that are not configured. The first request finds those that changed within Lookback. A discovered
	// incident is forgotten ForgetAfter after it was closed.
	Discover    bool
	Lookback    time.Duration
	ForgetAfter time.Duration
}

// Parts are what an Engine works with. All are required.
type Parts struct {
	Receiver receiver.Settings // its ID, logger and telemetry
	Next     consumer.Logs
	Report   func(*componentstatus.Event)
	Client   *defender.Client
	Store    *checkpoint.Store
	IDs      *idlist.List
	Clock    func() time.Time
}

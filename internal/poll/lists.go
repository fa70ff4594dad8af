// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/feed"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/health"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// listing is what a page of a list was requested for.
type listing uint8

// The listings.
const (
	changes      listing = iota // the feed of incidents: what is new
	alertChanges                // the feed of alerts
	rereads                     // re-reads by the feed of incidents: what appeared late
	alertRereads                // re-reads by the feed of alerts
	sweepPages                  // a sweep: polls
	passPages                   // the first pass through Graph's lists
)

// again returns the listing of a feed's re-reads.
func (l listing) again() listing {
	if l == alertChanges {
		return alertRereads
	}
	return rereads
}

// background reports whether pages of the listing alternate with requests for incidents.
func (l listing) background() bool { return l != changes && l != alertChanges }

// lister is what Feed and Windows have in common.
type lister interface {
	Due() (at time.Time, ok bool)
	Request() defender.ListRequest
	Requested(now time.Time)
	Sent() time.Time
	Arrived(page *defender.Page, at time.Time)
	HasPage() bool
	NextRow() (row defender.Row, arrived time.Time, ok bool)
	TakePage() (page *defender.Page, arrived time.Time)
	Ahead() time.Duration
	FinishPage(page *defender.Page, at time.Time) feed.CallResult
	Failed(at time.Time, wait time.Duration, refused bool) feed.CallResult
	TooLarge(page *defender.Page, at time.Time) (single bool, p feed.CallResult)
	Boundary() time.Time
	Completed() time.Time
	Spacing() time.Duration
	ShownBefore(row defender.Row) bool
}

// changeFeed is one of the feeds: of incidents or of alerts.
type changeFeed struct {
	lister
	listing listing
	windows *feed.Windows // the lister, if the list has no order by change; otherwise nil
}

// endpoint returns the endpoint of the feed's requests.
func (f *changeFeed) endpoint() health.Endpoint {
	if f.listing == alertChanges {
		return health.AlertList
	}
	return health.List
}

// call returns the name of the feed's requests in the metrics.
func (f *changeFeed) call() string { return callOf(f.endpoint()) }

// rereading reports whether the page in flight or the current one belongs to a re-read.
func (f *changeFeed) rereading() bool { return f.windows != nil && f.windows.Rereading() }

// endpointOf returns the endpoint of a request for a page.
func endpointOf(r defender.ListRequest) health.Endpoint {
	if r.Alerts {
		return health.AlertList
	}
	return health.List
}

// callOf returns the name of an endpoint's requests in the metrics.
func callOf(endpoint health.Endpoint) string {
	switch endpoint {
	case health.AlertList:
		return callAlerts
	case health.List:
		return callList
	default:
		return callIncident
	}
}

// feedOf returns the feed of a listing; nil if it belongs to none.
func (e *Engine) feedOf(l listing) *changeFeed {
	switch l {
	case changes, rereads:
		return e.feeds[0]
	case alertChanges, alertRereads:
		return e.feeds[1]
	default:
		return nil
	}
}

// alertFeed returns the feed of alerts; nil if there is none.
func (e *Engine) alertFeed() *changeFeed {
	if len(e.feeds) < 2 {
		return nil
	}
	return e.feeds[1]
}

// openFeeds makes the feeds. They continue from the boundaries of the earlier run.
func (e *Engine) openFeeds(boundary, alerts time.Time, lookback time.Duration, now time.Time) {
	client, interval := e.parts.Client, e.settings.Feed.Interval
	if client.WholeRows() {
		ordered := feed.New(feed.Settings{
			Interval: interval,
			Lookback: lookback,
			MaxTop:   client.MaxTop(),
			Boundary: boundary,
		}, now)
		e.feeds = []*changeFeed{{lister: ordered, listing: changes}}
		return
	}
	incidents := feed.NewWindows(feed.WindowSettings{
		Interval: interval, Lookback: lookback, MaxTop: client.MaxTop(), MaxSkip: client.MaxSkip(), Boundary: boundary,
	}, now)
	e.feeds = []*changeFeed{{lister: incidents, listing: changes, windows: incidents}}
	if !e.listsAlerts() {
		return
	}
	ofAlerts := feed.NewWindows(feed.WindowSettings{
		Alerts: true, Interval: interval, Lookback: feed.Settling, MaxTop: client.MaxAlertTop(), MaxSkip: client.MaxSkip(), Boundary: alerts,
	}, now)
	e.feeds = append(e.feeds, &changeFeed{lister: ofAlerts, listing: alertChanges, windows: ofAlerts})
}

// listsAlerts reports whether the list of alerts is read.
func (e *Engine) listsAlerts() bool {
	return e.settings.Feed.AlertFeed && e.parts.Client.ListsAlerts() && e.settings.Alerts != incident.None
}

// feedsBegan reports whether the feeds will show everything that changes from now on.
func (e *Engine) feedsBegan() bool {
	if len(e.feeds) == 0 || e.feeds[0].Boundary().IsZero() {
		return false
	}
	alerts := e.alertFeed()
	return alerts == nil || !alerts.Boundary().IsZero() || e.health.AlertListDown()
}

// worksWithin is how recently a feed must have completed a call to be relied on.
const worksWithin = 10 * time.Minute

// rowsShowAll reports whether rows of lists show every change of an incident and of its alerts.
func (e *Engine) rowsShowAll(now time.Time) bool {
	if len(e.feeds) == 0 || e.parts.Client.WholeRows() || e.health.ListDown() || now.Sub(e.feeds[0].Completed()) >= worksWithin {
		return false
	}
	if e.settings.Alerts == incident.None {
		return true
	}
	alerts := e.alertFeed()
	return alerts != nil && !e.health.AlertListDown() && now.Sub(alerts.Completed()) < worksWithin
}

// nextReread returns the next page that a feed reads again, and when it may be requested. ok is false if there is none.
func (e *Engine) nextReread(now time.Time) (r request, at time.Time, ok bool) {
	for _, f := range e.feeds {
		if f.windows == nil {
			continue
		}
		due, is := f.windows.RereadDue()
		free, hasRoom := e.room(now, f.endpoint(), e.ahead())
		if !is || !hasRoom {
			continue
		}
		due = latest(due, free)
		if !due.After(now) {
			page := f.windows.RereadRequest()
			return request{page: &page, listing: f.listing.again()}, now, true
		}
		if !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return request{}, at, ok
}

// requested records that the next page of a listing was requested.
func (e *Engine) requested(l listing, now time.Time) {
	switch l {
	case sweepPages:
		e.sweep.Requested(now)
	case passPages:
		e.pass.Requested(now)
	case rereads, alertRereads:
		e.feedOf(l).windows.RereadRequested(now)
	default:
		e.feedOf(l).Requested(now)
	}
}

// pageArrived hands a page to the feed, sweep or pass that requested it.
func (e *Engine) pageArrived(r response) {
	switch r.listing {
	case sweepPages:
		e.sweep.Arrived(r.page, r.at)
	case passPages:
		e.pass.Arrived(r.request, r.page, r.at)
	default:
		e.feedOf(r.listing).Arrived(r.page, r.at)
	}
}

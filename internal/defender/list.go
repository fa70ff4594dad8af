// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// ListRequest asks for one page of a list. That of Defender XDR runs from the
// latest change to the earliest (seen in captures); those of Graph have no order
// unless one is asked for (measured by others).
type ListRequest struct {
	// Alerts asks for the list of alerts instead of the one of incidents. It
	// requires Client.ListsAlerts.
	Alerts bool
	// Since leaves out what changed last before it, and Before what changed last at
	// that time or later, both to the tenth of a microsecond and never more than they
	// say. CreatedSince and CreatedBefore are the same of the time of creation. Zero:
	// nothing is left out.
	Since, Before               time.Time
	CreatedSince, CreatedBefore time.Time
	// Status leaves out rows of any other; empty: none is left out.
	Status string
	// ByCreation asks for the rows that were created first first. Graph does so
	// (measured by others); it is not known that Defender XDR takes it, nor what the
	// next two ask for.
	ByCreation bool
	// Count asks for Page.Total.
	Count bool
	// Narrow asks for the ids and the times of the rows only. They have no Snapshot,
	// and Closed is not known.
	Narrow bool
	// Top is how many rows the page may have: 1 to Client.MaxTop, or to
	// Client.MaxAlertTop.
	Top int
	// Skip is how many rows of the list come before the page.
	Skip int
	// Token is that of an earlier page, which the page follows; empty: Skip counts.
	Token string
}

// Page is what one call of List brought.
type Page struct {
	// Rows are the incidents, or the alerts, in the order of the list.
	Rows []Row
	// Nameless is how many rows were dropped that name no incident, in the list of
	// alerts no alert.
	Nameless int
	// Total is how many rows the list has in all, within the bounds and the status
	// that were asked for, where that was to be counted. 0: not said, or none.
	Total int
	// Next is the Skip of the page that follows. 0: there is none. It is more
	// than the one that was asked for, unless there is a Token, with which an
	// empty page leads on.
	Next  int
	Token string
	// Counted: Next follows from the rows of this page, since its link does not
	// say how many rows to skip. LinkErr says what is wrong with that link; nil:
	// nothing, or there is none.
	Counted bool
	LinkErr error
	// Partial: the API may not have shown all rows, and none of them shows its
	// incident.
	Partial bool
	// First is the incident of the first row, and FirstAlert its alert in the list of
	// alerts, of a page with an Err. 0 and empty: not known.
	First      int64
	FirstAlert string
	// Date of the answer, by the service's clock. Zero: not said.
	Date time.Time

	// Err, Reached, Size and Warning are as in Answer. Oversize asks for a smaller Top.
	// It is never NotFound.
	Err     error
	Reached int
	Size    int
	Warning string
}

// Row is one incident of a page, or one alert.
type Row struct {
	// ID of the incident. 0 only in the list of alerts: the alert is in none, or its
	// row has an Err.
	ID int64
	// Alert is the id of the alert. Empty: the row is one of the list of incidents.
	Alert string
	// LastUpdate and Created are those of the incident, or of the alert. Zero: not
	// known.
	LastUpdate, Created time.Time
	// Closed: nothing is expected of the incident any more. False when Err is
	// not nil, and of an alert.
	Closed bool
	// Snapshot is the incident as the list shows it; its Shows says how much of it
	// that is. Nil when Err is not nil, when the request was Narrow, on a Partial
	// page, of an alert that is in no incident, and of a row of Defender XDR's list
	// that comes without alerts or with 150 or more. A row of incidents without one
	// does not show what has changed: the incident has to be asked for by its id.
	Snapshot *incident.Snapshot
	// Err is an *Error: the row is no sound incident or alert, though it names one.
	// The other rows are none the worse for it.
	Err error
}

// WholeRows says whether a row of the list of incidents shows its incident whole,
// with its alerts.
func (c *Client) WholeRows() bool { return c.dialect.wholeRows }

// ListsAlerts says whether there is a list of the alerts of all incidents.
func (c *Client) ListsAlerts() bool { return c.dialect.alertList != "" }

// MaxTop is the most rows that the API takes being asked for, of incidents.
func (c *Client) MaxTop() int { return c.dialect.maxTop }

// MaxAlertTop is the most rows that a page of alerts may be asked for: Graph takes
// more (1,000, vendor documentation), but a row is 6 to 10 kB. 0: there is no list
// of alerts.
func (c *Client) MaxAlertTop() int { return c.dialect.maxAlertTop }

// MaxSkip is how many rows of a list a page may skip without a token: Graph answers
// more with a 400 (measured by others). 0: not known. List does not refuse more.
func (c *Client) MaxSkip() int { return c.dialect.maxSkip }

// List asks for one page. A request that the API would not take is Rejected
// without being sent.
func (c *Client) List(ctx context.Context, r ListRequest) Page {
	path, maxTop, needed := c.dialect.list, c.dialect.maxTop, c.dialect.access
	if r.Alerts {
		path, maxTop, needed = c.dialect.alertList, c.dialect.maxAlertTop, c.dialect.alertAccess
	}
	switch {
	case path == "":
		return Page{Err: &Error{Kind: Rejected, Err: errors.New("the API has no list of alerts")}}
	case r.Top < 1 || r.Top > maxTop || r.Skip < 0:
		return Page{Err: &Error{
			Kind: Rejected, Err: fmt.Errorf("a page must have 1 to %d rows and cannot skip a negative number of rows", maxTop),
		}}
	}
	address := c.endpoint.JoinPath(path)
	address.RawQuery = c.dialect.query(r)
	rows := c.decoder()
	var page Page
	reply := c.ask(ctx, call{address, needed, c.maxBody, func(json *decoder) (err error) {
		page, err = c.decodePage(json, rows, r)
		return err
	}})
	if reply.err != nil {
		page = Page{First: page.First, FirstAlert: page.FirstAlert, Err: unlisted(reply.err, r.Alerts)}
	} else {
		c.release(rows, int64(reply.size))
	}
	page.Date, page.Reached, page.Size = reply.date, reply.reached, reply.size
	page.Partial, page.Warning = reply.partial, reply.warning
	if page.Partial {
		for i := range page.Rows {
			page.Rows[i].Snapshot = nil
		}
	}
	return page
}

// unlisted keeps a 404 from being taken for that of an incident. The list of
// incidents is always there; that of alerts is missing on one of Microsoft's clouds
// (vendor documentation).
func unlisted(err error, alerts bool) error {
	if failure, ok := errors.AsType[*Error](err); ok && failure.Kind == NotFound {
		failure.Kind = Rejected
		failure.Err = errors.New("there is no list of incidents; check http::endpoint")
		if alerts {
			failure.Err = errors.New("there is no list of alerts")
		}
	}
	return err
}

// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// ListRequest requests one page of a list. Defender XDR's list runs from the
// latest change to the earliest (seen in captures); Graph's lists have no order
// unless one is requested (measured by others).
type ListRequest struct {
	// Alerts requests the list of alerts instead of the list of incidents.
	// It requires Client.ListsAlerts.
	Alerts bool
	// Since excludes rows that last changed before it, and Before rows that
	// changed at that time or later, both to the tenth of a microsecond and never
	// more than that. CreatedSince and CreatedBefore do the same for the time of
	// creation. Zero: nothing is excluded.
	Since, Before               time.Time
	CreatedSince, CreatedBefore time.Time
	// Status excludes rows with any other status; empty: none.
	Status string
	// ByCreation requests the oldest rows first, by creation. Graph supports
	// it (measured by others); whether Defender XDR supports it or the next
	// two is not known.
	ByCreation bool
	// Count requests Page.Total.
	Count bool
	// Narrow requests only the IDs and times of the rows. They have no Snapshot,
	// and Closed is not known.
	Narrow bool
	// Top is the size of the page in rows: 1 to Client.MaxTop,
	// or to Client.MaxAlertTop.
	Top int
	// Skip is how many rows of the list precede the page.
	Skip int
	// Token is the Token of an earlier page, which this page follows;
	// empty: Skip counts.
	Token string
}

// Page is the result of one List request.
type Page struct {
	// Rows are the incidents, or the alerts, in the order of the list.
	Rows []Row
	// Nameless is how many rows were dropped because they have no incident ID, or
	// in the list of alerts no alert ID.
	Nameless int
	// Total is how many rows the whole list has, within the requested bounds and
	// status, if Count was requested. 0: missing, or none.
	Total int
	// Next is the Skip of the next page. 0: there is none. It is more than
	// the requested Skip, unless there is a Token, which also continues after
	// an empty page.
	Next  int
	Token string
	// Counted: Next was computed from the rows of this page, because its link does
	// not say how many rows to skip. LinkErr says what is wrong with that link;
	// nil: nothing, or there is none.
	Counted bool
	LinkErr error
	// Partial: the API may not have returned all rows, and no row has a Snapshot.
	Partial bool
	// First is the incident of the first row of a page with an Err, and FirstAlert
	// its alert in the list of alerts. 0 and empty: not known.
	First      int64
	FirstAlert string
	// Date of the response, by the service's clock. Zero: missing.
	Date time.Time

	// Err, Reached, Size and Warning are as in Result. After Oversize, request a
	// smaller Top. Err is never NotFound.
	Err     error
	Reached int
	Size    int
	Warning string
}

// Row is one incident of a page, or one alert.
type Row struct {
	// ID of the incident. 0 only in the list of alerts: the alert is in no
	// incident, or its row has an Err.
	ID int64
	// Alert is the ID of the alert. Empty: the row is one of the
	// list of incidents.
	Alert string
	// LastUpdate and Created are those of the incident, or of the alert.
	// Zero: not known.
	LastUpdate, Created time.Time
	// Closed: no more changes of the incident are expected. False if Err is not
	// nil, and for an alert.
	Closed bool
	// Snapshot is the incident as the list shows it; its Shows says how much of it
	// that is. It is nil if Err is not nil, if the request was Narrow, on a
	// Partial page, for an alert that is in no incident, and for a row of Defender
	// XDR's list with no alerts or with 150 or more. A row of incidents without a
	// Snapshot does not show what has changed: request the incident by its ID.
	Snapshot *incident.Snapshot
	// Err is an *Error: the row is not a valid incident or alert, though it has an
	// ID. It does not affect other rows.
	Err error
}

// WholeRows reports whether a row of the list of incidents shows the whole
// incident, with its alerts.
func (c *Client) WholeRows() bool { return c.dialect.wholeRows }

// ListsAlerts reports whether there is a list of the alerts of all incidents.
func (c *Client) ListsAlerts() bool { return c.dialect.alertList != "" }

// MaxTop is the largest page of incidents that the API accepts, in rows.
func (c *Client) MaxTop() int { return c.dialect.maxTop }

// MaxAlertTop is the largest page of alerts to request, in rows: Graph accepts
// more (1,000, vendor documentation), but a row is 6 to 10 kB. 0: there is no
// list of alerts.
func (c *Client) MaxAlertTop() int { return c.dialect.maxAlertTop }

// MaxSkip is how many rows of a list a page may skip without a token: Graph
// responds with 400 to more (measured by others). 0: not known. List does
// not check it.
func (c *Client) MaxSkip() int { return c.dialect.maxSkip }

// List requests one page. A request that the API would not accept is Rejected
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
	reply := c.do(ctx, call{address, needed, c.maxBody, func(json *decoder) (err error) {
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

// unlisted changes a 404, which would mean that an incident is missing. The
// list of incidents always exists; that of alerts is missing on one of
// Microsoft's clouds (vendor documentation).
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

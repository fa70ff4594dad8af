package defender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// ListRequest asks for one page of the list of incidents, which runs from the
// latest change to the earliest (seen in captures).
type ListRequest struct {
	// Since leaves out what changed last before it, to the tenth of a
	// microsecond. Zero: nothing is left out.
	Since time.Time
	// Status leaves out incidents of any other; empty: none is left out.
	Status string
	// Top is how many rows the page may have: 1 to Client.MaxTop.
	Top int
	// Skip is how many rows of the list come before the page.
	Skip int
	// Token is that of an earlier page, which the page follows; empty: Skip counts.
	Token string
}

// Page is what one call of List brought.
type Page struct {
	// Rows are the incidents, in the order of the list.
	Rows []Row
	// Nameless is how many rows were dropped that name no incident.
	Nameless int
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
	// First is the incident of the first row, of a page with an Err.
	// 0: not known.
	First int64
	// Date of the answer, by the service's clock. Zero: not said.
	Date time.Time

	// Err, Reached, Size and Warning are as in Answer. Oversize asks for a smaller Top.
	// It is never NotFound.
	Err     error
	Reached int
	Size    int
	Warning string
}

// Row is one incident of a page.
type Row struct {
	ID int64
	// LastUpdate is the zero time where it is not known.
	LastUpdate time.Time
	// Closed: nothing is expected of the incident any more. False when Err is
	// not nil.
	Closed bool
	// Snapshot is the incident as the list shows it. Nil where the row does not
	// show it whole, and it has to be asked for by its id: when Err is not nil,
	// where the list, the page or the row comes without alerts, with 150 alerts
	// or more, and on a Partial page.
	Snapshot *incident.Snapshot
	// Err is an *Error: the row is no sound incident, though it names one. The
	// other rows are none the worse for it.
	Err error
}

// WholeRows says whether a row of the list shows its incident whole, with its alerts.
func (c *Client) WholeRows() bool { return c.dialect.wholeRows }

// MaxTop is the most rows that the API takes being asked for.
func (c *Client) MaxTop() int { return c.dialect.maxTop }

// List asks for one page. A request that the API would not take is Rejected
// without being sent.
func (c *Client) List(ctx context.Context, r ListRequest) Page {
	if r.Top < 1 || r.Top > c.dialect.maxTop || r.Skip < 0 {
		return Page{Err: &Error{
			Kind: Rejected, Err: fmt.Errorf("a page of a list has 1 to %d rows and skips none or more", c.dialect.maxTop),
		}}
	}
	address := c.endpoint.JoinPath(c.dialect.list)
	address.RawQuery = c.dialect.query(r)
	rows := c.decoder()
	var page Page
	reply := c.ask(ctx, address, c.maxBody, func(json *decoder) (err error) {
		page, err = c.decodePage(json, rows, r.Skip)
		return err
	})
	if reply.err != nil {
		page = Page{First: page.First, Err: unlisted(reply.err)}
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

// unlisted keeps a 404 from being taken for that of an incident: the list is
// always there.
func unlisted(err error) error {
	if failure, ok := errors.AsType[*Error](err); ok && failure.Kind == NotFound {
		failure.Kind = Rejected
		failure.Err = errors.New("there is no list of incidents: is http::endpoint right?")
	}
	return err
}

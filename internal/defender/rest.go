// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

const (
	// maxLinkToken bounds the token in a link to a page, in bytes.
	maxLinkToken = 2 << 10
	// maxPages bounds the pages of an incident's alerts, and maxBarren
	// consecutive pages without an alert that link to another. Graph may send
	// such a page (vendor documentation).
	maxPages  = 1000
	maxBarren = 10
)

// Rest is an incident whose remaining alerts are still to be requested: Get
// and Continue bring one page each. It holds the pages so far, within the
// bounds of one incident.
type Rest struct {
	snapshot *incident.Snapshot
	size     int64 // of all bodies, in bytes
	values   int   // of all pages
	pages    int   // that were read
	barren   int   // consecutive pages without an alert
	added    int   // alerts that the last page brought

	// Where the next page begins: at a token, or after this many alerts. Neither:
	// it is the first.
	token string
	skip  int
}

// ID of the incident.
func (r *Rest) ID() int64 { return r.snapshot.ID }

// Continue requests the next page of an incident's alerts, as Get does. The
// response concerns the incident, but a page that is not found does not mean
// that the incident is gone.
func (c *Client) Continue(ctx context.Context, r *Rest) Result {
	address := c.endpoint.JoinPath(c.dialect.path(r.ID()), c.dialect.alerts)
	address.RawQuery = r.query()
	var link jsontext.Value
	reply := c.do(ctx, call{address, c.dialect.access, c.maxBody - r.size, func(json *decoder) (err error) {
		link, err = r.read(c.dialect, json)
		return err
	}})
	result := Result{Reached: reply.reached, Size: reply.size, Pages: r.pages + 1, Date: reply.date, Warning: reply.warning}
	if reply.err != nil {
		return r.fail(pageless(reply.err), result)
	}
	r.size += int64(reply.size)
	r.snapshot.Incomplete = r.snapshot.Incomplete || reply.partial
	return r.follow(link, result)
}

// query requests the next page. A page that skips alerts begins with the last
// known one: if the response does not, the list has moved in the meantime.
func (r *Rest) query() string {
	switch {
	case r.token != "":
		return tokenOption + "=" + url.QueryEscape(r.token)
	case r.skip > 0:
		return fmt.Sprintf("%s=%d", skipOption, r.skip-1)
	}
	return ""
}

// fail returns that no more alerts can be read, with what is known so far.
func (r *Rest) fail(err error, result Result) Result {
	r.snapshot.Incomplete = true
	result.Err, result.Partial = err, r.snapshot
	return result
}

// follow returns the incident, or a Rest if there is a link to more. Only the
// position is taken from the link: the request goes to the endpoint.
func (r *Rest) follow(link jsontext.Value, result Result) Result {
	if !linked(link) {
		result.Snapshot = r.snapshot
		return result
	}
	skip, token, err := options(link)
	switch {
	case err != nil:
	case token == "" && skip < 1:
		err = fmt.Errorf("the nextLink leads to %s %d", skipOption, skip)
	case result.Pages > 1 && r.added == 0 && skip == r.skip && token == r.token:
		err = errors.New("the nextLink leads to no new alert")
	case r.barren > maxBarren:
		err = fmt.Errorf("more than %d pages without a new alert", maxBarren)
	case result.Pages >= maxPages:
		err = fmt.Errorf("more than %d pages of alerts", maxPages)
	}
	if err != nil {
		return r.fail(malformed(err), result)
	}
	r.skip, r.token, r.pages = skip, token, result.Pages
	result.Rest = r
	return result
}

// read adds a page of alerts and returns the link to the next.
func (r *Rest) read(d dialect, json *decoder) (link jsontext.Value, err error) {
	json.limits.Found = r.values
	var alerts []incident.Alert
	listed := false
	err = json.members(func(name string) error {
		switch name {
		case rowsField:
			if listed {
				return fmt.Errorf("%s twice", rowsField)
			}
			listed = true
			alerts, err = d.decodeAlerts(json)
			return err
		case linkField:
			if link != nil {
				return fmt.Errorf("%s twice", linkField)
			}
			link, err = json.link()
			return err
		}
		return json.json.SkipValue()
	})
	switch {
	case err != nil:
		return nil, err
	case !listed:
		return nil, fmt.Errorf("no %s", rowsField)
	}
	if err := json.end(); err != nil {
		return nil, err
	}
	json.print.Alerts(alerts)
	r.values = json.limits.Found
	return link, r.add(alerts)
}

// add adds the alerts of a page. A known alert has moved from page to page; the
// copy that was read last is newer.
func (r *Rest) add(alerts []incident.Alert) error {
	s := r.snapshot
	if r.skip > 0 && r.token == "" && !continues(s.Alerts, alerts) {
		s.Incomplete = true // an alert that moved between the pages may be on neither
	}
	known := make(map[string]int, len(s.Alerts))
	for i := range s.Alerts {
		known[s.Alerts[i].ID] = i
	}
	before := len(s.Alerts)
	if s.Alerts == nil {
		s.Alerts = []incident.Alert{}
	}
	for _, alert := range alerts {
		switch i, again := known[alert.ID]; {
		case again:
			s.Alerts[i] = alert
		case len(s.Alerts) == maxAlerts:
			return fmt.Errorf("more than %d alerts", maxAlerts)
		default:
			s.Alerts = append(s.Alerts, alert)
		}
	}
	r.barren++
	if r.added = len(s.Alerts) - before; r.added > 0 {
		r.barren = 0
	}
	return nil
}

// continues reports whether a page begins with the last alert of
// the pages before.
func continues(before, page []incident.Alert) bool {
	last := len(before) - 1
	return last >= 0 && len(page) > 0 && page[0].ID == before[last].ID
}

// pageless changes a 404, which would mean that the incident is missing.
func pageless(err error) error {
	if failure, ok := errors.AsType[*Error](err); ok && failure.Kind == NotFound {
		failure.Kind = Malformed
		failure.Err = errors.New("the incident's link to more alerts leads to a 404")
	}
	return err
}

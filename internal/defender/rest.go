package defender

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// maxLinkToken bounds the token of a link to more alerts, in bytes.
const maxLinkToken = 2 << 10

// Rest is an incident of which some alerts are still to be asked for: Get and
// Continue bring a page of them each. It holds what the pages have brought so
// far, within the bounds of one incident.
type Rest struct {
	snapshot *incident.Snapshot
	size     int64 // of all bodies, in bytes
	values   int   // of all pages
	pages    int   // that were read

	// Where the next page begins: by a token, or behind so many alerts.
	token string
	skip  int
}

// ID of the incident.
func (r *Rest) ID() int64 { return r.snapshot.ID }

// Continue asks for the next page of an incident's alerts: a request like Get.
// Its answer is about the incident, but that a page is not found does not say
// that the incident is gone.
func (c *Client) Continue(ctx context.Context, r *Rest) Answer {
	address := c.endpoint.JoinPath(c.dialect.path(r.ID()), c.dialect.alerts)
	address.RawQuery = r.query()
	var link jsontext.Value
	reply := c.ask(ctx, address, c.maxBody-r.size, func(json *decoder) (err error) {
		link, err = r.read(c.dialect, json)
		return err
	})
	answer := Answer{Err: pageless(reply.err), Reached: reply.reached, Size: reply.size, Pages: r.pages + 1}
	if reply.err != nil {
		return answer
	}
	r.size += int64(reply.size)
	return r.follow(link, answer)
}

// query asks for the next page. A page that skips alerts begins with the last
// one that is known: when it does not, the list has moved meanwhile.
func (r *Rest) query() string {
	if r.token != "" {
		return tokenOption + "=" + url.QueryEscape(r.token)
	}
	return fmt.Sprintf("%s=%d", skipOption, r.skip-1)
}

// follow answers with the incident, or with its rest where there is a link to
// more. Of that link only the place is taken: the request goes to the endpoint.
func (r *Rest) follow(link jsontext.Value, answer Answer) Answer {
	if !linked(link) {
		answer.Snapshot = r.snapshot
		return answer
	}
	skip, token, err := options(link)
	switch {
	case err != nil:
	case len(token) > maxLinkToken:
		err = fmt.Errorf("a %s of more than %d bytes in the nextLink", tokenOption, maxLinkToken)
	case token == "" && skip < 1:
		err = fmt.Errorf("the nextLink leads to %s %d", skipOption, skip)
	}
	if err != nil {
		answer.Err = malformed(err)
		return answer
	}
	r.skip, r.token, r.pages = skip, token, answer.Pages
	answer.Rest = r
	return answer
}

// read takes up a page of alerts and returns the link to the next. Each page has
// to bring an alert that is new if it has such a link, so that the pages end.
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
	added := r.add(alerts)
	switch {
	case len(r.snapshot.Alerts) > maxAlerts:
		return nil, fmt.Errorf("more than %d alerts", maxAlerts)
	case added == 0 && linked(link):
		return nil, errors.New("the nextLink leads to no further alert")
	}
	return link, nil
}

// add takes up the alerts of a page and says how many are new. One that is there
// already has moved from page to page: as it was read last it is newer.
func (r *Rest) add(alerts []incident.Alert) (added int) {
	s := r.snapshot
	if r.token == "" && !continues(s.Alerts, alerts) {
		s.Incomplete = true // what has moved out of sight is in neither page
	}
	known := make(map[string]int, len(s.Alerts))
	for i := range s.Alerts {
		known[s.Alerts[i].ID] = i
	}
	for _, alert := range alerts {
		if i, again := known[alert.ID]; again {
			s.Alerts[i] = alert
			continue
		}
		s.Alerts = append(s.Alerts, alert)
		added++
	}
	return added
}

// continues says that a page begins with the last alert of the pages before.
func continues(before, page []incident.Alert) bool {
	last := len(before) - 1
	return last >= 0 && len(page) > 0 && page[0].ID == before[last].ID
}

// pageless keeps a 404 from being taken for that of the incident.
func pageless(err error) error {
	if failure, ok := errors.AsType[*Error](err); ok && failure.Kind == NotFound {
		failure.Kind = Malformed
		failure.Err = errors.New("the incident has a link to more alerts, and they are not there")
	}
	return err
}

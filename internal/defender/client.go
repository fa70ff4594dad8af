// SPDX-License-Identifier: Apache-2.0

// Package defender is the API: it asks for incidents and says, typed, what
// came back. It never waits, never retries and remembers nothing: when to ask
// again is for others to decide.
package defender

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// Client asks the API. It is safe for concurrent use.
type Client struct {
	http         *http.Client
	endpoint     *url.URL
	maxBody      int64 // bytes, decoded
	keepOriginal bool
	ignored      incident.Ignored
	noAlerts     bool
	dialect      dialect
	decoders     sync.Pool // of *decoder
}

// Settings are those of a Client.
type Settings struct {
	// API to ask. Empty: XDR.
	API API
	// Endpoint is the API's scheme and host, perhaps a path.
	Endpoint *url.URL
	// MaxBody is how many bytes the bodies of an incident, or of a page of the
	// list, may have once decoded.
	MaxBody int64
	// KeepOriginal has snapshots carry their JSON.
	KeepOriginal bool
	// Ignored are the names of fields that the digests leave out.
	Ignored incident.Ignored
	// NoAlerts: nobody looks at the alerts, so they are not requested where the
	// API can leave them out.
	NoAlerts bool
}

// Answer is what one request for an incident brought.
type Answer struct {
	// Snapshot is the incident; nil when Err or Rest is not.
	Snapshot *incident.Snapshot
	// Rest: the incident has more alerts than the answer shows. To be asked for
	// with Continue before it is known what the incident is.
	Rest *Rest
	// Partial is what is known of the incident although Err says that more of
	// its alerts could not be read. It is Incomplete. Nil: nothing is.
	Partial *incident.Snapshot
	// Other is set when the answer shows another incident without saying that
	// this one was merged, which Err says, too: it is this incident, as merged
	// into the other.
	Other *incident.Snapshot
	// Err is an *Error, or the context's error when the call was given up.
	Err error
	// Reached is how many requests reached the API's host: none without a
	// token or a connection, more than one when the transport repeated it.
	Reached int
	// Size of the body in bytes, decoded.
	Size int
	// Pages is how many answers have shown the incident, this one included.
	Pages int
	// Date of the answer, by the service's clock, in whole seconds. Zero: not said.
	Date time.Time
	// Warning is what the answer's Warning header says, bounded and in printable
	// ASCII. Empty: there is none.
	Warning string
}

// NewClient asks through the given client, of which it takes a copy that
// follows no redirect.
func NewClient(client *http.Client, s Settings) *Client {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		http: &own, endpoint: s.Endpoint, maxBody: s.MaxBody, keepOriginal: s.KeepOriginal, ignored: s.Ignored, noAlerts: s.NoAlerts,
		dialect: dialectOf(s.API),
	}
}

// OneBudget says that the API limits all calls together, so that a 429 to one
// is about all.
func (c *Client) OneBudget() bool { return c.dialect.oneBudget }

// CanSeparate says that an incident can be requested without its alerts, and they
// separately.
func (c *Client) CanSeparate() bool { return c.dialect.expand != "" && !c.noAlerts }

// Get asks for one incident. An id that is not positive is Rejected without a
// request.
func (c *Client) Get(ctx context.Context, id int64) Answer {
	if c.noAlerts {
		return c.get(ctx, id, "")
	}
	return c.get(ctx, id, c.dialect.expand)
}

// GetSeparately is Get without the alerts. Its answer has a Rest, which brings all
// of them: one request more than Get, for incidents that the API does not show
// together with their alerts. It requires CanSeparate.
func (c *Client) GetSeparately(ctx context.Context, id int64) Answer {
	answer := c.get(ctx, id, "")
	if s := answer.Snapshot; s != nil && !s.Merged {
		answer.Snapshot, answer.Rest = nil, &Rest{snapshot: s, size: int64(answer.Size), pages: 1}
	}
	return answer
}

func (c *Client) get(ctx context.Context, id int64, query string) Answer {
	if id <= 0 {
		return Answer{Err: &Error{Kind: Rejected, Err: errors.New("an incident ID must be positive")}}
	}
	address := c.endpoint.JoinPath(c.dialect.path(id))
	address.RawQuery = query
	rest := &Rest{}
	var link jsontext.Value
	reply := c.ask(ctx, call{address, c.dialect.access, c.maxBody, func(json *decoder) (err error) {
		json.body.keep = c.keepOriginal
		rest.snapshot, link, err = c.dialect.decode(id, json)
		if rest.snapshot == nil {
			return err
		}
		json.print.Snapshot(rest.snapshot)
		if c.keepOriginal {
			rest.snapshot.Original = validUTF8(json.body.kept)
		}
		rest.values = json.limits.Found
		return err
	}})
	answer := Answer{Err: reply.err, Reached: reply.reached, Size: reply.size, Pages: 1, Date: reply.date, Warning: reply.warning}
	switch {
	case errors.Is(reply.err, errAnotherIncident):
		answer.Other = rest.snapshot
		return answer
	case reply.err != nil:
		return answer
	}
	rest.snapshot.Incomplete = reply.partial
	rest.size = int64(reply.size)
	if query != c.dialect.expand {
		link = nil // nobody asked for alerts
	}
	return rest.follow(link, answer)
}

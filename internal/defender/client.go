// SPDX-License-Identifier: Apache-2.0

// Package defender is a client of the API: it requests incidents and returns
// typed results and errors. It never waits, never retries and remembers
// nothing: the caller decides when to try again.
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

// Client sends requests to the API. It is safe for concurrent use.
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

// Settings configure a Client.
type Settings struct {
	// API to use. Empty: XDR.
	API API
	// Endpoint is the API's scheme and host, and possibly a path.
	Endpoint *url.URL
	// MaxBody is the largest body of an incident or of a page of the list, in
	// bytes after decompression.
	MaxBody int64
	// KeepOriginal adds the JSON to each snapshot.
	KeepOriginal bool
	// Ignored are the names of fields that the digests leave out.
	Ignored incident.Ignored
	// NoAlerts means that nobody reads the alerts, so they are not requested where
	// the API can leave them out.
	NoAlerts bool
}

// Result is what came of one request for an incident.
type Result struct {
	// Snapshot is the incident; nil when Err or Rest is not.
	Snapshot *incident.Snapshot
	// Rest is set if the incident has more alerts than the response shows. Request
	// them with Continue to get the whole incident.
	Rest *Rest
	// Partial is what is known of the incident when Err says that more of its
	// alerts could not be read. It is Incomplete. Nil: nothing is known.
	Partial *incident.Snapshot
	// Other is set when the response shows another incident without saying that
	// this one was merged into it. Err is then set too. Other is this incident as
	// it would be if it had been merged.
	Other *incident.Snapshot
	// Err is an *Error, or the context's error if the context ended first.
	Err error
	// Reached is how many requests reached the API's host: none without a token or
	// a connection, more than one if the transport repeated the request.
	Reached int
	// Size of the body in bytes, after decompression.
	Size int
	// Pages is how many responses have shown the incident, including this one.
	Pages int
	// Date of the response, by the service's clock, in whole
	// seconds. Zero: missing.
	Date time.Time
	// Warning is the response's Warning header, bounded and in printable ASCII.
	// Empty: there is none.
	Warning string
}

// NewClient uses a copy of the given client that follows no redirect.
func NewClient(client *http.Client, s Settings) *Client {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		http: &own, endpoint: s.Endpoint, maxBody: s.MaxBody, keepOriginal: s.KeepOriginal, ignored: s.Ignored, noAlerts: s.NoAlerts,
		dialect: dialectOf(s.API),
	}
}

// OneBudget reports whether the API has one limit for all requests, so that any
// 429 concerns all of them.
func (c *Client) OneBudget() bool { return c.dialect.oneBudget }

// CanSeparate reports whether an incident can be requested without its alerts,
// and they separately.
func (c *Client) CanSeparate() bool { return c.dialect.expand != "" && !c.noAlerts }

// Get requests one incident. If id is not positive, the result is Rejected and
// nothing is sent.
func (c *Client) Get(ctx context.Context, id int64) Result {
	if c.noAlerts {
		return c.get(ctx, id, "")
	}
	return c.get(ctx, id, c.dialect.expand)
}

// GetSeparately is Get without the alerts. It returns a Rest that brings all of
// them: one request more than Get, for incidents that the API cannot show
// together with their alerts. It requires CanSeparate.
func (c *Client) GetSeparately(ctx context.Context, id int64) Result {
	result := c.get(ctx, id, "")
	if s := result.Snapshot; s != nil && !s.Merged {
		result.Snapshot, result.Rest = nil, &Rest{snapshot: s, size: int64(result.Size), pages: 1}
	}
	return result
}

func (c *Client) get(ctx context.Context, id int64, query string) Result {
	if id <= 0 {
		return Result{Err: &Error{Kind: Rejected, Err: errors.New("an incident ID must be positive")}}
	}
	address := c.endpoint.JoinPath(c.dialect.path(id))
	address.RawQuery = query
	rest := &Rest{}
	var link jsontext.Value
	reply := c.do(ctx, call{address, c.dialect.access, c.maxBody, func(json *decoder) (err error) {
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
	result := Result{Err: reply.err, Reached: reply.reached, Size: reply.size, Pages: 1, Date: reply.date, Warning: reply.warning}
	switch {
	case errors.Is(reply.err, errAnotherIncident):
		result.Other = rest.snapshot
		return result
	case reply.err != nil:
		return result
	}
	rest.snapshot.Incomplete = reply.partial
	rest.size = int64(reply.size)
	if query != c.dialect.expand {
		link = nil // nobody requested alerts
	}
	return rest.follow(link, result)
}

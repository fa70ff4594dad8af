// Package defender is the API: it asks for incidents and says, typed, what
// came back. It never waits, never retries and remembers nothing: when to ask
// again is for others to decide.
package defender

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// Client asks the API. It is safe for concurrent use.
type Client struct {
	http         *http.Client
	endpoint     *url.URL
	maxBody      int64 // bytes, decoded
	keepOriginal bool
	dialect      dialect
}

// Answer is what one call brought.
type Answer struct {
	// Snapshot is the incident; nil when Err is not.
	Snapshot *incident.Snapshot
	// Err is an *Error, or the context's error when the call was given up.
	Err error
	// Reached is how many requests reached the API's host: none without a
	// token or a connection, more than one when the transport repeated it.
	Reached int
	// Size of the body in bytes, decoded.
	Size int
}

// NewClient asks the Defender XDR API at endpoint (scheme and host, perhaps a
// path) through the given client, of which it takes a copy that follows no
// redirect. Bodies may have up to maxBody decoded bytes. With keepOriginal,
// snapshots carry their JSON.
func NewClient(client *http.Client, endpoint *url.URL, maxBody int64, keepOriginal bool) *Client {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: &own, endpoint: endpoint, maxBody: maxBody, keepOriginal: keepOriginal, dialect: xdr()}
}

// Get asks for one incident. An id that is not positive is Rejected without a
// request.
func (c *Client) Get(ctx context.Context, id int64) Answer {
	if id <= 0 {
		return Answer{Err: &Error{Kind: Rejected, Err: errors.New("an incident id is a positive number")}}
	}
	reply := c.ask(ctx, c.endpoint.JoinPath(c.dialect.get(id)))
	if reply.err != nil {
		return Answer{Err: reply.err, Reached: reply.reached}
	}
	answer := Answer{Reached: reply.reached, Size: len(reply.body)}
	snapshot, err := c.dialect.decode(id, reply.body)
	if err != nil {
		answer.Err = malformed(err)
		return answer
	}
	if c.keepOriginal {
		snapshot.Original = reply.body
	}
	answer.Snapshot = snapshot
	return answer
}

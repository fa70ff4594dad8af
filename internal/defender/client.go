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
	trace := newTrace(c.endpoint)
	request, err := http.NewRequestWithContext(trace.attach(ctx), http.MethodGet,
		c.endpoint.JoinPath(c.dialect.get(id)).String(), http.NoBody)
	if err != nil {
		return Answer{Err: &Error{Kind: Rejected, Err: withoutAddress(err)}}
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Accept-Encoding", acceptEncoding)

	response, err := c.http.Do(request)
	if err != nil {
		return Answer{Err: unanswered(ctx, err, trace), Reached: trace.reached()}
	}
	defer response.Body.Close()
	answer := c.read(ctx, id, response)
	answer.Reached = max(1, trace.reached())
	return answer
}

func (c *Client) read(ctx context.Context, id int64, response *http.Response) Answer {
	if response.StatusCode != http.StatusOK {
		return Answer{Err: c.refused(response)}
	}
	body, err := readBody(response, c.maxBody)
	if err != nil {
		return Answer{Err: unread(ctx, response.StatusCode, err)}
	}
	snapshot, err := c.dialect.decode(id, body)
	if err != nil {
		return Answer{Err: &Error{Kind: Malformed, Status: response.StatusCode, Err: err}, Size: len(body)}
	}
	if c.keepOriginal {
		snapshot.Original = body
	}
	return Answer{Snapshot: snapshot, Size: len(body)}
}

// refused explains an answer whose status is not 200, and the token where that
// is what the API refused.
func (c *Client) refused(response *http.Response) *Error {
	failure := refused(response)
	if failure.Kind == Unauthorized || failure.Kind == Forbidden {
		failure.Token = sentToken(response)
		failure.Advice = c.dialect.access.advise(failure.Kind, failure.Token, c.endpoint.Hostname(), response.Header.Get("Date"))
	}
	return failure
}

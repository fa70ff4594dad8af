// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// reply is what one request brought, beside what was read of its body.
type reply struct {
	date    time.Time // of the answer, by the service's clock; zero: it names none
	size    int       // of the body in bytes, decoded; 0: it was not read to its end
	err     error     // an *Error, or the context's error
	reached int       // how many requests reached the API's host
	partial bool      // it may not show all that there is
	warning string    // its Warning header, fit for a log line
}

// call is the one request of a call of the API, and what is made of its answer.
type call struct {
	address *url.URL
	access  access               // what the call asks of a token
	limit   int64                // how many bytes the body may have, decoded
	read    func(*decoder) error // reads the body
}

// ask sends a request and has its answer read. What it reads with belongs to the
// call until ask returns.
func (c *Client) ask(ctx context.Context, call call) reply {
	trace := newTrace(c.endpoint)
	followed, end := trace.attach(ctx)
	defer end()
	request, err := http.NewRequestWithContext(followed, http.MethodGet, call.address.String(), http.NoBody)
	if err != nil {
		return reply{err: &Error{Kind: Rejected, Err: withoutAddress(err)}}
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Accept-Encoding", acceptEncoding)
	if c.dialect.prefer != "" {
		request.Header.Set("Prefer", c.dialect.prefer)
	}

	response, err := c.http.Do(request)
	if err != nil {
		return reply{err: unanswered(ctx, err, trace), reached: trace.reached()}
	}
	defer response.Body.Close()
	answered := c.answer(ctx, response, call)
	answered.reached = max(1, trace.reached())
	return answered
}

func (c *Client) answer(ctx context.Context, response *http.Response, call call) reply {
	date := clockOf(response.Header)
	if !hasContent(response.StatusCode) {
		return reply{date: date, err: c.refused(response, call.access)}
	}
	r := c.read(ctx, response, call.limit, call.read)
	r.date, r.warning = date, warning(response.Header)
	if response.StatusCode != http.StatusOK {
		r.partial = true
		if failure, ok := errors.AsType[*Error](r.err); ok {
			failure.Status = response.StatusCode
		}
	}
	return r
}

// clockOf is the Date of an answer. Zero: it names none, or one of a year that no
// clock shows. The change feed lists from there on.
func clockOf(h http.Header) time.Time {
	date, err := http.ParseTime(h.Get("Date"))
	if year := date.Year(); err != nil || year < firstYear || year > lastYear {
		return time.Time{}
	}
	return date.UTC()
}

// hasContent says whether a response with this status shows what was asked for. A
// 206 of Graph shows what the providers that answered know, and a Warning header
// names the others (vendor documentation). So any status but 200 may not show all.
func hasContent(status int) bool {
	switch status {
	case http.StatusAccepted, http.StatusNoContent, http.StatusResetContent:
		return false
	}
	return status/100 == 2
}

// maxWarning bounds what is taken from Warning headers, in bytes.
const maxWarning = 200

// warning is what the Warning headers say, in printable ASCII.
func warning(h http.Header) string {
	text := strings.Join(h.Values("Warning"), ", ")
	text = text[:min(len(text), maxWarning)]
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text))
}

// read has the body of a response read.
func (c *Client) read(ctx context.Context, response *http.Response, limit int64, read func(*decoder) error) reply {
	body, err := decoded(response, limit)
	if err != nil {
		return reply{err: unread(ctx, err)}
	}
	d := c.decoder()
	defer func() { c.release(d, d.body.size) }()
	err = read(d.reset(body, limit))
	d.body.rest()
	if d.body.err != nil { // whatever was made of what did come
		return reply{err: unread(ctx, d.body.err)}
	}
	drain(response)
	switch {
	case errors.Is(err, errTooMuch):
		err = oversize(err)
	case err != nil:
		err = malformed(err)
	}
	return reply{size: int(d.body.size), err: err}
}

// decoder is one that no other call reads with.
func (c *Client) decoder() *decoder {
	if d, ok := c.decoders.Get().(*decoder); ok {
		return d
	}
	return newDecoder(c.ignored)
}

// mostKept is the size of an answer, in bytes, beyond which what was read with
// is not kept for the next: its buffers may have grown with it.
const mostKept = 1 << 20

func (c *Client) release(d *decoder, size int64) {
	if size > mostKept {
		return
	}
	d.body = source{}
	c.decoders.Put(d)
}

// refused explains an answer whose status is not 200, and the token where that
// is what the API refused: needed is what the call asks of it.
func (c *Client) refused(response *http.Response, needed access) *Error {
	failure := refused(response)
	if failure.Kind == Unauthorized || failure.Kind == Forbidden {
		failure.Token = sentToken(response)
		failure.Permission = needed.least(failure.Token)
		switch host := c.endpoint.Hostname(); {
		case sentNone(response):
			failure.Advice = needed.unsigned(host)
		case failure.Advice == "":
			failure.Advice = needed.advise(failure.Kind, failure.Token, host, response.Header)
		}
	}
	return failure
}

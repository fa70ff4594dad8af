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

// reply is the result of one request, besides what was read from its body.
type reply struct {
	date    time.Time // of the response, by the service's clock; zero: it has none
	size    int       // of the body in bytes, after decompression; 0: it was not read to its end
	err     error     // an *Error, or the context's error
	reached int       // how many requests reached the API's host
	partial bool      // it may not show everything
	warning string    // its Warning header, fit for a log line
}

// call describes one request to the API, and how to read its response.
type call struct {
	address *url.URL
	access  access               // what the API requires of the token
	limit   int64                // size limit of the body in bytes, after decompression
	read    func(*decoder) error // reads the body
}

// do sends a request and reads its response. The decoder belongs to the call
// until do returns.
func (c *Client) do(ctx context.Context, call call) reply {
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
		return reply{err: noResponse(ctx, err, trace), reached: trace.reached()}
	}
	defer response.Body.Close()
	result := c.toReply(ctx, response, call)
	result.reached = max(1, trace.reached())
	return result
}

func (c *Client) toReply(ctx context.Context, response *http.Response, call call) reply {
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

// clockOf is the Date of a response. Zero: it has none, or one in an impossible
// year. The change feed lists from this time on.
func clockOf(h http.Header) time.Time {
	date, err := http.ParseTime(h.Get("Date"))
	if year := date.Year(); err != nil || year < firstYear || year > lastYear {
		return time.Time{}
	}
	return date.UTC()
}

// hasContent reports whether a response with this status has the requested
// content. A 206 of Graph has what the providers that responded know, and a
// Warning header lists the others (vendor documentation). So with any status
// but 200, some of it may be missing.
func hasContent(status int) bool {
	switch status {
	case http.StatusAccepted, http.StatusNoContent, http.StatusResetContent:
		return false
	}
	return status/100 == 2
}

// maxWarning bounds the text that is taken from Warning headers, in bytes.
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

// read reads the body of a response.
func (c *Client) read(ctx context.Context, response *http.Response, limit int64, read func(*decoder) error) reply {
	body, err := decoded(response, limit)
	if err != nil {
		return reply{err: unread(ctx, err)}
	}
	d := c.decoder()
	defer func() { c.release(d, d.body.size) }()
	err = read(d.reset(body, limit))
	d.body.rest()
	if d.body.err != nil { // what was decoded before that does not count
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

// decoder is one that no other call uses.
func (c *Client) decoder() *decoder {
	if d, ok := c.decoders.Get().(*decoder); ok {
		return d
	}
	return newDecoder(c.ignored)
}

// mostKept is the response size, in bytes, beyond which a decoder is not
// reused: its buffers may have grown with it.
const mostKept = 1 << 20

func (c *Client) release(d *decoder, size int64) {
	if size > mostKept {
		return
	}
	d.body = source{}
	c.decoders.Put(d)
}

// refused explains a response that is not 200, and the token if the API
// rejected that: needed is what the API requires of it.
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

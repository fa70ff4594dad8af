package defender

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// reply is what one request brought.
type reply struct {
	body    []byte    // whole, where err is nil; what was read of one that is Oversize
	date    time.Time // of the answer, by the service's clock; zero: it names none
	err     error     // an *Error, or the context's error
	reached int       // how many requests reached the API's host
}

// ask sends the one request of a call and reads its answer, whose body may have
// up to limit decoded bytes.
func (c *Client) ask(ctx context.Context, address *url.URL, limit int64) reply {
	trace := newTrace(c.endpoint)
	request, err := http.NewRequestWithContext(trace.attach(ctx), http.MethodGet, address.String(), http.NoBody)
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
	answered := c.read(ctx, response, limit)
	answered.reached = max(1, trace.reached())
	return answered
}

func (c *Client) read(ctx context.Context, response *http.Response, limit int64) reply {
	date, _ := http.ParseTime(response.Header.Get("Date")) // zero where it is none
	date = date.UTC()
	if response.StatusCode != http.StatusOK {
		return reply{date: date, err: c.refused(response)}
	}
	body, err := readBody(response, limit)
	if err != nil {
		return reply{body: body, date: date, err: unread(ctx, err)}
	}
	return reply{body: body, date: date}
}

// refused explains an answer whose status is not 200, and the token where that
// is what the API refused.
func (c *Client) refused(response *http.Response) *Error {
	failure := refused(response)
	if failure.Kind == Unauthorized || failure.Kind == Forbidden {
		failure.Token = sentToken(response)
		failure.Permission = c.dialect.access.least(failure.Token)
		failure.Advice = c.dialect.access.advise(failure.Kind, failure.Token, c.endpoint.Hostname(), response.Header.Get("Date"))
	}
	return failure
}

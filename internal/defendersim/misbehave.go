// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// elsewhere is a host that does not belong to the API.
const elsewhere = "https://elsewhere.contoso.example"

// A responder returns true if it has handled the request.
type responder = func(*exchange, Fault) bool

func respondWith(status int, code, message string) responder {
	return func(x *exchange, _ Fault) bool {
		x.fail(status, code, message)
		return true
	}
}

func respondDenied(x *exchange, _ Fault) bool {
	x.fail(http.StatusUnauthorized, x.dialect.badToken, "Unauthorized request - reason of failure: Account mode is inactive")
	return true
}

func respondForbidden(x *exchange, _ Fault) bool {
	x.forbidden([]string{"Alert.Read.All"})
	return true
}

// respondRevoked responds as Graph does to a token that was revoked before it
// expires. Claims say that a token issued from now on is accepted.
func respondRevoked(x *exchange, _ Fault) bool {
	claims := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, x.s.stamp(x.arrived).Unix())
	x.w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", `+
		`client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="%s"`, base64.StdEncoding.EncodeToString([]byte(claims))))
	x.fail(http.StatusUnauthorized, x.dialect.badToken,
		"Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp")
	return true
}

// respondThrottled responds as if the limit per minute were exceeded.
func respondThrottled(form ThrottleForm) responder {
	return func(x *exchange, f Fault) bool {
		x.throttle(form, x.refusal(x.s.cfg.rates(x.budget()).perMinute, f.Wait))
		return true
	}
}

func (x *exchange) refusal(perMinute int, wait time.Duration) refusal {
	return refusal{window: window{limit: perMinute, span: time.Minute}, wait: wait}
}

// respondLimit states a limit as Defender XDR does, under both APIs.
func respondLimit(x *exchange, f Fault) bool {
	message := x.s.dialects.xdr.exceeded(x.refusal(int(f.Size), 0)) + " You can send requests again in 8 seconds."
	x.failAt(http.StatusTooManyRequests, x.dialect.throttled, message, x.s.cfg.TenantID)
	return true
}

// respondBackIn responds with an error object and a Retry-After.
func respondBackIn(status int, retryAfter func(Fault) string) responder {
	return func(x *exchange, f Fault) bool {
		x.w.Header().Set("Retry-After", retryAfter(f))
		if status == http.StatusTooManyRequests {
			x.failAt(status, x.dialect.throttled, x.dialect.exceeded(x.refusal(x.s.cfg.rates(x.budget()).perMinute, f.Wait)), x.s.cfg.TenantID)
			return true
		}
		x.fail(status, "ServiceUnavailable", "The service is temporarily unavailable.")
		return true
	}
}

// exactSeconds does not round, as throttle does.
func exactSeconds(f Fault) string { return strconv.FormatFloat(f.Wait.Seconds(), 'f', -1, 64) }

func literally(text string) func(Fault) string { return func(Fault) string { return text } }

// respondPage responds with an HTML page, as proxies and sign-in pages do.
func respondPage(status int, title string) responder {
	return func(x *exchange, _ Fault) bool {
		page := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", title, title)
		x.send(status, "text/html; charset=utf-8", []byte(page))
		return true
	}
}

func respondRedirect(host string) responder {
	return func(x *exchange, _ Fault) bool {
		x.w.Header().Set("Location", host+x.r.URL.RequestURI())
		x.send(http.StatusFound, "", nil)
		return true
	}
}

func respondEmpty(x *exchange, _ Fault) bool {
	x.send(http.StatusOK, "application/json", nil)
	return true
}

func wrongType(x *exchange, _ Fault) bool {
	x.sendRegular("text/plain; charset=utf-8")
	return true
}

// reset closes the connection, if there is one, with an RST. Without a
// connection, aborting the handler has the same effect.
func reset(x *exchange, _ Fault) bool {
	if c := connectionOf(x.r); c != nil {
		c.reset()
		panic(http.ErrAbortHandler)
	}
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	abort(conn)
	return true
}

// goAway closes the connection, under HTTP/2 with a GOAWAY. Without a connection
// it is a reset.
func goAway(x *exchange, _ Fault) bool {
	if c := connectionOf(x.r); c != nil && x.r.ProtoMajor == 2 {
		c.goAway()
	}
	panic(http.ErrAbortHandler)
}

func closeAfter(x *exchange, _ Fault) bool {
	x.closes = true
	return false
}

func hang(x *exchange, _ Fault) bool {
	<-x.r.Context().Done()
	panic(http.ErrAbortHandler)
}

// silent hangs, and makes the connection unusable for others. The body is read
// first: until then, an HTTP/1.1 server does not notice that the client has
// closed the connection.
func silent(x *exchange, f Fault) bool {
	if c := connectionOf(x.r); c != nil {
		_, _ = io.Copy(io.Discard, x.r.Body)
		c.silence()
	}
	return hang(x, f)
}

func slow(x *exchange, f Fault) bool {
	timer := time.NewTimer(f.Wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-x.r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// truncated promises the whole body and sends half of it. The server closes
// the connection when it notices.
func truncated(x *exchange, _ Fault) bool {
	body := x.encode(x.object())
	x.headers("application/json")
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write(body[:len(body)/2])
	return true
}

// object is the current page or incident, or a substitute if there is none. It
// does not count as served.
func (x *exchange) object() []byte {
	if x.lists() {
		return x.renderPage(x.page(x.query))
	}
	row, _, found := x.s.look(x.id)
	switch {
	case !found:
		return fmt.Appendf(nil, "{"+x.dialect.identity+"}", x.id)
	case x.endpoint == EndpointAlerts:
		return renderAlerts(x, x.alertsOf(*row.incident, x.query.skip, x.query.after))
	}
	return x.dialect.render(x, x.dialect.view(x, *row.incident))
}

// huge streams an incident, or a page with one, with an endless name.
func huge(x *exchange, f Fault) bool {
	x.headers("application/json")
	x.w.WriteHeader(http.StatusOK)
	head, tail := fmt.Sprintf(`{`+x.dialect.identity+`,"%s":"`, x.id, x.dialect.name), `"}`
	if x.endpoint != EndpointIncident {
		head, tail = `{"value":[`+head, tail+`]}`
	}
	chunk := bytes.Repeat([]byte{'x'}, 32<<10)
	if _, err := io.WriteString(x.w, head); err != nil {
		return true
	}
	for left := f.Size; left > 0; left -= int64(len(chunk)) {
		if _, err := x.w.Write(chunk[:min(left, int64(len(chunk)))]); err != nil {
			return true // the client has given up
		}
	}
	_, _ = io.WriteString(x.w, tail)
	return true
}

// spliced responds with an additional difficult member: in the incident, in a
// page's first row, or in the page itself if it has no rows.
func spliced(member func(Fault) string) responder {
	return func(x *exchange, f Fault) bool {
		if x.lists() {
			p := x.page(x.query)
			if len(p.rows) > 0 {
				p.spoil = func(row []byte) []byte { return splice(row, member(f)) }
				x.sendPage("application/json", p)
				return true
			}
		}
		x.send(http.StatusOK, "application/json", splice(x.object(), member(f)))
		return true
	}
}

// splice adds a member to the end of an object.
func splice(object []byte, member string) []byte {
	return fmt.Appendf(object[:len(object)-1], ",%s}", member)
}

func nestedMember(f Fault) string {
	depth := int(f.Size)
	return `"nested":` + strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func invalidMember(Fault) string { return "\"invalid\":\"\xff\xfe\"" }

func duplicateMember(Fault) string { return `"status":"Resolved","status":"Active"` }

func numberMember(Fault) string { return `"bigNumber":123456789012345678901234567890` }

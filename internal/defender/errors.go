// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Kind distinguishes the responses that callers handle differently.
type Kind int

// The responses other than an incident.
const (
	NoToken      Kind = iota + 1 // the auth extension got no token; nothing reached the API
	Unauthorized                 // 401: bad or expired token, or a licence problem
	Forbidden                    // 403: the token lacks the role
	NotFound                     // 404 in the API's own form
	Throttled                    // 429
	ServerError                  // 5xx
	Network                      // no response, or one that broke off
	Timeout                      // no whole response within the timeout
	Malformed                    // a response that is no incident, or no page of incidents
	Oversize                     // a response larger than max_response_body_size
	Redirect                     // 3xx: never followed
	Rejected                     // any other 4xx
)

func (k Kind) String() string {
	switch k {
	case NoToken:
		return "no token"
	case Unauthorized:
		return "unauthorized"
	case Forbidden:
		return "forbidden"
	case NotFound:
		return "not found"
	case Throttled:
		return "throttled"
	case ServerError:
		return "server error"
	case Network:
		return "network error"
	case Timeout:
		return "timeout"
	case Malformed:
		return "malformed response"
	case Oversize:
		return "oversize response"
	case Redirect:
		return "redirect"
	case Rejected:
		return "rejected"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Error is a response other than an incident. Its text contains no token, no
// secret, no query string and no response body.
type Error struct {
	Kind Kind
	// Status is the HTTP status; 0: there was no response.
	Status int
	// Code and Message come from the API's error object, bounded and without
	// control characters. Empty: the response had none.
	Code, Message string
	// RetryAfter is how long to send nothing: at least a second, at most MaxWait,
	// in whole seconds if the response states them. It is always set for
	// Throttled. 0: the response states no time. In a 200, Retry-After is ignored,
	// because the request succeeded. The errors of auth extensions do not carry
	// it. WaitFrom says where it was read.
	RetryAfter time.Duration
	WaitFrom   WaitSource
	// Requested is the time in the response if it is more than MaxWait: at most what a
	// Duration holds. 0: it is RetryAfter.
	Requested time.Duration
	// Limit is the rate limit stated by a 429.
	Limit Limit
	// Token holds the claims of the token that was sent, only for Unauthorized and
	// Forbidden. Nil: no token was sent, or none that can be read.
	Token *Token
	// Permission is the least that such a token needs, only for
	// Unauthorized and Forbidden.
	Permission string
	// Advice tells people what is wrong and which setting to change. It is set for
	// Unauthorized and Forbidden, as far as the token shows; for NoToken if the
	// cause is a known one; and if a proxy failed. Otherwise empty.
	Advice string
	// Err is the cause, unless the API's own message says it.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP status %d)", e.Status)
	}
	if e.Code != "" || e.Message != "" {
		fmt.Fprintf(&b, ": %s", strings.Trim(e.Code+": "+e.Message, ": "))
	}
	if e.Err != nil {
		b.WriteString(": " + plain(e.Err.Error()))
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// maxText bounds the text that a message takes from a response, in bytes.
const maxText = 300

// plain makes text from a response fit for a log line: bounded, valid
// UTF-8 and printable.
func plain(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "")))
}

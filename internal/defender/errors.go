// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Kind tells the answers apart that callers act on.
type Kind int

// What an answer other than an incident can be.
const (
	NoToken      Kind = iota + 1 // the auth extension got no token; nothing reached the API
	Unauthorized                 // 401: bad or expired token, or a licence problem
	Forbidden                    // 403: the token lacks the role
	NotFound                     // 404 in the API's own form
	Throttled                    // 429
	ServerError                  // 5xx
	Network                      // no answer, or one that broke off
	Timeout                      // no whole answer within the timeout
	Malformed                    // an answer that is no incident, or no page of them
	Oversize                     // an answer larger than max_response_body_size
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

// Error is an answer other than an incident. Its text has no token, no
// secret, no query string and no response body in it.
type Error struct {
	Kind Kind
	// Status is the HTTP status; 0: there was no answer.
	Status int
	// Code and Message are those of the API's error object, bounded and
	// without control characters. Empty: the answer had none.
	Code, Message string
	// RetryAfter is how long to send nothing: at least a second, at most
	// MaxWait, in whole seconds where the answer names them. 0: the answer does
	// not say, which a Throttled always does. Retry-After is ignored in a 200,
	// which has what was wanted. The errors of auth extensions do not carry it.
	// WaitFrom says where it was read.
	RetryAfter time.Duration
	WaitFrom   WaitSource
	// Asked is what the answer asked for where that is more than MaxWait: at
	// most what a Duration holds. 0: RetryAfter is what it asked for.
	Asked time.Duration
	// Limit is the one that a 429 names.
	Limit Limit
	// Token is what the token that was sent says of itself, with Unauthorized
	// and Forbidden only. Nil: none was sent, or none that can be read.
	Token *Token
	// Permission is what such a token needs at least, with Unauthorized and
	// Forbidden only.
	Permission string
	// Advice says for people what is wrong and which setting to change: with
	// Unauthorized and Forbidden always, as far as the token tells; with NoToken
	// where the cause is a known one; and where a proxy failed. Otherwise empty.
	Advice string
	// Err is the cause, where it is not the API's own word.
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

// maxText bounds what is taken from an answer into a message, in bytes.
const maxText = 300

// plain makes text from an answer fit for a log line: bounded, valid UTF-8,
// and of characters that print.
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

// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"strings"
)

// EncodingFaultKinds lists the ways in which any call can oddly encode a
// response with valid content.
func EncodingFaultKinds() []FaultKind {
	return []FaultKind{
		{"bom", "", "the regular response after a byte order mark", markFirst},
		{"404-bom", "", "404 with an error object after a byte order mark", markedError(respondWith(404, "ResourceNotFound", "Not found."))},
		{"429-bom", "8s", "429 with the waiting time in its message, after a byte order mark", markedError(respondThrottled(ThrottleMessage))},
		{"coding-case", "", "a compressed response with Content-Encoding in capitals", recoded(codeInCapitals)},
		{"coding-stacked", "", "a response compressed with deflate, then with gzip", recoded(codeTwice)},
		{"coding-undeclared", "", "a response compressed with gzip without Content-Encoding", recoded(codeSecretly)},
	}
}

func markFirst(x *exchange, _ Fault) bool {
	x.marked = true
	return false
}

func markedError(fail responder) responder {
	return func(x *exchange, f Fault) bool {
		x.marked = true
		return fail(x, f)
	}
}

// recoded sends the regular response with another compression, even if
// compression is turned off.
func recoded(recode func(*exchange, []byte) []byte) responder {
	return func(x *exchange, _ Fault) bool {
		x.recode = recode
		return false
	}
}

// codeInCapitals is allowed: names of codings have no case.
func codeInCapitals(x *exchange, body []byte) []byte {
	coding := cmp.Or(chooseCoding(x.r.Header.Values("Accept-Encoding")), "gzip")
	return x.compress(coding, strings.ToUpper(coding), body)
}

// codeTwice is allowed. The header lists codings in the order in which
// they were applied.
func codeTwice(x *exchange, body []byte) []byte {
	return x.compress("gzip", "deflate, gzip", x.compress("deflate", "", body))
}

func codeSecretly(x *exchange, body []byte) []byte { return x.compress("gzip", "", body) }

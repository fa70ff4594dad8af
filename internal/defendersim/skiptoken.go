// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// macSize is the length of the signature in a skip token, in bytes.
const macSize = 12

// seal turns a text into a token that nobody else can make.
func (s *signer) seal(text string) string {
	return base64.RawURLEncoding.EncodeToString(append(s.mac(text)[:macSize], text...))
}

// unseal reads a token that seal made. For any other it returns "".
func (s *signer) unseal(token string) string {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < macSize || !hmac.Equal(raw[:macSize], s.mac(string(raw[macSize:]))[:macSize]) {
		return ""
	}
	return string(raw[macSize:])
}

// writeSkip makes a token that skips any number of rows of a list.
func (s *signer) writeSkip(endpoint string, rows int) string {
	return s.seal(fmt.Sprintf("skip %s %d", endpoint, rows))
}

// readSkip reads a token that writeSkip made for the same list.
func (s *signer) readSkip(endpoint, token string) (rows int, good bool) {
	text, good := strings.CutPrefix(s.unseal(token), "skip "+endpoint+" ")
	rows, err := strconv.Atoi(text)
	return rows, good && err == nil
}

// writeAgain makes a token for the option that leads to the rows of an empty
// page of a call: an incident whose alerts are shown, or a list.
func (s *signer) writeAgain(call int64, option string) string {
	return s.seal(fmt.Sprintf("again %d %s", call, option))
}

// readAgain reads a token that writeAgain made for the same call.
func (s *signer) readAgain(call int64, token string) (option string, good bool) {
	return strings.CutPrefix(s.unseal(token), fmt.Sprintf("again %d ", call))
}

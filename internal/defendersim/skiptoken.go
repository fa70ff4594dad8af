package defendersim

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"strings"
)

// macSize is how much of a signature is in a skip token, in bytes.
const macSize = 12

// seal makes a text a token that nobody else can make.
func (s signer) seal(text string) string {
	return base64.RawURLEncoding.EncodeToString(append(s.mac(text)[:macSize], text...))
}

// unseal reads a token that seal made. Of any other it returns "".
func (s signer) unseal(token string) string {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < macSize || !hmac.Equal(raw[:macSize], s.mac(string(raw[macSize:]))[:macSize]) {
		return ""
	}
	return string(raw[macSize:])
}

// writeAgain makes a token of the option that leads to the rows of an empty page:
// of an incident's alerts, or of List, where the incident is 0.
func (s signer) writeAgain(incident int64, option string) string {
	return s.seal(fmt.Sprintf("again %d %s", incident, option))
}

// readAgain reads a token that writeAgain made for the same call.
func (s signer) readAgain(incident int64, token string) (option string, good bool) {
	return strings.CutPrefix(s.unseal(token), fmt.Sprintf("again %d ", incident))
}

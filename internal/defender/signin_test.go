// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEachSignInCodeHasItsAdvice(t *testing.T) {
	seen := map[string]bool{}
	for _, known := range signInCodes() {
		for _, code := range known.codes {
			assert.False(t, seen[code], code)
			seen[code] = true
			failure := noToken("login.example:443", "", errors.New("oauth2: "+code+": hush"))
			assert.EqualError(t, failure, "no token: sign-in at login.example: "+code)
			assert.Equal(t, known.advice, failure.Advice, code)
		}
	}
	for _, code := range []string{ // those that people meet most
		"AADSTS7000215", "AADSTS7000222", "AADSTS700016", "AADSTS90002", "AADSTS900023", "AADSTS65001", "AADSTS70011", "AADSTS500011",
		"AADSTS53003", "AADSTS50076", "AADSTS7000112", "AADSTS700027", "AADSTS70021", "AADSTS700213", "AADSTS90033", "AADSTS90055",
	} {
		assert.True(t, seen[code], code)
	}
}

func TestAdviceIsThatOfTheFirstKnownSignInCode(t *testing.T) {
	assert.Equal(t, adviceOf([]string{"AADSTS7000222"}), noToken("", "", errors.New("AADSTS1 AADSTS7000222 AADSTS65001")).Advice)
	assert.Empty(t, noToken("", "", errors.New("AADSTS70002150")).Advice, "the beginning of another code")
	assert.Empty(t, noToken("", "", errors.New("no credential")).Advice)
}

// azidentity shows a response that is not Entra ID's like this.
func TestErrorOfASignInWithoutACodeHasTheStatus(t *testing.T) {
	const text = "ClientSecretCredential authentication failed. \nPOST https://login.example/t/oauth2/v2.0/token\n" +
		"-----\nRESPONSE 502: 502 hush\n-----\n<html>hush</html>\nRESPONSE 999: hush"
	failure := noToken("login.example:443", "", errors.New(text))
	assert.EqualError(t, failure, "no token: sign-in at login.example: ClientSecretCredential authentication failed: HTTP status 502")
	failure = noToken("", "", errors.New(text))
	assert.EqualError(t, failure, "no token: sign-in at login.example: ClientSecretCredential authentication failed: HTTP status 502")
}

// FuzzSignIn reads the error of an auth extension, in words that may be
// anything, then with something quoted and with the body of a response behind
// it. The word hush is in what must not be repeated.
func FuzzSignIn(f *testing.F) {
	for _, text := range []string{
		"azureauth: failed to get token: ClientSecretCredential: server response error:\n Post \"https://login.example/t/oauth2/v2.0/token\": dial tcp: lookup login.example: no such host",
		"ClientSecretCredential authentication failed. \nPOST https://login.example/t/oauth2/v2.0/token\n-----\nRESPONSE 502: 502 Bad Gateway\n-----\n<html>",
		"get a token: Post \"https://me:you@login.example:8443/t\": proxyconnect tcp: dial tcp 192.0.2.1:3128: connection refused",
		"get a token: Post \"https://login.example/t\": Proxy Authentication Required", "oauth2: cannot fetch token: 401 Unauthorized\nResponse: {}",
		"Get \"https://%C2%85%E2%80%AE.example/\": EOF", "Get \"https://[::1%25\x1b]:443/\": tls: \x1b[31m", "AADSTS7000215 AADSTS" + strings.Repeat("1", maxText), "",
	} {
		f.Add(text, "login.example:443", "", `{"error":"invalid_client","error_description":"AADSTS7000222: expired"}`)
		f.Add(text, "proxy.example:3128", "proxy.example:3128", "server response error:\n \nGET https://elsewhere.example\n-\nRESPONSE 500")
	}
	f.Fuzz(func(t *testing.T, text, sought, unconnected, body string) {
		if strings.Contains(text+sought+unconnected+body, "hush") {
			return
		}
		requireFit(t, noToken(sought, unconnected, errors.New(text)))

		words := strings.ReplaceAll(text, `"`, "")
		quoting := fmt.Errorf("%s %q: %s", words, "hush"+body, words)
		requireFit(t, noToken(sought, unconnected, quoting))

		// oauth2 shows a response like this.
		failure := noToken(sought, unconnected, fmt.Errorf("oauth2: cannot fetch token: 401\nResponse: hush %s", body))
		requireFit(t, failure)
		if !strings.Contains(body, "AADSTS") {
			assert.Equal(t, noToken(sought, unconnected, errors.New("oauth2: cannot fetch token: 401")), failure)
		}
	})
}

// requireFit demands that a failure of the sign-in is fit for a log line.
func requireFit(t *testing.T, failure *Error) {
	t.Helper()
	assert.Equal(t, NoToken, failure.Kind)
	assert.LessOrEqual(t, len(failure.Error()), maxText+len("no token: "))
	assert.True(t, printable(failure.Error()), "%q", failure.Error())
	assert.NotContains(t, failure.Error(), "hush")
	if failure.Advice != "" && failure.Advice != adviceSignInProxy {
		assert.True(t, slices.ContainsFunc(signInCodes(), func(known signInCode) bool { return known.advice == failure.Advice }), failure.Advice)
	}
}

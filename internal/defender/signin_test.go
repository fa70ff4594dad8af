package defender

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

func TestTheFirstKnownSignInCodeAdvises(t *testing.T) {
	assert.Equal(t, adviceOf([]string{"AADSTS7000222"}), noToken("", "", errors.New("AADSTS1 AADSTS7000222 AADSTS65001")).Advice)
	assert.Empty(t, noToken("", "", errors.New("AADSTS70002150")).Advice, "the beginning of another code")
	assert.Empty(t, noToken("", "", errors.New("no credential")).Advice)
}

// As azidentity shows an answer that is none of Entra ID's.
func TestAStatusWithoutACodeIsNamed(t *testing.T) {
	const text = "ClientSecretCredential authentication failed. \nPOST https://login.example/t/oauth2/v2.0/token\n" +
		"-----\nRESPONSE 502: 502 hush\n-----\n<html>hush</html>\nRESPONSE 999: hush"
	failure := noToken("login.example:443", "", errors.New(text))
	assert.EqualError(t, failure, "no token: sign-in at login.example: ClientSecretCredential authentication failed: HTTP status 502")
	failure = noToken("", "", errors.New(text))
	assert.EqualError(t, failure, "no token: sign-in at login.example: ClientSecretCredential authentication failed: HTTP status 502")
}

func TestTroubleshootingPageHasTheSignInCodes(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	require.NoError(t, err)
	var rows []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `AADSTS") {
			rows = append(rows, line)
		}
	}
	for _, known := range signInCodes() {
		begin := "| `" + strings.Join(known.codes, "`, `") + "` | "
		at := slices.IndexFunc(rows, func(row string) bool { return strings.HasPrefix(row, begin) })
		if assert.GreaterOrEqual(t, at, 0, begin) {
			assert.Contains(t, rows[at], " | "+known.advice)
		}
	}
	assert.Len(t, rows, len(signInCodes()))
}

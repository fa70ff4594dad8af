// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// noToken explains a request that got no token, without quoting the response of
// the sign-in host. sought is the host and port of the last connection attempt,
// and unconnected the same if that attempt failed.
func noToken(sought, unconnected string, err error) *Error {
	text := withoutAddress(err).Error()
	failure := readSignIn(text)
	host := failure.host
	if host == "" {
		host = sought
	}
	codes := regexp.MustCompile(`AADSTS\d+`).FindAllString(err.Error(), 3)
	reason, advice := strings.Join(codes, ", "), adviceOf(codes)
	if len(codes) == 0 {
		reason = plain(withoutQuotes(failure.reason))
		if at, proxied := failure.proxied(unconnected); proxied {
			reason, advice = at, adviceSignInProxy
		}
	}
	if name, _, splitErr := net.SplitHostPort(host); splitErr == nil {
		host = name
	}
	if host != "" {
		reason = "sign-in at " + host + ": " + reason
	}
	return &Error{Kind: NoToken, Err: errors.New(reason), Advice: advice}
}

// signInFailure is what is known from the text of an auth extension's error.
type signInFailure struct {
	host   string // and port, of the sign-in. Empty: unknown
	reason string // in one line
}

// readSignIn reads the first line of an error, as net/http formats it after the
// extension's own words; the rest may be the body of a response. azidentity
// breaks the line before net/http's words, and puts the request and the status
// of a response on lines of their own, before the body.
func readSignIn(text string) signInFailure {
	text = strings.Replace(text, "server response error:\n ", "", 1)
	reason, rest, _ := strings.Cut(text, "\n")
	if match := regexp.MustCompile(`\b(?:Get|Post|Head) "([^"\s]+)": (.+)`).FindStringSubmatch(reason); match != nil {
		return signInFailure{host: hostPort(match[1]), reason: match[2]}
	}
	match := regexp.MustCompile(`^(?:GET|POST) (https?://\S+)\n-+\nRESPONSE (\d{3})\b`).FindStringSubmatch(rest)
	if match == nil {
		return signInFailure{reason: reason}
	}
	return signInFailure{host: hostPort(match[1]), reason: strings.TrimRight(reason, ". ") + ": HTTP status " + match[2]}
}

// proxied describes what a proxy on the way to the sign-in host did, if the
// request failed there. unconnected is as in noToken.
func (f signInFailure) proxied(unconnected string) (text string, ok bool) {
	_, reason, dialed := strings.Cut(f.reason, "proxyconnect tcp: ")
	proxy := "its proxy"
	switch {
	case f.host != "" && unconnected != "" && unconnected != f.host:
		proxy = "proxy " + unconnected
	case !dialed:
		return "", false
	}
	switch {
	case dialed:
		return proxy + ": " + plain(withoutQuotes(reason)), true
	case refusalIn(f.reason) != 0:
		return proxy + " refused: " + refusalIn(f.reason).Error(), true
	case regexp.MustCompile(`^(?:(?:dial|lookup|read|write|context|net/http|tls|x509|remote error|socks connect|malformed|unexpected)\b|EOF)`).MatchString(f.reason):
		return "through " + proxy + ": " + plain(withoutQuotes(f.reason)), true
	}
	return proxy + " refused", true // its own words may contain anything
}

// refusalIn is the status, of which net/http keeps only the text. 0: it is no
// known status text.
func refusalIn(text string) proxyStatusError {
	for status := 400; status < 600; status++ {
		if name := http.StatusText(status); name != "" && strings.EqualFold(name, strings.TrimSpace(text)) {
			return proxyStatusError(status)
		}
	}
	return 0
}

// hostPort is the host and port of an address; empty if it has none.
func hostPort(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Hostname() == "" {
		return ""
	}
	return newTrace(parsed).hostPort
}

const adviceSignInProxy = "The extension set in http::auth connects through the proxy in the environment variable HTTPS_PROXY; " +
	"http::proxy_url is for the API only. Check the proxy's address and its credentials, or add the sign-in host to NO_PROXY."

// adviceOf is the advice for the first known code.
func adviceOf(codes []string) string {
	for _, code := range codes {
		for _, known := range signInCodes() {
			if slices.Contains(known.codes, code) {
				return known.advice
			}
		}
	}
	return ""
}

// signInCode is the advice for error codes of Entra ID.
type signInCode struct {
	codes  []string
	advice string
}

// signInCodes are the codes that can occur when an application signs in, as
// Microsoft documents them ("Microsoft Entra authentication and authorization
// error codes"); 900023, 700024, 1002012 and those of federated credentials are
// not in that list, but were seen. The settings are those of azureauth; other
// extensions have similar ones.
func signInCodes() []signInCode {
	return []signInCode{
		{
			[]string{"AADSTS7000215", "AADSTS70002"},
			"Set client_secret of the auth extension to the Value of a secret of this application, not to its Secret ID.",
		},
		{
			[]string{"AADSTS7000222"},
			"Create a new client secret, since this one has expired, and set client_secret of the auth extension to it.",
		},
		{
			[]string{"AADSTS7000218"},
			"Give the auth extension a client secret, a certificate or a federated token; it sends none of them.",
		},
		{
			[]string{"AADSTS700016", "AADSTS700011"},
			"Check client_id and tenant_id of the auth extension: this tenant has no such application.",
		},
		{
			[]string{"AADSTS7000229"},
			"Have an administrator of this tenant accept the application, or check tenant_id of the auth extension.",
		},
		{
			[]string{"AADSTS7000112", "AADSTS70001"},
			"Enable sign-in for the application in this tenant, under Enterprise applications.",
		},
		{
			[]string{"AADSTS90002", "AADSTS900023"},
			"Check tenant_id of the auth extension, and that it signs in at the host of the tenant's cloud.",
		},
		{
			[]string{"AADSTS90038", "AADSTS900382", "AADSTS900432"},
			"This tenant belongs to another cloud: set the sign-in host of the auth extension to that cloud's.",
		},
		{
			[]string{"AADSTS65001", "AADSTS650056", "AADSTS90094"},
			"Give admin consent to the permission of the application, in this tenant.",
		},
		{
			[]string{"AADSTS70011", "AADSTS700022", "AADSTS1002012"},
			"Set the scope of the auth extension to that of a single API, ending in /.default.",
		},
		{
			[]string{"AADSTS500011", "AADSTS500014", "AADSTS650052"},
			"Check the scope of the auth extension, and that this tenant has a licence for Defender XDR: the API is missing from this tenant, or switched off.",
		},
		{
			[]string{"AADSTS53003", "AADSTS530032", "AADSTS50076", "AADSTS50079", "AADSTS50158"},
			"Have the Conditional Access policy changed: it must let the application, or the token's user, sign in from where the collector runs.",
		},
		{
			[]string{"AADSTS700027"},
			"Upload the public part of the certificate to this application, or configure the auth extension with the uploaded one.",
		},
		{
			[]string{"AADSTS700024"},
			"Check this machine's clock, and that the federated token file is renewed: the assertion is not valid at this time.",
		},
		{
			[]string{"AADSTS70021", "AADSTS700211", "AADSTS700212", "AADSTS700213", "AADSTS7002138"},
			"Compare issuer, subject and audience of the application's federated credential with the workload's token; they are case-sensitive.",
		},
		{
			[]string{"AADSTS90055", "AADSTS50196"},
			"Entra ID limits sign-ins: find the program that signs in too often as this application or in this tenant. The receiver retries with backoff.",
		},
		{
			[]string{"AADSTS90033", "AADSTS90006", "AADSTS90012", "AADSTS90024", "AADSTS50033"},
			"Nothing to do: Entra ID is failing, and the receiver keeps retrying.",
		},
	}
}

// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// CheckEndpoint returns what is wrong with the endpoint of an API, in words that
// include the setting. An unknown API may be at any host. remote is the host that
// tokens would be sent to; empty if requests stay on this machine, or if the
// endpoint has no host.
func CheckEndpoint(endpoint string, api API) (remote string, err error) {
	// Neither the endpoint nor the parse error is reported: both may contain a password.
	address, err := url.Parse(endpoint)
	if err != nil || address.Hostname() == "" || address.Scheme != "http" && address.Scheme != "https" {
		return "", fmt.Errorf("http::endpoint: not a URL with a host; write e.g. %s", Endpoint(api))
	}
	host := strings.TrimSuffix(strings.ToLower(address.Hostname()), ".")
	if !isLoopback(host) {
		remote = host
	}

	var errs []error
	if address.User != nil {
		errs = append(errs, errors.New("http::endpoint: holds a user name or password; remove it and use http::auth"))
	}
	if strings.ContainsAny(endpoint, "?#") {
		errs = append(errs, errors.New("http::endpoint: has a query or a fragment; remove everything from the ? or # on"))
	}
	errs = append(errs, checkHost(host, address.Path, api))
	if address.Scheme == "http" && remote != "" {
		errs = append(errs, fmt.Errorf("http::endpoint: http would send the token to %s unencrypted; use https", host))
	}
	return remote, errors.Join(errs...)
}

// checkHost rejects the portal's host, a host of Microsoft's that serves the other
// API, and any path on such a host, since the client would add it a second time.
// On other hosts, such as a proxy's, it rejects only the path that the client adds.
func checkHost(host, path string, api API) error {
	if places := besidePortal(host, api); len(places) > 0 {
		return fmt.Errorf("http::endpoint: %s is the portal, not an API; write %s", host, listPlaces(places))
	}
	serves, other := servedAt(host)
	if serves == "" {
		if added := requestPath(path); added != "" {
			return fmt.Errorf("http::endpoint: the receiver adds the path of a request by itself; remove %s, and everything after it", added)
		}
		return nil
	}
	var errs []error
	if known := slices.Contains([]API{XDR, Graph}, api); known && serves != api {
		errs = append(errs, fmt.Errorf("http::endpoint: %s belongs to api: %s; change api to that, or the endpoint to %s", host, serves, listPlaces(other)))
	}
	if path != "" && path != "/" {
		errs = append(errs, fmt.Errorf("http::endpoint: on %s the receiver adds the path by itself; remove the path and leave https://%s", host, host))
	}
	return errors.Join(errs...)
}

// requestPath returns the end of an endpoint's path if it is one that the client
// adds itself, which happens when somebody copies the address of a request; empty:
// the path has none. The rest may be the path of a proxy.
func requestPath(path string) string {
	found := requestPaths.FindStringSubmatch(path)
	if found == nil {
		return ""
	}
	return found[1]
}

var requestPaths = regexp.MustCompile(`(?i)(/api/incidents|/(?:v1\.0|beta)/security/(?:incidents|alerts_v2))(/[0-9]+(/alerts)?)?/*$`)

// listPlaces joins the endpoints of places, with the cloud's name for all
// but the first.
func listPlaces(places []place) string {
	text := places[0].endpoint
	for _, p := range places[1:] {
		text += ", on " + p.cloud + " " + p.endpoint
	}
	return text
}

// isLoopback reports whether requests to host stay on this machine.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

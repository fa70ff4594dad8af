// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
)

// maxConcurrentRequests is the largest max_concurrent_requests. It bounds the
// memory for responses: each may be as large as max_response_body_size.
const maxConcurrentRequests = 100

// Validate reports every problem at once, each with the key that it is about.
// The collector validates its own sections, such as http, separately.
func (c *Config) Validate() error {
	return confcheck.Join(
		c.misread.Err(),
		c.validateIDs(),
		idlist.CheckFile(c.IncidentIDsFile),
		oneOf("api", c.API),
		c.validateHTTP(),
		positive("collection_interval", c.CollectionInterval, "5m"),
		c.RateLimit.validate("rate_limit"),
		c.validateConcurrency(),
		positive("max_response_body_size", c.MaxResponseBodySize, "33554432"),
		c.ChangeFeed.Get().validate("change_feed"),
		oneOf("emit", c.Emit),
		oneOf("alerts", c.Alerts),
		c.validateIgnoreChanges(),
	)
}

func (c *Config) validateIDs() error {
	feed := c.ChangeFeed.Get()
	discover := feed != nil && feed.Discover
	if len(c.IncidentIDs) == 0 && c.IncidentIDsFile == "" && !discover {
		if c.misread.Concern("incident_ids") || c.misread.Concern("incident_ids_file") || c.misread.Concern("change_feed::discover") {
			return nil
		}
		return errors.New("incident_ids: empty, and neither incident_ids_file nor change_feed::discover is set; " +
			"list ids, e.g. [437, 552]")
	}

	var errs []error
	seen := make(map[int64]bool, len(c.IncidentIDs))
	for i, id := range c.IncidentIDs {
		switch {
		case id == 0 && c.misread.Concern("incident_ids"): // in place of one that is no ID
		case id <= 0:
			errs = append(errs, fmt.Errorf("incident_ids[%d]: %d is not a positive number; write the number in the portal's address", i, id))
		case seen[id]:
			errs = append(errs, fmt.Errorf("incident_ids[%d]: %d is listed twice; remove one", i, id))
		}
		seen[id] = true
	}
	return errors.Join(errs...)
}

func (c *Config) validateConcurrency() error {
	if n := c.MaxConcurrentRequests; n < 1 || n > maxConcurrentRequests {
		return fmt.Errorf("max_concurrent_requests: %d is not between 1 and %d; write e.g. 4", n, maxConcurrentRequests)
	}
	return nil
}

func (c *Config) validateIgnoreChanges() error {
	var errs []error
	for i, field := range c.IgnoreChanges {
		switch name := strings.TrimSpace(field); name {
		case "":
			errs = append(errs, fmt.Errorf("ignore_changes[%d]: empty; name a field, or remove it", i))
		case field:
		default:
			errs = append(errs, fmt.Errorf("ignore_changes[%d]: %s has spaces around it; write %s", i, idlist.Excerpt(field), idlist.Excerpt(name)))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateHTTP() error {
	api := defender.API(c.API)
	if c.misread.Concern("api") {
		api = "" // c.API is the default, which may not be what was meant
	}
	remote, wrongEndpoint := defender.CheckEndpoint(c.HTTP.Endpoint, api)
	return errors.Join(c.validateTimeout(), c.validateProxy(), wrongEndpoint, c.validateAuth(remote))
}

func (c *Config) validateTimeout() error {
	if c.HTTP.Timeout <= 0 {
		return fmt.Errorf("http::timeout: %v would let a request hang forever; write e.g. 30s", c.HTTP.Timeout)
	}
	return nil
}

// validateProxy rejects addresses for which confighttp would return an error that contains the whole address
// with its password.
func (c *Config) validateProxy() error {
	if c.HTTP.ProxyURL == "" {
		return nil
	}
	proxy, err := url.ParseRequestURI(c.HTTP.ProxyURL)
	if err != nil || proxy.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, proxy.Scheme) {
		return errors.New("http::proxy_url: not the address of a proxy; write e.g. http://proxy.example:3128")
	}
	return nil
}

// validateAuth requires an auth extension if requests go to a remote host; empty:
// they stay on this machine.
func (c *Config) validateAuth(remote string) error {
	if remote == "" || c.misread.Concern("http::auth") {
		return nil
	}
	if auth := c.HTTP.Auth.Get(); auth == nil || auth.AuthenticatorID == (component.ID{}) {
		return fmt.Errorf("http::auth: missing; %s needs a token, e.g. auth: {authenticator: azureauth}", remote)
	}
	return nil
}

func (r RateLimitConfig) validate(key string) error {
	var errs []error
	if r.RequestsPerMinute < 0 {
		errs = append(errs, fmt.Errorf("%s::requests_per_minute: %d is negative; 0 means no limit per minute", key, r.RequestsPerMinute))
	}
	if r.RequestsPerHour < 0 {
		errs = append(errs, fmt.Errorf("%s::requests_per_hour: %d is negative; 0 means no limit per hour", key, r.RequestsPerHour))
	}
	if r.RequestsPerMinute == 0 && r.RequestsPerHour == 0 {
		errs = append(errs, fmt.Errorf("%s: both limits are 0; set requests_per_minute, requests_per_hour or both", key))
	}
	return errors.Join(errs...)
}

// validate accepts a nil receiver: the feed is off.
func (f *ChangeFeedConfig) validate(key string) error {
	if f == nil {
		return nil
	}
	return errors.Join(
		positive(key+"::interval", f.Interval, "30s"),
		positive(key+"::lookback", f.Lookback, "24h"),
		positive(key+"::forget_after", f.ForgetAfter, "168h"),
		f.RateLimit.validate(key+"::rate_limit"),
	)
}

func positive[T int | int64 | time.Duration](key string, value T, example string) error {
	if value > 0 {
		return nil
	}
	return fmt.Errorf("%s: %v is not more than 0; write e.g. %s", key, value, example)
}

func oneOf[T ~string](key string, value T) error {
	known := choices()[key]
	if slices.Contains(known, string(value)) {
		return nil
	}
	return fmt.Errorf("%s: %s is not known; use one of %s", key, idlist.Excerpt(string(value)), strings.Join(known, ", "))
}

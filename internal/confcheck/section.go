// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
)

// notASection is about a value in the place of the section s; nil: there is none,
// so the section's settings have their defaults.
func notASection(at string, s *setting, value any) error {
	if value == nil {
		return nil
	}
	if _, isList := value.([]any); isList {
		return fmt.Errorf("%s: a list is not a section; write its settings without dashes", at)
	}
	first := s.below[0]
	n, isNumber := value.(int)
	on, isBool := guessBool(value)
	switch {
	case s.path == httpPath:
		return fmt.Errorf("%s: not a section; write e.g. http: {auth: {authenticator: azureauth}}", at)
	case s.path == authPath:
		return fmt.Errorf("%s: not a section; write auth: {authenticator: %s}", at, authenticator(value))
	case isNumber && first.name() == "requests_per_minute":
		return fmt.Errorf("%s: %d is not a section; write %s: {requests_per_minute: %d}", at, n, s.name(), n)
	case s.optional && isBool && on:
		return fmt.Errorf("%s: %s is not a section; write %s: {} to turn it on", at, show(value), s.name())
	case s.optional && isBool:
		return fmt.Errorf("%s: %s is not a section; remove it, or write %s: {enabled: false}", at, show(value), s.name())
	case s.mayHoldSecret():
		return fmt.Errorf("%s: not a section; write its settings below it, e.g. %s: {%s}", at, s.name(), first.example())
	}
	return fmt.Errorf("%s: %s is not a section; write its settings below it, e.g. %s: {%s}", at, show(value), s.name(), first.example())
}

// authenticator returns an auth extension of the distribution if value is its ID,
// else an example: what else is written may be a token.
func authenticator(value any) string {
	var id component.ID
	text, _ := value.(string)
	if err := id.UnmarshalText([]byte(text)); err == nil {
		switch id.Type().String() {
		case "azureauth", "azure_auth", "oauth2client", "bearertokenauth":
			return id.String()
		}
	}
	return "azureauth"
}

// keepalive refuses settings of the section http, written at the path at, that stand
// beside the section keepalive, which has replaced them. confighttp does the same,
// but stops there.
func (c *checker) keepalive(conf *confmap.Conf, at string, http *setting) {
	if !isSection(conf.Get("keepalive")) {
		return
	}
	for _, key := range []string{"idle_conn_timeout", "max_idle_conns", "max_idle_conns_per_host", "disable_keep_alives"} {
		s, right := http.named(key), key
		if key == "disable_keep_alives" {
			right = "enabled: false"
		}
		if v, err := decode(conf, key, s.initial.Type()); err == nil && v.IsValid() && !v.IsZero() {
			c.refuse(join(at, key), s, fmt.Errorf("%s: cannot stand beside keepalive; write %s",
				showPath(join(at, key)), join(showPath(join(at, "keepalive")), right)))
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/configmiddleware"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
)

// misfit returns what is wrong with the value of a setting that is no section; nil:
// it can be decoded, which decoding tells, and stays what it is. The type of the setting
// says what should be there.
func misfit(at string, s *setting, value any, decoding func() error) error {
	at = shownPath(at)
	switch known := s.initial.Interface().(type) {
	case time.Duration:
		return noDuration(at, s, value)
	case bool:
		return noBool(at, value)
	case int, int64, configcompression.Level:
		return noInteger(at, s, value)
	case choice:
		if value == nil {
			return fmt.Errorf("%s: empty; use one of %s", at, choicesOf(known))
		}
	case component.ID:
		if value == nil {
			return fmt.Errorf("%s: empty; name an extension, e.g. azureauth", at)
		}
	}
	if decoding() == nil {
		return nil
	}
	switch known := s.initial.Interface().(type) {
	case choice:
		if isNested(value) {
			return fmt.Errorf("%s: %s cannot stand here; use one of %s", at, shown(value), choicesOf(known))
		}
		return fmt.Errorf("%s: %s is not known; use one of %s", at, shown(value), choicesOf(known))
	case *component.ID:
		example := "file_storage"
		if lastKey(s.path) == "k8s_leader_elector" {
			example = "k8s_leader_elector"
		}
		return fmt.Errorf("%s: %s is not the ID of an extension; write e.g. %s", at, shown(value), example)
	case component.ID: // what is there may be a token
		return fmt.Errorf("%s: not the ID of an extension; write e.g. azureauth", at)
	case []string:
		return noStrings(at, s, value)
	case []configmiddleware.Config:
		return fmt.Errorf("%s: not a list of extensions; write e.g. [{id: headers_setter}]", at)
	case configopaque.MapList:
		return fmt.Errorf("%s: not a map of names to strings; write e.g. {X-Name: value}", at)
	case configcompression.Type:
		return fmt.Errorf("%s: %s is not known; remove it, requests have no body", at, shown(value))
	}
	return noString(at, s, value)
}

func choicesOf(c choice) string { return strings.Join(c.choices(), ", ") }

// noDuration accepts 0, which the decoder reads without a unit, too. It would read
// other bare numbers as nanoseconds.
func noDuration(at string, s *setting, value any) error {
	example := "1m"
	if d := time.Duration(s.initial.Int()); d > 0 {
		example = shortDuration(d)
	}
	switch n := value.(type) {
	case nil:
		return fmt.Errorf("%s: empty; write e.g. %s, or remove it", at, example)
	case int, float64:
		if n == 0 || n == 0.0 {
			return nil
		}
		return fmt.Errorf("%s: %v has no unit; write e.g. %vs", at, n, strings.TrimPrefix(fmt.Sprint(n), "-"))
	case string:
		if d, err := time.ParseDuration(n); err == nil {
			if d < 0 && strings.HasPrefix(s.path, "http"+confmap.KeyDelimiter) { // which no rule is about
				return fmt.Errorf("%s: %s is negative; write e.g. %s", at, shown(value), example)
			}
			return nil
		}
		if _, err := strconv.ParseFloat(n, 64); err == nil && len(n) < 10 {
			return fmt.Errorf("%s: %s has no unit; write e.g. %ss", at, shown(n), n)
		}
		meant, ok := meantDuration(n)
		if !ok {
			break
		}
		if !isDuration(meant) {
			return fmt.Errorf("%s: %s is too long; write at most %s", at, shown(n), shortDuration(time.Duration(math.MaxInt64).Truncate(time.Hour)))
		}
		return fmt.Errorf("%s: %s is not a duration; write %s", at, shown(n), meant)
	}
	return fmt.Errorf("%s: %s is not a duration; write e.g. %s", at, shown(value), example)
}

func noBool(at string, value any) error {
	if _, ok := value.(bool); ok {
		return nil
	}
	if value == nil {
		return fmt.Errorf("%s: empty; write true or false, or remove it", at)
	}
	on, ok := meantBool(value)
	if text, isString := value.(string); isString && strings.EqualFold(text, strconv.FormatBool(on)) {
		return fmt.Errorf("%s: %s is a string; write %v, without quotes", at, shown(value), on)
	}
	if ok {
		return fmt.Errorf("%s: %s is neither true nor false; write %v", at, shown(value), on)
	}
	return fmt.Errorf("%s: %s is neither true nor false; write one of them", at, shown(value))
}

// meantBool reads what people write for true and false.
func meantBool(value any) (on, ok bool) {
	switch strings.ToLower(fmt.Sprint(value)) {
	case "true", "yes", "on", "y", "1", "enabled":
		return true, true
	case "false", "no", "off", "n", "0", "none", "disabled":
		return false, true
	}
	return false, false
}

// noInteger rejects what the decoder would truncate or wrap, and empty values, which it
// would read as 0: that often means no limit.
func noInteger(at string, s *setting, value any) error {
	example := "0"
	if n := s.initial.Int(); n != 0 {
		example = strconv.FormatInt(n, 10)
	}
	switch n := value.(type) {
	case int, int64:
		return nil
	case nil:
		return fmt.Errorf("%s: empty; write e.g. %s, or remove it", at, example)
	case uint64:
		return fmt.Errorf("%s: %v is too large; write e.g. %s", at, n, example)
	case float64:
		if n == math.Trunc(n) && math.Abs(n) <= 1<<53 { // a float64 is exact only up to here
			return nil
		}
		if n == math.Trunc(n) {
			return fmt.Errorf("%s: %v is too large; write e.g. %s", at, n, example)
		}
	case string:
		if whole, err := strconv.ParseInt(n, 10, 64); err == nil {
			return fmt.Errorf("%s: %s is a string; write %d, without quotes", at, shown(n), whole)
		}
	}
	return fmt.Errorf("%s: %s is not a whole number; write e.g. %s", at, shown(value), example)
}

// noString is about a value that should be a string. It is shown only where it cannot
// be a secret.
func noString(at string, s *setting, value any) error {
	switch {
	case isNested(value):
		return fmt.Errorf("%s: %s is not a string; write a single one", at, shown(value))
	case s.mayHoldSecret():
		return fmt.Errorf("%s: not a string; put it in quotes", at)
	}
	return fmt.Errorf("%s: %s is not a string; write \"%s\"", at, shown(value), shown(value))
}

func noStrings(at string, s *setting, value any) error {
	list, isList := value.([]any)
	if !isList {
		return fmt.Errorf("%s: %s is not a list; write e.g. [name]", at, shown(value))
	}
	var errs []error
	for i, element := range list {
		if _, isString := element.(string); !isString && element != nil {
			errs = append(errs, noString(fmt.Sprintf("%s[%d]", at, i), s, element))
		}
	}
	if len(errs) == 0 {
		return fmt.Errorf("%s: not a list of strings; write e.g. [name]", at)
	}
	return errors.Join(errs...)
}

func isNested(value any) bool {
	switch value.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

// notASection is about a section that has a value instead of settings; nil: it is
// empty, and its settings have their defaults.
func notASection(at string, s *setting, value any) error {
	name := lastKey(s.path)
	at = shownPath(at)
	if value == nil {
		return nil
	}
	if _, isList := value.([]any); isList {
		return fmt.Errorf("%s: a list is not a section; write its settings without dashes", at)
	}
	on, isBool := meantBool(value)
	n, isNumber := value.(int)
	switch {
	case s.path == "http":
		return fmt.Errorf("%s: not a section; write e.g. http: {auth: {authenticator: azureauth}}", at)
	case s.path == "http::auth":
		return fmt.Errorf("%s: not a section; write auth: {authenticator: %s}", at, authenticator(value))
	case s.initial.Type() == reflect.TypeFor[RateLimitConfig]() && isNumber:
		return fmt.Errorf("%s: %d is not a section; write %s: {requests_per_minute: %d}", at, n, name, n)
	case s.optional && isBool && on:
		return fmt.Errorf("%s: %s is not a section; write %s: {} to turn it on", at, shown(value), name)
	case s.optional && isBool:
		return fmt.Errorf("%s: %s is not a section; remove it, or write %s: {enabled: false}", at, shown(value), name)
	case s.mayHoldSecret():
		return fmt.Errorf("%s: not a section; write its settings below it, e.g. %s: {%s}", at, name, s.below[0].example())
	}
	return fmt.Errorf("%s: %s is not a section; write its settings below it, e.g. %s: {%s}", at, shown(value), name, s.below[0].example())
}

// notBesideKeepalive is about a setting that keepalive has replaced.
func notBesideKeepalive(at string) error {
	right := strings.TrimSuffix(at, lastKey(at)) + "keepalive::" + lastKey(at)
	if lastKey(at) == "disable_keep_alives" {
		right = strings.TrimSuffix(at, lastKey(at)) + "keepalive::enabled: false"
	}
	return fmt.Errorf("%s: cannot stand beside keepalive; write %s", at, right)
}

// authenticator returns an auth extension of the distribution if its ID is what is
// written, else an example: what else is written may be a token.
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

// shown is a value as messages show it.
func shown(value any) string {
	switch v := value.(type) {
	case nil:
		return "an empty value"
	case string:
		return idlist.Excerpt(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a section"
	case time.Time:
		return v.Format(time.DateOnly)
	default:
		return fmt.Sprint(v) // a number, a date, true or false
	}
}

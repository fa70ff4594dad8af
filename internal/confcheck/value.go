// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/configmiddleware"
	"go.opentelemetry.io/collector/config/configopaque"
)

// maxExact is the largest number up to which a float64 holds every whole number.
const maxExact = 1 << 53

// wrongValue returns what is wrong with a value of a setting that is not a section;
// nil: nothing, as far as its type goes. Where the decoder is strict enough, decode
// decides.
func wrongValue(at string, s *setting, value any, decode func() error) error {
	switch s.initial.Interface().(type) {
	case time.Duration:
		return notADuration(at, s, value)
	case bool:
		return notABool(at, value)
	case int, int64, configcompression.Level:
		return notAnInteger(at, s, value)
	}
	switch {
	case value == nil && s.choices != nil:
		return fmt.Errorf("%s: empty; use one of %s", at, strings.Join(s.choices, ", "))
	case value == nil && is[component.ID](s):
		return fmt.Errorf("%s: empty; name an extension, e.g. azureauth", at)
	case decode() == nil:
		return nil
	case s.choices != nil:
		return notAChoice(at, s, value)
	}
	switch s.initial.Interface().(type) {
	case *component.ID:
		example := "file_storage"
		if s.name() == "k8s_leader_elector" {
			example = s.name()
		}
		return fmt.Errorf("%s: %s is not the ID of an extension; write e.g. %s", at, show(value), example)
	case component.ID: // what is there may be a token
		return fmt.Errorf("%s: not the ID of an extension; write e.g. azureauth", at)
	case []string:
		return notStrings(at, s, value)
	case []configmiddleware.Config:
		return fmt.Errorf("%s: not a list of extensions; write e.g. [{id: headers_setter}]", at)
	case configopaque.MapList:
		return fmt.Errorf("%s: not a map of names to strings; write e.g. {X-Name: value}", at)
	case configcompression.Type:
		return fmt.Errorf("%s: %s is not known; remove it, requests have no body", at, show(value))
	}
	return notAString(at, s, value)
}

func notAChoice(at string, s *setting, value any) error {
	known := strings.Join(s.choices, ", ")
	if isNested(value) {
		return fmt.Errorf("%s: %s cannot stand here; use one of %s", at, show(value), known)
	}
	return fmt.Errorf("%s: %s is not known; use one of %s", at, show(value), known)
}

func notABool(at string, value any) error {
	if _, ok := value.(bool); ok {
		return nil
	}
	if value == nil {
		return fmt.Errorf("%s: empty; write true or false, or remove it", at)
	}
	on, ok := guessBool(value)
	if text, isString := value.(string); isString && strings.EqualFold(text, strconv.FormatBool(on)) {
		return fmt.Errorf("%s: %s is a string; write %v, without quotes", at, show(value), on)
	}
	if ok {
		return fmt.Errorf("%s: %s is neither true nor false; write %v", at, show(value), on)
	}
	return fmt.Errorf("%s: %s is neither true nor false; write one of them", at, show(value))
}

// guessBool understands what people write for true and false.
func guessBool(value any) (on, ok bool) {
	switch strings.ToLower(fmt.Sprint(value)) {
	case "true", "yes", "on", "y", "1", "enabled":
		return true, true
	case "false", "no", "off", "n", "0", "none", "disabled":
		return false, true
	}
	return false, false
}

// notAnInteger refuses what the decoder would truncate or wrap. It also refuses
// empty values, which the decoder reads as 0: that often means no limit.
func notAnInteger(at string, s *setting, value any) error {
	example := strconv.FormatInt(s.initial.Int(), 10)
	switch n := value.(type) {
	case int, int64:
		return nil
	case nil:
		return fmt.Errorf("%s: empty; write e.g. %s, or remove it", at, example)
	case uint64:
		return fmt.Errorf("%s: %v is too large; write e.g. %s", at, n, example)
	case float64:
		if n == math.Trunc(n) && math.Abs(n) <= maxExact {
			return nil
		}
		if n == math.Trunc(n) {
			return fmt.Errorf("%s: %v is too large; write e.g. %s", at, n, example)
		}
	case string:
		if whole, err := strconv.ParseInt(n, 10, 64); err == nil {
			return fmt.Errorf("%s: %s is a string; write %d, without quotes", at, show(n), whole)
		}
	}
	return fmt.Errorf("%s: %s is not a whole number; write e.g. %s", at, show(value), example)
}

// notAString shows the value only where it cannot be a secret.
func notAString(at string, s *setting, value any) error {
	switch {
	case isNested(value):
		return fmt.Errorf("%s: %s is not a string; write a single one", at, show(value))
	case s.mayHoldSecret():
		return fmt.Errorf("%s: not a string; put it in quotes", at)
	}
	return fmt.Errorf("%s: %s is not a string; write \"%s\"", at, show(value), show(value))
}

func notStrings(at string, s *setting, value any) error {
	list, isList := value.([]any)
	if !isList {
		return fmt.Errorf("%s: %s is not a list; write e.g. [name]", at, show(value))
	}
	var errs []error
	for i, element := range list {
		if _, isString := element.(string); !isString && element != nil {
			errs = append(errs, notAString(fmt.Sprintf("%s[%d]", at, i), s, element))
		}
	}
	if len(errs) == 0 {
		return fmt.Errorf("%s: not a list of strings; write e.g. [name]", at)
	}
	return errors.Join(errs...)
}

// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// setting is a key of the section and what may be written there.
type setting struct {
	path     string        // its keys from the top, joined by ::
	initial  reflect.Value // its default, or the zero value of its type
	choices  []string      // its known values, if it has only a few
	optional bool          // a section that is on when it is present
	below    []*setting    // the settings of a section; nil: it is not a section
}

// newSetting describes the setting at path whose default is v.
func newSetting(path string, v reflect.Value, choices map[string][]string) *setting {
	s := &setting{path: path, initial: v, choices: choices[path]}
	if v.Kind() != reflect.Struct {
		return s
	}
	if get := v.Addr().MethodByName("GetOrInsertDefault"); get.IsValid() { // a configoptional.Optional
		if get.Type().Out(0).Elem().Kind() != reflect.Struct {
			return s // not a section
		}
		v, s.optional = get.Call(nil)[0].Elem(), true
	}
	if _, isText := v.Addr().Interface().(encoding.TextUnmarshaler); !isText {
		s.below = fields(path, v, choices)
	}
	if s.optional {
		s.below = append(s.below, &setting{path: join(path, "enabled"), initial: reflect.ValueOf(true)})
	}
	return s
}

// fields returns the settings of a struct, in its order.
func fields(path string, v reflect.Value, choices map[string][]string) []*setting {
	var all []*setting
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get(confmap.MapstructureTag), ",")
		switch {
		case !field.IsExported() || name == "-":
		case strings.Contains(options, "squash"):
			all = append(all, fields(path, v.Field(i), choices)...)
		default:
			all = append(all, newSetting(join(path, name), v.Field(i), choices))
		}
	}
	return all
}

// name is the last key of the path.
func (s *setting) name() string { return lastKey(s.path) }

// is reports whether what the setting is decoded into has the type T.
func is[T any](s *setting) bool { return s.initial.Type() == reflect.TypeFor[T]() }

// example is how the setting can be written.
func (s *setting) example() string {
	if s.initial.CanInt() && !s.initial.IsZero() {
		return fmt.Sprintf("%s: %v", s.name(), s.initial.Interface())
	}
	return s.name() + ": …"
}

// names are the names of the settings of a section.
func (s *setting) names() []string {
	all := make([]string, len(s.below))
	for i, b := range s.below {
		all[i] = b.name()
	}
	return all
}

// named returns the setting of a section that has this name; nil: there is none.
func (s *setting) named(name string) *setting {
	for _, b := range s.below {
		if b.name() == name {
			return b
		}
	}
	return nil
}

// mayHoldSecret reports whether a value written there must not be shown: the
// section http has credentials in strings, and people write them in the place of
// a section.
func (s *setting) mayHoldSecret() bool {
	if s.path != httpPath && !isBelow(s.path, httpPath) {
		return false
	}
	switch s.initial.Kind() {
	case reflect.Struct, reflect.Slice, reflect.String:
		return true
	}
	return false
}

func lastKey(path string) string {
	keys := strings.Split(path, confmap.KeyDelimiter)
	return keys[len(keys)-1]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + confmap.KeyDelimiter + key
}

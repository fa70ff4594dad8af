// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// setting is a key of the configuration and what may be written there. The tags and
// types of Config say which there are, so that they are listed only once.
type setting struct {
	path     string        // its keys from the top, joined by ::
	initial  reflect.Value // its default, or the zero value of its type
	optional bool          // a section that is on when it is present
	below    []*setting    // the settings of a section; nil: it is no section
}

// allSettings returns the receiver's own section.
func allSettings() *setting {
	cfg := createDefaultConfig().(*Config)
	cfg.ChangeFeed.GetOrInsertDefault() // else its defaults cannot be seen
	return newSetting("", reflect.ValueOf(cfg).Elem())
}

func newSetting(path string, v reflect.Value) *setting {
	s := &setting{path: path, initial: v}
	if v.Kind() != reflect.Struct {
		return s
	}
	if get := v.Addr().MethodByName("Get"); get.IsValid() { // a configoptional.Optional
		present := get.Call(nil)[0]
		if present.IsNil() {
			present = reflect.New(present.Type().Elem())
		}
		v, s.optional = present.Elem(), true
	}
	if _, text := v.Addr().Interface().(encoding.TextUnmarshaler); !text {
		s.below = settingsOf(path, v)
	}
	if s.optional {
		s.below = append(s.below, &setting{path: under(path, "enabled"), initial: reflect.ValueOf(true)})
	}
	return s
}

// settingsOf returns those of a struct, in its order.
func settingsOf(path string, v reflect.Value) []*setting {
	var all []*setting
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get(confmap.MapstructureTag), ",")
		switch {
		case !field.IsExported() || name == "-":
		case strings.Contains(options, "squash"):
			all = append(all, settingsOf(path, v.Field(i))...)
		default:
			all = append(all, newSetting(under(path, name), v.Field(i)))
		}
	}
	return all
}

// name is the last key of the path.
func (s *setting) name() string { return lastKey(s.path) }

// example is how the setting can be written.
func (s *setting) example() string {
	if s.initial.CanInt() && !s.initial.IsZero() {
		return fmt.Sprintf("%s: %v", s.name(), s.initial.Interface())
	}
	return s.name() + ": …"
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

func lastKey(path string) string {
	keys := strings.Split(path, confmap.KeyDelimiter)
	return keys[len(keys)-1]
}

func under(path, key string) string {
	if path == "" {
		return key
	}
	return path + confmap.KeyDelimiter + key
}

// mayHoldSecret says that a value written there must not be shown: http has
// credentials in texts, and people write them in the place of a section.
func (s *setting) mayHoldSecret() bool {
	if s.path != "http" && !strings.HasPrefix(s.path, "http"+confmap.KeyDelimiter) {
		return false
	}
	switch s.initial.Kind() {
	case reflect.Struct, reflect.Slice, reflect.String:
		return true
	}
	return false
}

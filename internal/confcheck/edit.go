// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"reflect"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// edit is a change to what is written, so that it can be decoded.
type edit struct {
	from string // path of a value that is removed
	to   string // where it is put instead, if nothing is there; empty: nowhere
}

// apply edits conf, where a section may be the expansion of one text, such as
// ${file:http.yaml}. Its keys can be reached only once it is put there by itself.
func (e edit) apply(conf *confmap.Conf) {
	if e.from == "" {
		return // for Conf it is not the key "", but everything
	}
	keys := strings.Split(e.from, confmap.KeyDelimiter)
	for i := 1; i < len(keys) && !conf.IsSet(e.from); i++ {
		part := strings.Join(keys[:i], confmap.KeyDelimiter)
		if section, ok := conf.Get(part).(map[string]any); ok {
			put(conf, part, section)
		}
	}
	if !conf.IsSet(e.from) {
		return
	}
	value := conf.Get(e.from)
	conf.Delete(e.from)
	if e.to != "" && !conf.IsSet(e.to) {
		put(conf, e.to, value)
	}
}

func put(conf *confmap.Conf, path string, value any) {
	conf.Delete(path)
	_ = conf.Merge(confmap.NewFromStringMap(map[string]any{path: value})) // cannot fail
}

// get is conf.Get, and expands what is within another expansion, too.
func get(conf *confmap.Conf, key string) any {
	value := conf.Get(key)
	if !isNested(value) {
		return value
	}
	return confmap.NewFromStringMap(map[string]any{"value": value}).Get("value")
}

// decode decodes the value of one key as the collector will, nested keys included.
func decode(conf *confmap.Conf, key string, as reflect.Type) (reflect.Value, error) {
	into := reflect.New(reflect.MapOf(reflect.TypeFor[string](), as))
	if err := only(conf, key).Unmarshal(into.Interface()); err != nil {
		return reflect.Value{}, err
	}
	return into.Elem().MapIndex(reflect.ValueOf(key)), nil
}

// only returns a copy of conf without its other keys.
func only(conf *confmap.Conf, key string) *confmap.Conf {
	alone, _ := conf.Sub("") // cannot fail
	for other := range alone.ToStringMap() {
		if other != key && other != "" {
			alone.Delete(other)
		}
	}
	return alone
}

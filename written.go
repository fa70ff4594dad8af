// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
)

// problem is something that is wrong with what is written for a setting.
type problem struct {
	key string // the path of the setting
	err error
}

// change is one to what is written, so that the rest of it can be decoded.
type change struct {
	from string
	to   string // where a misspelt key belongs; empty: the value is removed
}

// written looks at what is written, before it is decoded: the decoder would stop at
// the first problem, name Go types, show secrets, and read some values as others.
type written struct {
	all      *setting
	ids      []int64 // of incident_ids; nil: not set
	problems []problem
	changes  []change
}

// read looks at all that conf has and takes out what is wrong. It takes out
// incident_ids, too: they are in w.ids.
func (w *written) read(conf *confmap.Conf) {
	w.all = allSettings()
	w.readIDs(conf, "incident_ids", "incident_ids")
	conf.Delete("incident_ids")
	w.section(conf, "", w.all)
	for _, c := range w.changes {
		c.apply(conf)
	}
}

// section looks at the values of the settings that a section has, which is written at
// that path, then at its other keys.
func (w *written) section(conf *confmap.Conf, at string, s *setting) {
	keys := conf.ToStringMap()
	for _, known := range s.below {
		if _, set := keys[known.name()]; set {
			w.value(conf, known.name(), at, known)
			delete(keys, known.name())
		}
	}
	if s.path == "http" {
		w.keepalive(conf, at)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		w.unknown(conf, key, at, s)
	}
}

// value looks at the value of a key, which should be the one of a setting.
func (w *written) value(conf *confmap.Conf, key, at string, s *setting) {
	at = under(at, key)
	value, kind := get(conf, key), s.initial.Type()
	section, isSection := value.(map[string]any)
	switch {
	case isSection && s.below != nil:
		sub, _ := conf.Sub(key) // cannot fail
		w.section(sub, at, s)
	case isSection && kind == reflect.TypeFor[configopaque.MapList]():
		sub, _ := conf.Sub(key)
		for _, name := range slices.Sorted(maps.Keys(section)) {
			w.value(sub, name, at, &setting{path: under(s.path, name), initial: reflect.ValueOf(configopaque.String(""))})
		}
	case s.path == "incident_ids": // misspelt
		w.readIDs(conf, at, key)
	case s.below != nil:
		w.refuse(at, s, notASection(at, s, value))
	default:
		w.refuse(at, s, misfit(at, s, value, func() error { _, err := decode(conf, key, kind); return err }))
	}
}

// keepalive does what confighttp does by itself, which refuses settings of keepalive
// beside those that they replace, but with all other problems.
func (w *written) keepalive(conf *confmap.Conf, at string) {
	if _, ok := conf.Get("keepalive").(map[string]any); !ok {
		return
	}
	for _, key := range []string{"idle_conn_timeout", "max_idle_conns", "max_idle_conns_per_host", "disable_keep_alives"} {
		s := w.all.named("http").named(key)
		if v, err := decode(conf, key, s.initial.Type()); err == nil && v.IsValid() && !v.IsZero() {
			w.refuse(under(at, key), s, notBesideKeepalive(under(at, key)))
		}
	}
}

// refuse notes what is wrong with the value of a setting, if anything is, and that it
// has to be removed.
func (w *written) refuse(at string, s *setting, err error) {
	if err != nil {
		w.problems = append(w.problems, problem{s.path, err})
		w.changes = append(w.changes, change{from: at})
	}
}

// get is conf.Get, which leaves an expansion as it is that is within another one.
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

// apply makes the change in conf, where a section may be the expansion of one text,
// such as ${file:http.yaml}, whose keys cannot be reached.
func (c change) apply(conf *confmap.Conf) {
	if c.from == "" {
		return // for Conf it is not the key "", but everything
	}
	keys := strings.Split(c.from, confmap.KeyDelimiter)
	for i := 1; i < len(keys) && !conf.IsSet(c.from); i++ {
		part := strings.Join(keys[:i], confmap.KeyDelimiter)
		if section, ok := conf.Get(part).(map[string]any); ok {
			put(conf, part, section)
		}
	}
	if !conf.IsSet(c.from) {
		return
	}
	value := conf.Get(c.from)
	conf.Delete(c.from)
	if c.to != "" && !conf.IsSet(c.to) {
		put(conf, c.to, value)
	}
}

func put(conf *confmap.Conf, path string, value any) {
	conf.Delete(path)
	_ = conf.Merge(confmap.NewFromStringMap(map[string]any{path: value})) // cannot fail
}

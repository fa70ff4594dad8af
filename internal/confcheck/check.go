// SPDX-License-Identifier: Apache-2.0

// Package confcheck finds what is wrong with the receiver's section as it is
// written, before the section is decoded. The decoder would stop at the first
// problem, name Go types, show secrets, and read some values as others.
//
// It checks names and types of settings against the struct that the section is
// decoded into. Which values make sense is for the struct's own Validate.
package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"maps"
	"reflect"
	"slices"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
)

const (
	httpPath = "http"       // a confighttp.ClientConfig
	authPath = "http::auth" // its authentication
)

// Check returns the problems of a section, and takes out of conf what has one, so
// that the rest can be decoded. Values under a name that is nearly right are moved to
// the right one. A list of type []int64 is one of incident IDs; it is taken out, too,
// and returned as ids, with 0 for an unusable one. ids is nil if there is no list.
//
// defaults points to a struct with the section's defaults, which Check may change:
// an optional section becomes present. Its tags and types say which settings there
// are. choices lists the known values of settings that have only a few, by path.
func Check(conf *confmap.Conf, defaults any, choices map[string][]string) (ids []int64, problems Problems) {
	c := &checker{root: newSetting("", reflect.ValueOf(defaults).Elem(), choices)}
	c.section(conf, "", c.root)
	for _, e := range c.edits {
		e.apply(conf)
	}
	return c.ids, c.problems
}

// checker goes through what is written. It changes nothing before it has seen
// everything.
type checker struct {
	root     *setting
	ids      []int64
	problems Problems
	edits    []edit
}

// report notes a problem, if err is one, of the setting at path.
func (c *checker) report(path string, err error) {
	if err != nil {
		c.problems = append(c.problems, Problem{path, err})
	}
}

// refuse notes a problem, if err is one, of the setting s, and that what is written
// at the path at is to be removed.
func (c *checker) refuse(at string, s *setting, err error) {
	if err != nil {
		c.report(s.path, err)
		c.edits = append(c.edits, edit{from: at})
	}
}

// section checks the section s, which is written at the path at: first the settings
// that it has, then its other keys.
func (c *checker) section(conf *confmap.Conf, at string, s *setting) {
	keys := conf.ToStringMap()
	for _, b := range s.below {
		if _, set := keys[b.name()]; set {
			c.value(conf, b.name(), at, b)
			delete(keys, b.name())
		}
	}
	if s.path == httpPath {
		c.keepalive(conf, at, s)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		c.unknownKey(conf, key, at, s)
	}
}

// value checks what is written for a key of the section at the path at. The key is
// that of the setting s, or one that is meant to be.
func (c *checker) value(conf *confmap.Conf, key, at string, s *setting) {
	at = join(at, key)
	value := get(conf, key)
	section, isSection := value.(map[string]any)
	switch {
	case isSection && s.below != nil:
		sub, _ := conf.Sub(key) // cannot fail
		c.section(sub, at, s)
	case isSection && is[configopaque.MapList](s):
		sub, _ := conf.Sub(key)
		for _, name := range slices.Sorted(maps.Keys(section)) {
			c.value(sub, name, at, &setting{path: join(s.path, name), initial: reflect.ValueOf(configopaque.String(""))})
		}
	case s.below != nil:
		c.refuse(at, s, notASection(showPath(at), s, value))
	case is[[]int64](s):
		c.readIDs(conf, key, at, s)
	default:
		c.refuse(at, s, wrongValue(showPath(at), s, value, func() error { _, err := decode(conf, key, s.initial.Type()); return err }))
	}
}

// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.opentelemetry.io/collector/confmap"
)

// maxEdits is how many characters a misspelt name may differ from the right one.
const maxEdits = 3

// unknownKey reports a key that the section s, written at the path at, does not
// have. If the key is probably a misspelt or misplaced one, its value is checked as
// if it were right.
func (c *checker) unknownKey(conf *confmap.Conf, key, at string, s *setting) {
	full := join(at, key)
	if meant := s.mostSimilar(key); meant != nil {
		c.wrongKey(conf, key, at, join(at, meant.name()), meant)
		return
	}
	meant := c.root.anywhere(key)
	switch {
	case meant == nil:
		c.report(join(s.path, key), fmt.Errorf("%s: no such setting; the settings there are %s", showPath(full), strings.Join(s.names(), ", ")))
		c.edits = append(c.edits, edit{from: full})
	case meant.path == authPath && !isSection(get(conf, key)):
		c.refuse(full, meant, fmt.Errorf("%s: no such setting; write http: {auth: {authenticator: %s}}", showPath(full), authenticator(get(conf, key))))
	default:
		c.wrongKey(conf, key, at, meant.path, meant)
	}
}

// wrongKey reports a key that is written for the setting meant, which belongs at the
// path right, and checks its value.
func (c *checker) wrongKey(conf *confmap.Conf, key, at, right string, meant *setting) {
	full := join(at, key)
	c.report(full, fmt.Errorf("%s: no such setting; did you mean %s?", showPath(full), showPath(right)))
	c.value(conf, key, at, meant)
	c.edits = append(c.edits, edit{from: full, to: right})
}

// mostSimilar returns the setting of a section whose name is most similar to the
// key; nil: none is similar.
func (s *setting) mostSimilar(key string) *setting {
	var best *setting
	fewest := 0
	for _, b := range s.below {
		name := b.name()
		edits := levenshtein.ComputeDistance(snakeCase(key), name)
		similar := edits <= min(len(name)/3, maxEdits) || strings.HasSuffix(name, "_"+key) || strings.HasPrefix(name, key+"_")
		if similar && (best == nil || edits < fewest) {
			best, fewest = b, edits
		}
	}
	return best
}

// anywhere returns the setting with the name key that is nearest to the top; nil:
// there is none.
func (s *setting) anywhere(key string) *setting {
	for level := s.below; len(level) > 0; {
		var next []*setting
		for _, b := range level {
			if b.name() == snakeCase(key) && b.name() != "enabled" { // which every optional section has
				return b
			}
			next = append(next, b.below...)
		}
		level = next
	}
	return nil
}

// snakeCase spells a key as settings are, if it has dashes or capitals.
func snakeCase(key string) string { return strings.ReplaceAll(strings.ToLower(key), "-", "_") }

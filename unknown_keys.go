// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

const (
	maxEdits = 3  // between a misspelt name and the right one
	maxKey   = 40 // bytes of a key that is shown as a whole
)

// unknown reports a key that a section does not have. If it is probably a misspelt or
// misplaced one, its value is looked at as if it were right.
func (w *written) unknown(conf *confmap.Conf, key, at string, section *setting) {
	full := under(at, key)
	if meant := section.similar(key); meant != nil {
		w.misspelt(conf, key, at, under(at, meant.name()), meant)
		return
	}
	if meant := w.all.elsewhere(key); meant != nil {
		w.misspelt(conf, key, at, meant.path, meant)
		return
	}
	var names []string
	for _, s := range section.below {
		names = append(names, s.name())
	}
	err := fmt.Errorf("%s: no such setting; the settings there are %s", shownPath(full), strings.Join(names, ", "))
	w.problems = append(w.problems, problem{full, err})
	w.changes = append(w.changes, change{from: full})
}

func (w *written) misspelt(conf *confmap.Conf, key, at, right string, meant *setting) {
	full := under(at, key)
	err := fmt.Errorf("%s: no such setting; did you mean %s?", shownPath(full), shownPath(right))
	w.problems = append(w.problems, problem{full, err})
	w.value(conf, key, at, meant)
	w.changes = append(w.changes, change{from: full, to: right})
}

// similar returns the setting of a section with the most similar name; nil: there is
// none that is similar.
func (s *setting) similar(key string) *setting {
	var best *setting
	fewest := 0
	for _, b := range s.below {
		name := b.name()
		edits := distance(plainName(key), name)
		near := edits <= min(len(name)/3, maxEdits) || strings.HasSuffix(name, "_"+key) || strings.HasPrefix(name, key+"_")
		if near && (best == nil || edits < fewest) {
			best, fewest = b, edits
		}
	}
	return best
}

// elsewhere returns the setting of that name that is nearest to the top; nil: there is none.
func (s *setting) elsewhere(key string) *setting {
	for level := s.below; len(level) > 0; {
		var next []*setting
		for _, b := range level {
			if b.name() == plainName(key) && b.name() != "enabled" { // which every optional section has
				return b
			}
			next = append(next, b.below...)
		}
		level = next
	}
	return nil
}

func plainName(key string) string { return strings.ReplaceAll(strings.ToLower(key), "-", "_") }

// distance returns how many bytes have to be inserted, removed or replaced to turn a
// into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the distances from the beginning of a to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// shownPath is a path as messages show it. Keys that cannot be right are cut off: text
// in the wrong place may be secret.
func shownPath(path string) string {
	keys := strings.Split(path, confmap.KeyDelimiter)
	for i, key := range keys {
		if !isWord(key) {
			keys[i] = shown(key)
		}
	}
	return strings.Join(keys, confmap.KeyDelimiter)
}

func isWord(key string) bool {
	return key != "" && len(key) <= maxKey && !slices.ContainsFunc([]rune(key), func(r rune) bool {
		return !strings.ContainsRune("-_./", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.opentelemetry.io/collector/confmap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
)

// portalAddress is the address of an incident in the portal, as people copy it.
var portalAddress = regexp.MustCompile(`^https://[^/]+/incidents?2?/([0-9]+)(?:[/?#].*)?$`)

// readIDs reads the list of incident IDs that is written for a key. The decoder would
// refuse numbers in quotes, and truncate others.
func (c *checker) readIDs(conf *confmap.Conf, key, at string, s *setting) {
	c.edits = append(c.edits, edit{from: at})
	switch value := get(conf, key).(type) {
	case nil:
	case []any:
		texts := idTexts(conf, key, len(value))
		c.ids = make([]int64, len(value))
		for i, written := range value {
			var err error
			c.ids[i], err = readID(fmt.Sprintf("%s[%d]", showPath(at), i), written, texts[i])
			c.report(s.path, err)
		}
	default:
		text := fmt.Sprint(value)
		if _, isText := value.(string); !isText {
			text = cmp.Or(idTexts(conf, key, 1)[0], text)
		}
		c.report(s.path, fmt.Errorf("%s: %s is not a list; write %s", showPath(at), show(value), listExample(text)))
	}
}

// readID reads an ID from what YAML made of its text; it is 0 if there is an error.
// The text is empty if it is not known.
func readID(at string, value any, text string) (int64, error) {
	switch n := value.(type) {
	case nil:
		return 0, fmt.Errorf("%s: empty; write an ID, or remove it", at)
	case string:
		return quotedID(at, n)
	case int:
		return unquotedID(at, int64(n), text)
	case int64:
		return n, nil
	case float64: // JSON has no other numbers
		if n == math.Trunc(n) && math.Abs(n) <= maxExact {
			return int64(n), nil
		}
		if n == math.Trunc(n) {
			return 0, fmt.Errorf("%s: %v is too large for an ID; write the number in the portal's address", at, n)
		}
	case uint64:
		return 0, fmt.Errorf("%s: %v is too large for an ID; write the number in the portal's address", at, n)
	}
	return 0, fmt.Errorf("%s: %s is not an ID; write digits only, e.g. 437", at, show(value))
}

// unquotedID refuses an ID that YAML has read as another number than its digits say.
func unquotedID(at string, id int64, text string) (int64, error) {
	meant := strconv.FormatInt(id, 10)
	if text == "" || text == meant {
		return id, nil
	}
	if decimal, ok := idlist.ParseID(text); ok {
		meant = strconv.FormatInt(decimal, 10)
	}
	return 0, fmt.Errorf("%s: %s is %d in YAML; write %s", at, idlist.Excerpt(text), id, meant)
}

// quotedID reads an ID written as a string. Validate refuses negative ones.
func quotedID(at, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	switch decimal, ok := idlist.ParseID(text); {
	case err == nil && strconv.FormatInt(id, 10) == text:
		return id, nil
	case ok:
		return 0, fmt.Errorf("%s: %s begins with 0; write %d", at, idlist.Excerpt(text), decimal)
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s: %s is too large for an ID; write the number in the portal's address", at, idlist.Excerpt(text))
	}
	return 0, fmt.Errorf("%s: %s is not an ID; write %s", at, idlist.Excerpt(text), guessIDs(text))
}

// guessIDs returns the IDs that text is meant to name, or what an ID looks like.
func guessIDs(text string) string {
	if address := portalAddress.FindStringSubmatch(text); address != nil {
		text = address[1]
	}
	if ids := splitIDs(text); ids != nil {
		return strings.Join(ids, ", ")
	}
	return "digits only, e.g. 437"
}

// listExample shows how to write the IDs in text as a list, or what such a list
// looks like.
func listExample(text string) string {
	if ids := splitIDs(text); ids != nil {
		return "[" + strings.Join(ids, ", ") + "]"
	}
	return "e.g. [437, 552]"
}

// splitIDs returns the IDs of a text that has up to ten IDs and nothing else; nil:
// it has not.
func splitIDs(text string) []string {
	ids := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
	if len(ids) == 0 || len(ids) > 10 {
		return nil
	}
	for i, id := range ids {
		decimal, ok := idlist.ParseID(id)
		if !ok {
			return nil
		}
		ids[i] = strconv.FormatInt(decimal, 10)
	}
	return ids
}

// idTexts returns the texts of n IDs that come from an expansion such as
// ${env:INCIDENT_ID}, one by one or as a whole list; empty for an ID whose text is
// not known. The collector keeps these texts for settings that are strings. Without
// them, 0437 would be the octal number 287. It keeps no text of an ID in the YAML
// itself.
func idTexts(conf *confmap.Conf, key string, n int) []string {
	tag := reflect.StructTag(confmap.MapstructureTag + ":" + strconv.Quote(key))
	into := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "IDs", Type: reflect.TypeFor[[]string](), Tag: tag}}))
	_ = conf.Unmarshal(into.Interface(), confmap.WithIgnoreUnused()) // an error about each ID that is not a string
	each := into.Elem().Field(0).Interface().([]string)
	var all string
	if v, err := decode(conf, key, reflect.TypeFor[string]()); err == nil {
		all = v.String()
	}

	texts := make([]string, n)
	if words := idWords(all); len(words) == n { // else there are comments
		copy(texts, words)
	}
	for i, text := range each[:min(n, len(each))] {
		if text = strings.TrimSpace(text); text != "" {
			texts[i] = text
		}
	}
	return texts
}

// idWords splits a YAML list of IDs.
func idWords(list string) []string {
	words := strings.FieldsFunc(list, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("+-._", r)
	})
	return slices.DeleteFunc(words, func(word string) bool { return word == "-" })
}

// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

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

// readIDs reads the value of a key, which should be a list of incident IDs. Decoding
// would reject numbers in quotes, and truncate others.
func (w *written) readIDs(conf *confmap.Conf, at, key string) {
	switch value := get(conf, key).(type) {
	case nil:
	case []any:
		texts := expandedTexts(conf, key, len(value))
		w.ids = make([]int64, len(value))
		for i, id := range value {
			var err error
			w.ids[i], err = writtenID(fmt.Sprintf("%s[%d]", shownPath(at), i), id, texts[i])
			w.refuse(at, w.all.named("incident_ids"), err)
		}
	default:
		text := fmt.Sprint(value)
		if _, isText := value.(string); !isText {
			text = cmp.Or(expandedTexts(conf, key, 1)[0], text)
		}
		w.refuse(at, w.all.named("incident_ids"),
			fmt.Errorf("%s: %s is not a list; write %s", shownPath(at), shown(value), asList(text)))
	}
}

// writtenID reads an ID from what YAML made of its text. The text is empty if it is
// not known.
func writtenID(at string, value any, text string) (int64, error) {
	switch n := value.(type) {
	case nil:
		return 0, fmt.Errorf("%s: empty; write an ID, or remove it", at)
	case string:
		return quotedID(at, n)
	case int64:
		return n, nil
	case float64: // JSON has no other numbers; exact only up to here
		if n == math.Trunc(n) && math.Abs(n) <= 1<<53 {
			return int64(n), nil
		}
		if n == math.Trunc(n) {
			return 0, fmt.Errorf("%s: %v is too large for an ID", at, n)
		}
	case uint64:
		return 0, fmt.Errorf("%s: %v is too large for an ID", at, n)
	case int:
		return unquotedID(at, int64(n), text)
	}
	return 0, fmt.Errorf("%s: %s is not an ID; write digits only, e.g. 437", at, shown(value))
}

// unquotedID checks whether the digits that an ID was written with are its own.
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

// quotedID reads an ID written as a string. Validate rejects negative ones.
func quotedID(at, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	switch decimal, ok := idlist.ParseID(text); {
	case err == nil && strconv.FormatInt(id, 10) == text:
		return id, nil
	case ok:
		return 0, fmt.Errorf("%s: %s begins with 0; write %d", at, idlist.Excerpt(text), decimal)
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s: %s is too large for an ID", at, idlist.Excerpt(text))
	}
	return 0, fmt.Errorf("%s: %s is not an ID; write %s", at, idlist.Excerpt(text), meantIDs(text))
}

// meantIDs guesses which IDs a text is meant to name.
func meantIDs(text string) string {
	if inAddress := portalAddress.FindStringSubmatch(text); inAddress != nil {
		text = inAddress[1]
	}
	if ids := seriesOfIDs(text); ids != nil {
		return strings.Join(ids, ", ")
	}
	return "digits only, e.g. 437"
}

// portalAddress is the address of an incident in the portal, as people copy it.
var portalAddress = regexp.MustCompile(`^https://[^/]+/incidents?2?/([0-9]+)(?:[/?#].*)?$`)

// expandedTexts returns the texts of n IDs that come from an expansion such as
// ${env:INCIDENT_ID}, one by one or as a whole list; empty where it is not known.
// The collector keeps them for settings that are strings: without them, an ID 0437
// would be the octal number 287. Of an ID in the YAML itself it keeps the number only.
func expandedTexts(conf *confmap.Conf, key string, n int) []string {
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

// asList shows how to write the IDs in text as a list. If text is not a short
// series of IDs, asList returns an example.
func asList(text string) string {
	ids := seriesOfIDs(text)
	if ids == nil {
		return "e.g. [437, 552]"
	}
	return "[" + strings.Join(ids, ", ") + "]"
}

// seriesOfIDs splits a text that is a short series of IDs; nil: it is none.
func seriesOfIDs(text string) []string {
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

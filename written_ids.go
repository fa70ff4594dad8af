package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.opentelemetry.io/collector/confmap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
)

// writtenIDs returns the list of incident_ids; nil: it is not set. Decoding would
// reject numbers in quotes, and truncate others.
func writtenIDs(conf *confmap.Conf) ([]int64, error) {
	switch written := conf.Get("incident_ids").(type) {
	case nil:
		return nil, nil
	case []any:
		texts := expandedTexts(conf, len(written))
		ids, errs := make([]int64, len(written)), make([]error, len(written))
		for i, value := range written {
			ids[i], errs[i] = writtenID(fmt.Sprintf("incident_ids[%d]", i), value, texts[i])
		}
		return ids, errors.Join(errs...)
	default:
		text := fmt.Sprint(written)
		if _, isText := written.(string); !isText {
			text = cmp.Or(expandedTexts(conf, 1)[0], text)
		}
		return nil, fmt.Errorf("incident_ids: not a list; write %s", asList(text))
	}
}

// writtenID reads an ID from what YAML made of its text. The text is empty if it is
// not known.
func writtenID(key string, value any, text string) (int64, error) {
	if quoted, ok := value.(string); ok {
		return quotedID(key, quoted)
	}
	if err := checkWholeNumber(key, value); err != nil {
		return 0, err
	}
	switch n := value.(type) {
	case float64:
		return int64(n), nil
	case int64:
		return n, nil
	}
	id := int64(value.(int))
	if meant := strconv.FormatInt(id, 10); text != "" && text != meant {
		if decimal, ok := idlist.ParseID(text); ok {
			meant = strconv.FormatInt(decimal, 10)
		}
		return 0, fmt.Errorf("%s: %s is %d in YAML; write %s", key, idlist.Excerpt(text), id, meant)
	}
	return id, nil
}

// quotedID reads an ID written as a string. Validate rejects negative ones.
func quotedID(key, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	switch decimal, ok := idlist.ParseID(text); {
	case err == nil && strconv.FormatInt(id, 10) == text:
		return id, nil
	case ok:
		return 0, fmt.Errorf("%s: %s begins with 0; write %d", key, idlist.Excerpt(text), decimal)
	}
	return 0, fmt.Errorf("%s: %s is not a whole number", key, idlist.Excerpt(text))
}

// expandedTexts returns the texts of n IDs that come from an expansion such as
// ${env:INCIDENT_ID}, one by one or as a whole list; empty where it is not known.
// The collector keeps them for settings that are strings: without them, an ID 0437
// would be the octal number 287. Of an ID in the YAML itself it keeps the number only.
func expandedTexts(conf *confmap.Conf, n int) []string {
	var one struct {
		IDs []string `mapstructure:"incident_ids"`
	}
	_ = conf.Unmarshal(&one, confmap.WithIgnoreUnused()) // an error about each ID that is not a string
	var all struct {
		IDs string `mapstructure:"incident_ids"`
	}
	_ = conf.Unmarshal(&all, confmap.WithIgnoreUnused())

	texts := make([]string, n)
	if words := idWords(all.IDs); len(words) == n { // else there are comments
		copy(texts, words)
	}
	for i, text := range one.IDs[:min(n, len(one.IDs))] {
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
	ids := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
	example := len(ids) == 0 || len(ids) > 10
	for i, id := range ids {
		decimal, ok := idlist.ParseID(id)
		ids[i], example = strconv.FormatInt(decimal, 10), example || !ok
	}
	if example {
		ids = []string{"437", "552"}
	}
	return "[" + strings.Join(ids, ", ") + "]"
}

// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"
)

// keyText is what a key may be to be shown whole.
var keyText = regexp.MustCompile(`^[-_./0-9A-Za-z]{1,40}$`)

// show returns a value as messages show it.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return "an empty value"
	case string:
		return idlist.Excerpt(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a section"
	case time.Time:
		return v.Format(time.DateOnly)
	default:
		return fmt.Sprint(v) // a number, true or false
	}
}

// showPath returns a path as messages show it. It cuts off keys that cannot be
// right: text in the wrong place may be secret.
func showPath(path string) string {
	keys := strings.Split(path, confmap.KeyDelimiter)
	for i, key := range keys {
		if !keyText.MatchString(key) {
			keys[i] = show(key)
		}
	}
	return strings.Join(keys, confmap.KeyDelimiter)
}

func isSection(value any) bool {
	_, ok := value.(map[string]any)
	return ok
}

func isNested(value any) bool {
	_, isList := value.([]any)
	return isList || isSection(value)
}

// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// notADuration accepts 0, which the decoder reads without a unit, too. It would read
// other bare numbers as nanoseconds.
func notADuration(at string, s *setting, value any) error {
	example := "1m"
	if d := time.Duration(s.initial.Int()); d > 0 {
		example = shortDuration(d)
	}
	switch v := value.(type) {
	case nil:
		return fmt.Errorf("%s: empty; write e.g. %s, or remove it", at, example)
	case int, float64:
		if v == 0 || v == 0.0 {
			return nil
		}
		return fmt.Errorf("%s: %v has no unit; write e.g. %vs", at, v, strings.TrimPrefix(fmt.Sprint(v), "-"))
	case string:
		d, err := time.ParseDuration(v)
		switch {
		case err != nil:
			return misspeltDuration(at, v, example)
		case d < 0 && isBelow(s.path, httpPath): // the receiver's own are for Validate
			return fmt.Errorf("%s: %s is negative; write e.g. %s", at, show(v), example)
		}
		return nil
	}
	return fmt.Errorf("%s: %s is not a duration; write e.g. %s", at, show(value), example)
}

// misspeltDuration is about a text that is not a duration of Go's.
func misspeltDuration(at, text, example string) error {
	if _, err := strconv.ParseFloat(text, 64); err == nil && len(text) < 10 {
		return fmt.Errorf("%s: %s has no unit; write e.g. %ss", at, show(text), text)
	}
	meant, ok := guessDuration(text)
	switch {
	case !ok:
		return fmt.Errorf("%s: %s is not a duration; write e.g. %s", at, show(text), example)
	case !isDuration(meant):
		longest := time.Duration(math.MaxInt64).Truncate(time.Hour)
		return fmt.Errorf("%s: %s is too long; write at most %s", at, show(text), shortDuration(longest))
	}
	return fmt.Errorf("%s: %s is not a duration; write %s", at, show(text), meant)
}

// humanDuration is a duration as people write it elsewhere: 5 min, 1d, PT5M.
var humanDuration = regexp.MustCompile(`^(?:pt?)?([0-9]+(?:\.[0-9]+)?) ?([a-z]+)\.?$`)

// guessDuration returns in Go's notation the duration that is meant by text. It may
// be too long for time.Duration.
func guessDuration(text string) (duration string, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if joined := strings.ReplaceAll(text, " ", ""); isDuration(joined) { // 1h 30m
		return joined, true
	}
	parts := humanDuration.FindStringSubmatch(text)
	if parts == nil {
		return "", false
	}
	unit, factor := unitOf(parts[2])
	n, err := strconv.ParseFloat(parts[1], 64)
	if unit == "" || err != nil {
		return "", false
	}
	return strconv.FormatFloat(n*factor, 'f', -1, 64) + unit, true
}

func isDuration(text string) bool {
	_, err := time.ParseDuration(text)
	return err == nil
}

// unitOf returns Go's unit for the word of a unit, and how many of Go's make one.
// An empty unit means that the word is not known.
func unitOf(word string) (unit string, factor float64) {
	switch word {
	case "ms", "msec", "millisecond", "milliseconds":
		return "ms", 1
	case "s", "sec", "secs", "second", "seconds":
		return "s", 1
	case "m", "min", "mins", "minute", "minutes":
		return "m", 1
	case "h", "hr", "hrs", "hour", "hours":
		return "h", 1
	case "d", "day", "days":
		return "h", 24
	case "w", "week", "weeks":
		return "h", 7 * 24
	}
	return "", 0
}

// shortDuration formats d without the units at its end that are 0.
func shortDuration(d time.Duration) string {
	text := d.String()
	if whole, found := strings.CutSuffix(text, "m0s"); found {
		text = whole + "m"
	}
	if whole, found := strings.CutSuffix(text, "h0m"); found {
		text = whole + "h"
	}
	return text
}

// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// otherDuration is a duration as people write it elsewhere: 5 min, 1d, PT5M.
var otherDuration = regexp.MustCompile(`^(?:pt?)?([0-9]+(?:\.[0-9]+)?) ?([a-z]+)\.?$`)

// meantDuration returns a text that is no duration of Go's as one, which may be too
// long for time.Duration.
func meantDuration(text string) (duration string, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if joined := strings.ReplaceAll(text, " ", ""); isDuration(joined) { // 1h 30m
		return joined, true
	}
	parts := otherDuration.FindStringSubmatch(text)
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

// unitOf returns Go's unit for a word, and how many of it there are in one.
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

// shortDuration is d without units that are 0 at its end.
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

// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runSPL runs a search in Splunk's language over events. It knows what the
// documented searches use, as Splunk's manual describes it, and fails on anything
// else.
func runSPL(t *testing.T, search string, events []row, now time.Time) []row {
	t.Helper()
	for n, command := range strings.Split(search, "\n| ") {
		verb, rest, _ := strings.Cut(strings.TrimSpace(command), " ")
		switch {
		case n == 0:
			events = filtered(events, searchTerms(t, command, now))
		case verb == "search":
			events = filtered(events, listTerms(t, rest))
		case verb == "where":
			condition := parse(t, rest, now)
			events = filtered(events, func(r row) bool { return condition(r) == true })
		case verb == "sort":
			events = sorted(t, events, rest)
		case verb == "dedup":
			events = deduplicated(events, rest)
		case verb == "table":
			for _, name := range strings.Fields(rest) {
				require.Regexp(t, `^[\w.]+$`, name)
			}
		default:
			require.Fail(t, "unknown command", command)
		}
	}
	return events
}

func filtered(events []row, keep func(row) bool) []row {
	return slices.DeleteFunc(slices.Clone(events), func(r row) bool { return !keep(r) })
}

// searchTerms reads the terms before the first pipe, all of which must fit.
func searchTerms(t *testing.T, terms string, now time.Time) func(row) bool {
	t.Helper()
	var all []func(row) bool
	for _, term := range strings.Fields(terms) {
		if name, value, indexed := strings.Cut(term, "::"); indexed {
			all = append(all, func(r row) bool { return strings.EqualFold(fmt.Sprint(r[name]), value) })
			continue
		}
		name, value, _ := strings.Cut(term, "=")
		value = strings.Trim(value, `"`)
		switch {
		case name == "index" && value == "defender":
		case name == "sourcetype":
			pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(value), `\*`, ".*") + "$")
			all = append(all, func(r row) bool { return pattern.MatchString(r["sourcetype"].(string)) })
		case term == "earliest=1": // whenever it changed
		case term == "_index_earliest=-5m@m":
			all = append(all, func(r row) bool {
				return r["_indextime"].(float64) >= float64(now.Truncate(time.Minute).Add(-5*time.Minute).Unix())
			})
		case term == "_index_latest=@m":
			all = append(all, func(r row) bool { return r["_indextime"].(float64) < float64(now.Truncate(time.Minute).Unix()) })
		default:
			require.Fail(t, "unknown term", term)
		}
	}
	return func(r row) bool {
		return !slices.ContainsFunc(all, func(fits func(row) bool) bool { return !fits(r) })
	}
}

// listTerms reads NAME IN (VALUE, VALUE) OR NAME IN (VALUE), which compares without
// case, and fits if any value of a field does.
func listTerms(t *testing.T, terms string) func(row) bool {
	t.Helper()
	one := regexp.MustCompile(`^([\w.]+) IN \(([^()]+)\)$`)
	lists := map[string][]string{}
	for _, term := range strings.Split(terms, " OR ") {
		match := one.FindStringSubmatch(strings.TrimSpace(term))
		require.NotNil(t, match, "unknown term %s", term)
		for _, value := range strings.Split(match[2], ",") {
			lists[match[1]] = append(lists[match[1]], strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`)))
		}
	}
	return func(r row) bool {
		for name, values := range lists {
			found, _ := r[name].([]string)
			if slices.ContainsFunc(found, func(v string) bool { return slices.Contains(values, strings.ToLower(v)) }) {
				return true
			}
		}
		return false
	}
}

// sorted sorts by "0 - NAME" or "0 NAME": all results, and downwards with a minus.
// Splunk's sort is stable.
func sorted(t *testing.T, events []row, by string) []row {
	t.Helper()
	match := regexp.MustCompile(`^0 (- )?([\w.@]+)$`).FindStringSubmatch(by)
	require.NotNil(t, match, "unknown order: %s", by)
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b row) int {
		if match[1] != "" {
			a, b = b, a
		}
		return orderOf(a[match[2]].(float64), b[match[2]].(float64))
	})
	return events
}

func orderOf(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// deduplicated keeps the first event of each value, and none without the field.
func deduplicated(events []row, name string) []row {
	seen := map[any]bool{nil: true}
	return filtered(events, func(r row) bool {
		first := !seen[r[name]]
		seen[r[name]] = true
		return first
	})
}

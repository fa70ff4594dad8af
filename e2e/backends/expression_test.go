// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// row is an event as a query sees it: strings, numbers (float64), booleans and
// lists of strings by field name. Times and durations are numbers, in seconds. A
// field that is not there is nil, and so is a condition about it, which is neither
// true nor false: Splunk and Elasticsearch leave such events out.
type row map[string]any

// expression is a condition or a value in a query.
type expression func(row) any

// parser reads the expressions that the documented queries for Splunk (where) and
// Elasticsearch (ES|QL) have. It knows nothing else, and fails on anything else.
type parser struct {
	t      *testing.T
	tokens []string
	now    time.Time
}

var token = regexp.MustCompile(`\s*("[^"]*"|'[^']*'|[A-Za-z_@][\w@]*(?:\.[A-Za-z_@][\w@]*)*|\d+|[=!<>]=|\S)`)

// parse reads an expression, which must be all of the text.
func parse(t *testing.T, text string, now time.Time) expression {
	t.Helper()
	p := &parser{t: t, now: now}
	for _, match := range token.FindAllStringSubmatch(text, -1) {
		p.tokens = append(p.tokens, match[1])
	}
	parsed := p.or()
	require.Empty(t, p.tokens, "not understood in %s", text)
	return parsed
}

// take consumes the next token if it is one of these, whatever its case.
func (p *parser) take(any ...string) bool {
	for _, a := range any {
		if len(p.tokens) > 0 && strings.EqualFold(p.tokens[0], a) {
			p.tokens = p.tokens[1:]
			return true
		}
	}
	return false
}

func (p *parser) next() string {
	p.t.Helper()
	require.NotEmpty(p.t, p.tokens, "the expression ends early")
	first := p.tokens[0]
	p.tokens = p.tokens[1:]
	return first
}

func (p *parser) or() expression {
	left := p.and()
	for p.take("OR") {
		a, b := left, p.and()
		left = func(r row) any { return either(a(r), b(r), true) }
	}
	return left
}

func (p *parser) and() expression {
	left := p.comparison()
	for p.take("AND") {
		a, b := left, p.comparison()
		left = func(r row) any { return either(a(r), b(r), false) }
	}
	return left
}

// either returns decisive if one of the conditions is that, and nil if they do not
// decide.
func either(a, b any, decisive bool) any {
	switch {
	case a == decisive || b == decisive:
		return decisive
	case a == nil || b == nil:
		return nil
	}
	return !decisive
}

func negated(condition any) any {
	if condition == nil {
		return nil
	}
	return !condition.(bool)
}

func (p *parser) comparison() expression {
	left := p.sum()
	switch {
	case p.take("=", "=="):
		return compared(left, p.sum(), func(sign int) bool { return sign == 0 })
	case p.take("!="):
		return compared(left, p.sum(), func(sign int) bool { return sign != 0 })
	case p.take(">"):
		return compared(left, p.sum(), func(sign int) bool { return sign > 0 })
	case p.take("<"):
		return compared(left, p.sum(), func(sign int) bool { return sign < 0 })
	case p.take("IS"):
		not := p.take("NOT")
		require.True(p.t, p.take("NULL"))
		return func(r row) any { return (left(r) == nil) != not }
	case p.take("NOT"):
		require.True(p.t, p.take("IN"))
		in := among(left, p.arguments())
		return func(r row) any { return negated(in(r)) }
	}
	return left
}

// among tells whether a value is in a list.
func among(value expression, list []expression) expression {
	return func(r row) any {
		var found any = false
		for _, element := range list {
			found = either(found, compared(value, element, func(sign int) bool { return sign == 0 })(r), true)
		}
		return found
	}
}

// compared compares two values of the same type.
func compared(left, right expression, fits func(sign int) bool) expression {
	return func(r row) any {
		switch a := left(r).(type) {
		case string:
			if b, same := right(r).(string); same {
				return fits(strings.Compare(a, b))
			}
		case float64:
			if b, same := right(r).(float64); same {
				return fits(int(min(max((a-b)*1e9, -1), 1)))
			}
		}
		return nil
	}
}

func (p *parser) sum() expression {
	left := p.value()
	for {
		a := left
		switch {
		case p.take("-"):
			b := p.value()
			left = func(r row) any {
				x, is := a(r).(float64)
				y, also := b(r).(float64)
				if !is || !also {
					return nil
				}
				return x - y
			}
		case p.take("."):
			b := p.value()
			left = func(r row) any {
				if a(r) == nil || b(r) == nil {
					return nil
				}
				return fmt.Sprint(a(r), b(r))
			}
		default:
			return left
		}
	}
}

func (p *parser) arguments() []expression {
	require.True(p.t, p.take("("), "%v", p.tokens)
	var list []expression
	for !p.take(")") {
		list = append(list, p.or())
		p.take(",")
	}
	return list
}

func (p *parser) value() expression {
	if p.take("(") {
		inner := p.or()
		require.True(p.t, p.take(")"))
		return inner
	}
	text := p.next()
	if literal, is := strings.CutPrefix(text, `"`); is {
		return func(row) any { return strings.TrimSuffix(literal, `"`) }
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		number *= p.unit()
		return func(row) any { return number }
	}
	if len(p.tokens) > 0 && p.tokens[0] == "(" && !strings.HasPrefix(text, "'") {
		return p.function(strings.ToLower(text), p.arguments())
	}
	require.Regexp(p.t, `^['\w@]`, text)
	name := strings.Trim(text, "'")
	return func(r row) any { return r[name] }
}

// unit returns the seconds of a unit behind a number.
func (p *parser) unit() float64 {
	switch {
	case p.take("minutes"):
		return 60
	case p.take("day"):
		return 86400
	}
	return 1
}

func (p *parser) function(name string, arguments []expression) expression {
	text := func(r row, n int) (string, bool) {
		value, is := arguments[n](r).(string)
		return value, is
	}
	switch name {
	case "now":
		now := float64(p.now.UnixNano()) / 1e9
		return func(row) any { return now }
	case "isnotnull":
		return func(r row) any { return arguments[0](r) != nil }
	case "lower", "to_lower":
		return func(r row) any {
			if value, is := text(r, 0); is {
				return strings.ToLower(value)
			}
			return nil
		}
	case "substr":
		return func(r row) any {
			if value, is := text(r, 0); is {
				from, length := int(arguments[1](r).(float64)), int(arguments[2](r).(float64))
				return value[from-1 : min(len(value), from-1+length)]
			}
			return nil
		}
	case "strptime":
		return func(r row) any {
			value, is := text(r, 0)
			format, _ := text(r, 1)
			require.Equal(p.t, "%Y-%m-%dT%H:%M:%S%z", format)
			read, err := time.Parse("2006-01-02T15:04:05-0700", value)
			if !is || err != nil {
				return nil
			}
			return float64(read.Unix())
		}
	case "match": // of Elasticsearch, on a keyword: a value is the same as a whole
		return func(r row) any {
			value, _ := text(r, 1)
			list, _ := arguments[0](r).([]string)
			for _, element := range list {
				if element == value {
					return true
				}
			}
			return false
		}
	}
	require.Fail(p.t, "unknown function", name)
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"strings"
	"time"
)

// filter is a parsed $filter: conditions that must all hold. The zero
// value passes everything.
type filter struct {
	conditions []condition
	// spans are times outside of which no row passes, by the order that uses them,
	// so a search can skip the rest.
	spans [orders]span
}

type condition func(*shown) bool

// field is what a filter may compare: a time or a text.
type field struct {
	time    func(*shown) time.Time // nil: it is a text
	text    func(*shown) string
	order   order // the order by that time
	rising  bool  // lt and le are refused
	ignored bool  // a comparison passes everything
}

// StatusFilter is what List does with a $filter on status.
type StatusFilter string

// What List does with a $filter on status.
const (
	StatusFilterHonoured StatusFilter = "honoured" // it passes the incidents of that status
	StatusFilterIgnored  StatusFilter = "ignored"  // it passes all incidents
	StatusFilterRefused  StatusFilter = "refused"  // it is a 400
)

func (f StatusFilter) check() error {
	switch f {
	case "", StatusFilterHonoured, StatusFilterIgnored, StatusFilterRefused:
		return nil
	}
	return fmt.Errorf("unknown list status filter %q: one of honoured, ignored, refused", string(f))
}

func (f filter) passes(row *shown) bool {
	for _, met := range f.conditions {
		if !met(row) {
			return false
		}
	}
	return true
}

// parseFilter parses comparisons joined by "and": of times with gt, ge, lt and
// le, of texts with eq. It returns what is wrong with anything else.
func parseFilter(text string, fields map[string]field) (f filter, wrong string) {
	terms, ok := parseTerms(text)
	if !ok || len(terms)%4 != 3 {
		return f, fmt.Sprintf("Syntax error in filter '%s'.", text)
	}
	for n := 0; n < len(terms); n += 4 {
		if wrong := f.add(fields, terms[n], terms[n+1], terms[n+2]); wrong != "" {
			return filter{}, wrong
		}
		if n+3 < len(terms) && terms[n+3] != (term{text: "and"}) {
			return filter{}, fmt.Sprintf("The operator '%s' is not supported.", terms[n+3].text)
		}
	}
	return f, ""
}

// term is a word of a filter, or a quoted string.
type term struct {
	text   string
	quoted bool
}

// parseTerms splits a filter at its spaces. A quote in a string is doubled.
func parseTerms(text string) (terms []term, ok bool) {
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		word, rest, _ := strings.Cut(text, " ")
		next := term{text: word}
		if strings.HasPrefix(text, "'") {
			next.text, rest, ok = unquote(text[1:])
			next.quoted = true
			if !ok || rest != "" && rest[0] != ' ' {
				return nil, false
			}
		} else if strings.Contains(word, "'") {
			return nil, false
		}
		terms, text = append(terms, next), rest
	}
	return terms, true
}

// unquote reads up to the quote that ends a string.
func unquote(text string) (value, rest string, ok bool) {
	for {
		part, after, found := strings.Cut(text, "'")
		if !found {
			return "", "", false
		}
		value += part
		if !strings.HasPrefix(after, "'") {
			return value, after, true
		}
		value, text = value+"'", after[1:]
	}
}

// add adds a comparison, or returns what is wrong with it.
func (f *filter) add(fields map[string]field, name, operator, value term) (wrong string) {
	if name.quoted || operator.quoted {
		return fmt.Sprintf("Syntax error at '%s %s'.", name.text, operator.text)
	}
	compared, known := fields[name.text]
	switch {
	case !known:
		return fmt.Sprintf("The property '%s' cannot be used in the $filter query option.", name.text)
	case compared.time != nil:
		return f.addTime(operator.text, value, compared)
	}
	return f.addText(operator.text, value, compared)
}

func (f *filter) addTime(operator string, value term, compared field) (wrong string) {
	limit, ok := parseTime(value)
	if !ok {
		return fmt.Sprintf("'%s' is not a time.", value.text)
	}
	var met func(order int) bool
	if compared.rising && strings.HasPrefix(operator, "l") {
		return fmt.Sprintf("The operator '%s' is not supported for times.", operator)
	}
	switch operator {
	case "gt":
		met = func(order int) bool { return order > 0 }
	case "ge":
		met = func(order int) bool { return order >= 0 }
	case "lt":
		met = func(order int) bool { return order < 0 }
	case "le":
		met = func(order int) bool { return order <= 0 }
	default:
		return fmt.Sprintf("The operator '%s' is not supported for times.", operator)
	}
	f.spans[compared.order].narrow(operator[0] == 'g', limit)
	f.conditions = append(f.conditions, func(row *shown) bool { return met(compared.time(row).Compare(limit)) })
	return ""
}

// parseTime reads a time as the API writes one: UTC with Z and 0 to 7
// fractional digits, not between quotes.
func parseTime(value term) (at time.Time, ok bool) {
	whole, fraction, _ := strings.Cut(strings.TrimSuffix(value.text, "Z"), ".")
	if value.quoted || len(whole) != len("2006-01-02T15:04:05") || len(fraction) > 7 {
		return at, false
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", value.text)
	return at, err == nil
}

func (f *filter) addText(operator string, value term, compared field) (wrong string) {
	if operator != "eq" || !value.quoted {
		return "Text can only be compared with eq, and with a string between single quotes."
	}
	f.conditions = append(f.conditions, func(row *shown) bool { return compared.ignored || compared.text(row) == value.text })
	return ""
}

// SPDX-License-Identifier: Apache-2.0

package content

import "strconv"

// Number is how a JSON number is kept: integers exactly, others as float64, and
// numbers that fit neither an int64 nor a float64 as their original text.
type Number struct {
	Form   Form
	Int    int64
	Double float64
}

// Form says which of its values a Number has.
type Form uint8

// The forms of a Number. One that is Text has neither value.
const (
	Int Form = iota
	Double
	Text
)

// ParseNumber reads a number's literal.
func ParseNumber[T string | []byte](literal T) Number {
	if isInteger(literal) {
		if i, err := strconv.ParseInt(string(literal), 10, 64); err == nil {
			return Number{Form: Int, Int: i}
		}
	} else if f, err := strconv.ParseFloat(string(literal), 64); err == nil {
		return Number{Form: Double, Double: f}
	}
	return Number{Form: Text}
}

func isInteger[T string | []byte](literal T) bool {
	for i := range len(literal) {
		switch literal[i] {
		case '.', 'e', 'E':
			return false
		}
	}
	return true
}

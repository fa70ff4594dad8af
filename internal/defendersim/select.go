// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// selectMembers parses the names of $select, or returns what is
// wrong with them.
func (x *exchange) selectMembers(list string) (wrong string) {
	w := &writer{}
	x.writeMembers(w, x.dialect.sample)
	var known []string
	for name := range membersOf(w.buf) {
		known = append(known, name)
	}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(known, name) {
			return fmt.Sprintf("Could not find a property named '%s' to select.", name)
		}
		x.query.selected = append(x.query.selected, name)
	}
	return ""
}

// selection reduces the members of a row to the requested ones. Members added
// by $expand stay.
func (x *exchange) selection(members []byte) []byte {
	if x.query.selected == nil {
		return members
	}
	var left []byte
	for name, member := range membersOf(members) {
		own, _, _ := strings.Cut(name, "@")
		if slices.Contains(x.query.selected, name) || x.query.expand && own == "alerts" {
			if left != nil {
				left = append(left, ',')
			}
			left = append(left, member...)
		}
	}
	return left
}

// membersOf yields the members of an object as writer wrote them, each with its
// name, without the braces around them and the commas between them.
func membersOf(members []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for len(members) > 0 {
			end := memberEnd(members)
			quoted, _, _ := bytes.Cut(members, []byte(`":`))
			if !yield(string(quoted[1:]), members[:end]) {
				return
			}
			members = bytes.TrimPrefix(members[end:], []byte{','})
		}
	}
}

// memberEnd is the end of the first member.
func memberEnd(members []byte) int {
	depth, quoted := 0, false
	for n := 0; n < len(members); n++ {
		switch c := members[n]; {
		case quoted && c == '\\':
			n++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			depth--
		case c == ',' && depth == 0:
			return n
		}
	}
	return len(members)
}

// SPDX-License-Identifier: Apache-2.0

package content

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Shape is shared by objects with the same names in the same order. It is
// immutable.
type Shape struct {
	// Names in the order of the text.
	Names []string
	// Order has the places of those names that count, sorted by name.
	Order []int
}

// place of a name. -1: there is none.
func (s *Shape) place(name string) int { return slices.Index(s.Names, name) }

// errDuplicateName does not quote the name: people choose some of them.
var errDuplicateName = errors.New("duplicate object member name")

// Shapes are the shapes of an API's objects, found by their names: the API
// writes objects of one kind alike, again and again. Names are kept once,
// sorted once, and compared once. Shapes belong to one goroutine; a Shape does
// not.
type Shapes struct {
	counts     func(name string) bool
	maxMembers int
	root       *node
	steps      map[step]*node
	list       []*Shape // never changed, only added to
}

// node is a position in an object, identified by the names so far.
type node struct {
	name   string // the last of those names; the root has none
	before *node  // nil: of the root
	length int    // number of names
	next   *node  // the last continuation, if the name as written in a text identifies it
	shape  int    // index in the list of the shape that ends here; 0: not known yet
}

type step struct {
	from *node
	name string
}

// maxNodes is how many are kept from one text to the next: the API has a few
// hundred.
const maxNodes = 8192

// NewShapes returns an empty Shapes. counts is called for each name; an object
// may have maxMembers.
func NewShapes(counts func(name string) bool, maxMembers int) *Shapes {
	return &Shapes{counts: counts, maxMembers: maxMembers, root: &node{}, steps: map[step]*node{}, list: []*Shape{nil}}
}

// Trim starts over if too much has accumulated. Do not call it while an object
// is being built.
func (s *Shapes) Trim() {
	if len(s.steps) > maxNodes {
		*s = *NewShapes(s.counts, s.maxMembers)
	}
}

// follows reports whether a text continues with the expected name and a quote.
func (n *node) follows(text []byte) bool {
	return n != nil && len(text) > len(n.name) && text[len(n.name)] == '"' && string(text[:len(n.name)]) == n.name
}

// step continues with a name, without its escapes.
func (s *Shapes) step(from *node, name []byte) (*node, error) {
	if n := from.next; n != nil && n.name == string(name) {
		return n, nil
	}
	to, known := s.steps[step{from, string(name)}]
	if !known {
		if from.length == s.maxMembers {
			return nil, fmt.Errorf("an object with more than %d members", s.maxMembers)
		}
		to = &node{name: string(name), before: from, length: from.length + 1}
		s.steps[step{from, to.name}] = to
	}
	if bytes.IndexByte(name, '\\') < 0 { // in a text, a backslash would begin an escape
		from.next = to
	}
	return to, nil
}

// end is the index of the shape of an object that ends there.
func (s *Shapes) end(at *node) (int, error) {
	if at.shape != 0 {
		return at.shape, nil
	}
	shape, err := s.shape(at)
	if err != nil {
		return 0, err
	}
	at.shape = len(s.list)
	s.list = append(s.list, shape)
	return at.shape, nil
}

// shape makes the shape of an object that ends there.
func (s *Shapes) shape(end *node) (*Shape, error) {
	n := end.length
	shape := &Shape{Names: make([]string, n), Order: make([]int, 0, n)}
	for at := end; at.before != nil; at = at.before {
		shape.Names[at.length-1] = at.name
	}
	sorted := make([]int, n)
	for i := range sorted {
		sorted[i] = i
	}
	slices.SortFunc(sorted, func(a, b int) int { return cmp.Compare(shape.Names[a], shape.Names[b]) })
	for i, place := range sorted {
		name := shape.Names[place]
		if i > 0 && name == shape.Names[sorted[i-1]] {
			return nil, errDuplicateName
		}
		if s.counts(name) {
			shape.Order = append(shape.Order, place)
		}
	}
	return shape, nil
}

// SPDX-License-Identifier: Apache-2.0

package content

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound the size of objects. Builders that share Limits are bounded
// together.
type Limits struct {
	Depth  int // nesting depth of objects and arrays
	Values int // largest number of values in all
	Found  int // values so far
}

// Builder makes an Object from a text that jsontext has accepted as JSON to the letter, so that quotes and
// brackets are enough to find where a value begins and ends. The text must be valid UTF-8. Its buffers are reused
// for the next object, so it belongs to one goroutine.
type Builder struct {
	shapes *Shapes
	limits *Limits
	tags   []byte
	sizes  []uint32
	text   []byte

	depth  int     // of the object itself
	names  *node   // of its members so far
	all    *node   // also of members that are not part of it
	places []Place // of its members
	object Object  // once it has ended
}

// NewBuilder returns a Builder that shares shapes and limits with others of its
// goroutine.
func NewBuilder(shapes *Shapes, limits *Limits) *Builder {
	return &Builder{shapes: shapes, limits: limits}
}

// Begin begins an object on that level, and discards any unfinished one.
func (b *Builder) Begin(depth int) {
	b.tags, b.sizes, b.text, b.places = append(b.tags[:0], Map), append(b.sizes[:0], 0), b.text[:0], b.places[:0]
	b.depth, b.names, b.all, b.object = depth, b.shapes.root, b.shapes.root, Object{}
}

// Name receives the name of a member, without escapes, and returns a copy to
// keep.
func (b *Builder) Name(name []byte) (kept string, err error) {
	if b.all, err = b.shapes.step(b.all, name); err != nil {
		return "", err
	}
	b.names, err = b.shapes.step(b.names, name)
	return b.all.name, err
}

// Value receives the text of the value of the last named member.
func (b *Builder) Value(text []byte) error {
	b.begins()
	_, err := b.value(text, 0, b.depth+1)
	return err
}

// Pass leaves the last named member out of the object.
func (b *Builder) Pass() { b.names = b.names.before }

// End ends the object.
func (b *Builder) End() error {
	if _, err := b.shapes.end(b.all); err != nil {
		return err
	}
	return b.ended()
}

// Whole receives the text of a whole object on that level.
func (b *Builder) Whole(text []byte, depth int) (err error) {
	b.Begin(depth)
	if _, b.names, err = b.members(text, skip(text, 0)+1, depth); err != nil {
		return err
	}
	return b.ended()
}

func (b *Builder) ended() error {
	shape, err := b.shapes.end(b.names)
	if err != nil {
		return err
	}
	b.sizes[0] = uint32(shape)
	b.object = Object{tags: bytes.Clone(b.tags), sizes: slices.Clone(b.sizes), text: string(b.text), shapes: b.shapes.list}
	return nil
}

// Object is the object that was built, once it has ended.
func (b *Builder) Object() Object { return b.object }

// Get reads the object from one of its own members on, once it has ended. The
// name may not exist.
func (b *Builder) Get(name string) (member Reader) {
	if place := b.object.Shape().place(name); place >= 0 {
		member = Reader{object: b.object, at: b.places[place]}
		member.Next()
	}
	return member
}

// begins notes where a member of the object itself begins.
func (b *Builder) begins() {
	b.places = append(b.places, Place{len(b.tags), len(b.sizes), len(b.text)})
}

// value scans the value at that place of the text, and returns where it ends.
// depth is its own level if it is an object or an array.
func (b *Builder) value(json []byte, at, depth int) (end int, err error) {
	if b.limits.Found++; b.limits.Found > b.limits.Values {
		return 0, fmt.Errorf("more than %d values", b.limits.Values)
	}
	at = skip(json, at)
	switch kind := json[at]; kind {
	case String:
		return b.quoted(json, at), nil
	case Map, Array:
		return b.nested(json, at, depth)
	case Null, True:
		b.tags = append(b.tags, kind)
		return at + len("null"), nil
	case False:
		b.tags = append(b.tags, kind)
		return at + len("false"), nil
	default:
		end = at + numberSize(json[at:])
		b.tags = append(b.tags, Digits)
		b.length(end - at)
		b.text = append(b.text, json[at:end]...)
		return end, nil
	}
}

// quoted scans a string.
func (b *Builder) quoted(json []byte, at int) (end int) {
	b.tags = append(b.tags, String)
	size := bytes.IndexByte(json[at+1:], '"')
	text := json[at+1 : at+1+size]
	if bytes.IndexByte(text, '\\') < 0 {
		b.length(size)
		b.text = append(b.text, text...)
		return at + size + len(`""`)
	}
	end = at + quotedSize(json[at:])
	from := len(b.text)
	b.text = unquote(b.text, json[at:end])
	b.length(len(b.text) - from)
	return end
}

// unquote appends the text of a string. Half a surrogate pair, which is JSON
// but not valid text, becomes U+FFFD.
func unquote(to, quoted []byte) []byte {
	to, _ = jsontext.AppendUnquote(to, quoted) // that is the only error there can be
	return to
}

// nested scans an object or an array within the object.
func (b *Builder) nested(json []byte, at, depth int) (end int, err error) {
	if depth > b.limits.Depth {
		return 0, fmt.Errorf("nested deeper than %d levels", b.limits.Depth)
	}
	kind, slot := json[at], len(b.sizes)
	b.tags, b.sizes = append(b.tags, kind), append(b.sizes, 0)
	var size int
	if kind == Array {
		end, size, err = b.elements(json, at+1, depth)
	} else {
		var names *node
		if end, names, err = b.members(json, at+1, depth); err == nil {
			size, err = b.shapes.end(names)
		}
	}
	b.sizes[slot] = uint32(size)
	return end, err
}

// elements scans the elements of an array and its end, and returns their
// number.
func (b *Builder) elements(json []byte, at, depth int) (end, n int, err error) {
	for at = skip(json, at); json[at] != ']'; at = skip(json, at) {
		if at, err = b.value(json, at, depth+1); err != nil {
			return 0, 0, err
		}
		n++
	}
	return at + 1, n, nil
}

// members scans the members of an object and its end.
func (b *Builder) members(json []byte, at, depth int) (end int, names *node, err error) {
	names = b.shapes.root
	for at = skip(json, at); json[at] != '}'; at = skip(json, at) {
		if names.next.follows(json[at+1:]) {
			names = names.next
			at += len(names.name) + len(`""`)
		} else {
			size := quotedSize(json[at:])
			if names, err = b.named(names, json[at:at+size]); err != nil {
				return 0, nil, err
			}
			at += size
		}
		if depth == b.depth {
			b.begins()
		}
		if at, err = b.value(json, at, depth+1); err != nil {
			return 0, nil, err
		}
	}
	return at + 1, names, nil
}

// named continues with a name as it is written in the text.
func (b *Builder) named(from *node, quoted []byte) (*node, error) {
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name = unquote(nil, quoted)
	}
	return b.shapes.step(from, name)
}

// length writes the length of a text.
func (b *Builder) length(n int) {
	if n < 0x80 { // most are: an append in place costs the garbage collector nothing
		b.tags = append(b.tags, byte(n))
		return
	}
	b.tags = binary.AppendUvarint(b.tags, uint64(n))
}

// skip skips white space, commas and colons.
func skip(json []byte, at int) int {
	for json[at] <= ' ' || json[at] == ',' || json[at] == ':' {
		at++
	}
	return at
}

// quotedSize is the size of the string at the beginning of a text: to the next
// quote after an even number of backslashes.
func quotedSize(text []byte) int {
	size := 1
	for {
		size += bytes.IndexByte(text[size:], '"') + 1
		escapes := 0
		for text[size-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return size
		}
	}
}

// numberSize is the size of the number at the beginning of a text.
func numberSize(text []byte) int {
	for i, b := range text {
		if b <= ' ' || b == ',' || b == ']' || b == '}' {
			return i
		}
	}
	return len(text)
}

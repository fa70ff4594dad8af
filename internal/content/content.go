// Package content keeps JSON objects as the API gave them, taken apart so far
// that records can be built of them as often as need be, in little room: most of
// what is fetched has not changed and no record is ever built of it.
//
// It is pure, and it reads no JSON: whoever does tells a Recorder of each part.
package content

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// The kinds of JSON values, by the byte that one begins with.
const (
	Null   = 'n'
	True   = 't'
	False  = 'f'
	String = '"'
	Digits = '0' // any number
	Map    = '{'
	Array  = '['
)

// Object is a JSON object: names and values as they were, in their order. It never
// changes. The zero Object is none.
type Object struct {
	// tags are of all values, what is in one right behind it: its kind and its
	// name's number, both in one, and the length of its text if it has one.
	tags    []byte
	lengths []uint32 // of the objects and arrays, in the order in which they begin
	text    string   // of the strings and numbers, one after another
	names   []string // of members; shared
}

// kinds are numbered by their places.
const (
	kinds    = `"n0{[tf`
	kindBits = 3
)

// Reader gives the values of an Object one after another, what is in one right
// behind it. The zero Reader is at no value: its Kind is 0.
type Reader struct {
	object Object
	at     place // of the next
	kind   byte
	name   int
	size   int
}

// place is where a value is in each part of an Object.
type place struct{ tag, length, text int }

// Read begins with the object itself. It must not be the zero Object.
func (o Object) Read() Reader {
	r := Reader{object: o}
	r.Next()
	return r
}

// Next goes on to the next value. There must be one.
func (r *Reader) Next() {
	tag := r.number()
	r.kind, r.name, r.size = kinds[tag&(1<<kindBits-1)], int(tag>>kindBits), 0
	switch r.kind {
	case String, Digits:
		r.size = int(r.number())
		r.at.text += r.size
	case Map, Array:
		r.size = int(r.object.lengths[r.at.length])
		r.at.length++
	}
}

// Kind of the value.
func (r *Reader) Kind() byte { return r.kind }

// Name that the value has as a member of an object.
func (r *Reader) Name() string { return r.object.names[r.name] }

// Text of a string, without its escapes, or of a number. Others must not be asked.
func (r *Reader) Text() string { return r.object.text[r.at.text-r.size : r.at.text] }

// Len is how many members or elements an object or an array has, which come next.
// Others must not be asked.
func (r *Reader) Len() int { return r.size }

// Skip goes on behind what is in the value.
func (r *Reader) Skip() {
	if r.kind != Map && r.kind != Array {
		return
	}
	for range r.size {
		r.Next()
		r.Skip()
	}
}

func (r *Reader) number() uint64 {
	if b := r.object.tags[r.at.tag]; b < 0x80 { // most are
		r.at.tag++
		return uint64(b)
	}
	n, size := binary.Uvarint(r.object.tags[r.at.tag:])
	r.at.tag += size
	return n
}

// Recorder makes an Object while one is read: it is told of each part of it in
// turn. Its buffers serve one object after another, so it belongs to one
// goroutine.
type Recorder struct {
	names   *Names
	tags    []byte
	lengths []uint32
	text    []byte
	open    []int    // the lengths of what has not ended, the innermost last
	name    int      // of what comes next
	members []member // of the object's own
	object  Object   // once it has ended
}

type member struct {
	name int
	at   place
}

// NewRecorder returns one that shares the names with others of its goroutine.
func NewRecorder(names *Names) *Recorder { return &Recorder{names: names} }

// Reset begins anew, whatever was told before.
func (r *Recorder) Reset() {
	r.tags, r.lengths, r.text, r.open = r.tags[:0], r.lengths[:0], r.text[:0], r.open[:0]
	r.name, r.members, r.object = 0, r.members[:0], Object{}
}

// Begin is told that an object or an array begins.
func (r *Recorder) Begin(kind byte) {
	r.add(kind)
	r.open = append(r.open, len(r.lengths))
	r.lengths = append(r.lengths, 0)
}

// Name is told the number of the name of the member that follows.
func (r *Recorder) Name(number int) { r.name = number }

// Scalar is told a value other than an object or an array, with the text of a
// string, without its escapes, or of a number. Of others the text does not count.
func (r *Recorder) Scalar(kind byte, text []byte) {
	r.add(kind)
	if kind == String || kind == Digits {
		r.number(uint64(len(text)))
		r.text = append(r.text, text...)
	}
}

// End is told that the innermost object or array ends.
func (r *Recorder) End() {
	last := len(r.open) - 1
	r.open = r.open[:last]
	if last == 0 {
		r.object = Object{tags: bytes.Clone(r.tags), lengths: slices.Clone(r.lengths), text: string(r.text), names: r.names.list}
	}
}

// add adds a value to what is open.
func (r *Recorder) add(kind byte) {
	if last := len(r.open) - 1; last >= 0 {
		r.lengths[r.open[last]]++
		if last == 0 {
			r.members = append(r.members, member{r.name, place{len(r.tags), len(r.lengths), len(r.text)}})
		}
	}
	r.number(uint64(r.name)<<kindBits | kindNumber(kind))
	r.name = 0
}

func (r *Recorder) number(n uint64) {
	if n < 0x80 { // most are: an append in place costs the garbage collector nothing
		r.tags = append(r.tags, byte(n))
		return
	}
	r.tags = binary.AppendUvarint(r.tags, n)
}

func kindNumber(kind byte) uint64 {
	for i := range len(kinds) {
		if kinds[i] == kind {
			return uint64(i)
		}
	}
	return 0
}

// Object is what was recorded, once it has ended.
func (r *Recorder) Object() Object { return r.object }

// Member reads from one of the object's own members on, once it has ended. There
// may be none of this name.
func (r *Recorder) Member(name string) (member Reader) {
	number, known := r.names.index[name]
	if !known {
		return Reader{}
	}
	for _, m := range r.members {
		if m.name == number {
			member = Reader{object: r.object, at: m.at}
			member.Next()
			break
		}
	}
	return member
}

// Package content keeps JSON objects as the API gave them, taken apart so far
// that records can be built of them as often as need be, in little room: most of
// what is fetched has not changed and no record is ever built of it.
//
// It is pure, and it reads no JSON: whoever does tells a Recorder of each part.
package content

import "slices"

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
	parts []packed // in the order of the text: what is in an object or an array follows it
	text  string   // of the strings and numbers, one after another
	names []string // of members; shared
}

// packed is a part: its kind, its name's number, and how many bytes or parts it
// has.
type packed uint64

const (
	kinds    = `ntf"0{[`
	kindBits = 3
	nameBits = 21 // names are bounded by what an answer may be made of
)

func pack(kind, name, size int) packed {
	return packed(kind) | packed(name)<<kindBits | packed(size)<<(kindBits+nameBits)
}

func (p packed) kind() byte { return kinds[p&(1<<kindBits-1)] }
func (p packed) name() int  { return int(p >> kindBits & (1<<nameBits - 1)) }
func (p packed) size() int  { return int(p >> (kindBits + nameBits)) }

// Value is one of an Object's.
type Value struct {
	Kind byte
	// Name that it has as a member of an object.
	Name string
	// Text of a string, without its escapes, or of a number.
	Text string
	// Len is how many members or elements it has. They come next.
	Len int
}

// Reader gives the values of an Object one after another, what is in one right
// behind it.
type Reader struct {
	object Object
	part   int // of the next
	text   int // where its text is
}

// Read begins with the object itself. It must not be the zero Object.
func (o Object) Read() Reader { return Reader{object: o} }

// Next is the next value. There must be one.
func (r *Reader) Next() Value {
	p := r.object.parts[r.part]
	r.part++
	v := Value{Kind: p.kind(), Name: r.object.names[p.name()]}
	switch v.Kind {
	case String, Digits:
		v.Text = r.object.text[r.text : r.text+p.size()]
		r.text += p.size()
	case Map, Array:
		v.Len = p.size()
	}
	return v
}

// Skip passes over what is in a value that Next has just given.
func (r *Reader) Skip(v Value) {
	for range v.Len {
		r.Skip(r.Next())
	}
}

// Names are those of members, each kept once. It belongs to one goroutine; what
// has a name from it does not.
type Names struct {
	list  []string // never changed, only added to
	index map[string]int
}

// mostNames bounds how many are kept from one object to the next: the API's are
// some hundred.
const mostNames = 4096

// number is the name's place in the list.
func (n *Names) number(name []byte) int {
	i, known := n.index[string(name)]
	if !known {
		i = len(n.list)
		n.list = append(n.list, string(name))
		n.index[n.list[i]] = i
	}
	return i
}

// trim begins anew if there are too many names.
func (n *Names) trim() {
	if n.index == nil || len(n.list) > mostNames {
		n.list, n.index = []string{""}, map[string]int{"": 0}
	}
}

// Recorder makes an Object while one is read: it is told of each part of it in
// turn. Its buffers serve one object after another, so it belongs to one
// goroutine.
type Recorder struct {
	names   *Names
	parts   []packed
	text    []byte
	open    []int    // the parts that have not ended, the innermost last
	name    int      // of what comes next
	members []member // of the object itself
	object  Object   // once it has ended
}

// member is where one of the object's own is.
type member struct{ part, text int }

// NewRecorder returns one that shares the names with others of its goroutine.
func NewRecorder(names *Names) *Recorder { return &Recorder{names: names} }

// Reset begins anew, whatever was told before.
func (r *Recorder) Reset() {
	r.names.trim()
	r.parts, r.text, r.open, r.name, r.members, r.object = r.parts[:0], r.text[:0], r.open[:0], 0, r.members[:0], Object{}
}

// Begin is told that an object or an array begins.
func (r *Recorder) Begin(kind byte) {
	r.add(kind, 0)
	r.open = append(r.open, len(r.parts)-1)
}

// Name is told the name of the member that follows.
func (r *Recorder) Name(name []byte) { r.name = r.names.number(name) }

// Scalar is told a value other than an object or an array, with the text of a
// string, without its escapes, or of a number. Of others the text does not count.
func (r *Recorder) Scalar(kind byte, text []byte) {
	if kind != String && kind != Digits {
		text = nil
	}
	r.add(kind, len(text))
	r.text = append(r.text, text...)
}

// End is told that the innermost object or array ends.
func (r *Recorder) End() {
	last := len(r.open) - 1
	r.open = r.open[:last]
	if last == 0 {
		r.object = Object{parts: slices.Clone(r.parts), text: string(r.text), names: r.names.list}
	}
}

// add adds a part to what is open.
func (r *Recorder) add(kind byte, size int) {
	if last := len(r.open) - 1; last >= 0 {
		r.parts[r.open[last]] += pack(0, 0, 1)
		if last == 0 {
			r.members = append(r.members, member{len(r.parts), len(r.text)})
		}
	}
	r.parts = append(r.parts, pack(kindNumber(kind), r.name, size))
	r.name = 0
}

func kindNumber(kind byte) int {
	switch kind {
	case Null:
		return 0
	case True:
		return 1
	case False:
		return 2
	case String:
		return 3
	case Digits:
		return 4
	case Map:
		return 5
	default:
		return 6
	}
}

// Object is what was recorded, once it has ended.
func (r *Recorder) Object() Object { return r.object }

// Member is the value of one of the object's own members, once it has ended, and
// what reads on behind it. Without one of this name it is the zero Value.
func (r *Recorder) Member(name string) (Value, Reader) {
	for _, m := range r.members {
		if r.object.names[r.object.parts[m.part].name()] == name {
			reader := Reader{object: r.object, part: m.part, text: m.text}
			return reader.Next(), reader
		}
	}
	return Value{}, Reader{}
}

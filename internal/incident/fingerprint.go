package incident

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// Digest stands for a piece of content: equal content has an equal digest,
// whatever the order of its keys and of the elements of its arrays. It is the
// first half of a SHA-256, so that nobody who writes into an incident can
// make a change look like none.
type Digest [16]byte

// MarshalText gives unpadded URL-safe base64, 22 bytes.
func (d Digest) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, d[:]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("read a digest: %w", err)
	}
	if len(raw) != len(d) {
		return fmt.Errorf("read a digest: %d bytes, not %d", len(raw), len(d))
	}
	copy(d[:], raw)
	return nil
}

// Ignored are the names of fields that do not count as a change, at any depth.
type Ignored map[string]struct{}

// Ignore returns the given names.
func Ignore(names ...string) Ignored {
	ignored := make(Ignored, len(names))
	for _, name := range names {
		ignored[name] = struct{}{}
	}
	return ignored
}

// Counts says whether a field of this name is compared. OData's annotations
// (@odata.context, alerts@odata.nextLink) speak of the answer, not of the
// incident.
func (i Ignored) Counts(name string) bool {
	if strings.Contains(name, "@odata.") {
		return false
	}
	_, ignored := i[name]
	return !ignored
}

// Fingerprint digests an object while it is read: it is told of each part of it
// in turn. It writes the object's canonical form: for each value a letter for
// its type, then its content, so that no two different values have the same
// form; members sorted by name, elements by their forms. Its buffers serve one
// object after another, so it belongs to one goroutine.
type Fingerprint struct {
	names   *content.Names
	form    []byte // so far
	open    []opened
	parts   []part // of what is open, the innermost last
	numbers []int  // of the names of an object's members
	order   []int  // of what ended last, where that is an object
	scratch []byte // parts while they change places
}

// NewFingerprint digests objects whose names have their numbers from there.
func NewFingerprint(names *content.Names) *Fingerprint { return &Fingerprint{names: names} }

// opened is an object or an array that has not ended.
type opened struct {
	array bool
	from  int // of its parts in the form, behind its letter and a byte for their number
	first int // of its parts in parts
}

// part is an element, or a member with its name.
type part struct {
	from, to int // in the form
	name     int // of a member: its name's number
	value    int // where the value begins
}

// Reset begins anew, whatever was told before.
func (f *Fingerprint) Reset() {
	f.form, f.open, f.parts = f.form[:0], f.open[:0], f.parts[:0]
}

// Begin is told that an object or an array begins.
func (f *Fingerprint) Begin(kind byte) {
	f.element()
	array, letter := kind == content.Array, byte('m')
	if array {
		letter = 'a'
	}
	f.form = append(f.form, letter, 0)
	f.open = append(f.open, opened{array: array, from: len(f.form), first: len(f.parts)})
}

// Name is told the number of the name of the member that follows.
func (f *Fingerprint) Name(number int) {
	name, from := f.names.Name(number), len(f.form)
	f.size(len(name))
	f.form = append(f.form, name...)
	f.parts = append(f.parts, part{from: from, name: number, value: len(f.form)})
}

// Scalar is told a value other than an object or an array, with the text of a
// string, without its escapes, or of a number.
func (f *Fingerprint) Scalar(kind byte, text []byte) {
	f.element()
	switch kind {
	case content.String:
		f.text(text)
	case content.Digits:
		f.number(text)
	default:
		f.form = append(f.form, kind)
	}
	f.ended()
}

// End is told that the innermost object or array ends, and the order of its
// members by their names; nil: it is no object, or it was not told of all of them.
func (f *Fingerprint) End(order []int) {
	last := len(f.open) - 1
	o := f.open[last]
	f.open = f.open[:last]
	parts := f.parts[o.first:]
	if o.array {
		f.sortElements(o, parts)
	} else {
		f.sortMembers(o, parts, order)
	}
	f.count(o, len(parts))
	if last > 0 {
		f.parts = f.parts[:o.first]
		f.ended()
	}
}

// Object is the digest of the object, once it has ended.
func (f *Fingerprint) Object() Digest { return digest(f.form) }

// Fields are the digests of each of the object's members, sorted by name, once
// it has ended.
func (f *Fingerprint) Fields() []Field {
	fields := make([]Field, len(f.parts))
	end := len(f.form)
	for place, i := range slices.Backward(f.order) {
		p := f.parts[i] // as it was before it changed places: only its lengths hold
		from := end - (p.to - p.from)
		fields[place] = Field{Name: f.names.Name(p.name), Part: Part{Digest: digest(f.form[from+p.value-p.from : end])}}
		end = from
	}
	return fields
}

// element notes that one begins, if it is one.
func (f *Fingerprint) element() {
	if last := len(f.open) - 1; last >= 0 && f.open[last].array {
		f.parts = append(f.parts, part{from: len(f.form)})
	}
}

// ended notes where the part ends whose value was just written.
func (f *Fingerprint) ended() { f.parts[len(f.parts)-1].to = len(f.form) }

func (f *Fingerprint) text(text []byte) {
	f.form = append(f.form, 's')
	f.size(len(text))
	f.form = append(f.form, text...)
}

// size writes how long what follows is.
func (f *Fingerprint) size(n int) {
	if n < 0x80 { // most are: an append in place costs the garbage collector nothing
		f.form = append(f.form, byte(n))
		return
	}
	f.form = binary.AppendUvarint(f.form, uint64(n))
}

func (f *Fingerprint) number(literal []byte) {
	switch n := content.ParseNumber(literal); n.Form {
	case content.Int:
		f.form = binary.BigEndian.AppendUint64(append(f.form, 'i'), uint64(n.Int))
	case content.Double:
		f.form = binary.BigEndian.AppendUint64(append(f.form, 'd'), math.Float64bits(n.Double))
	case content.Text:
		f.text(literal)
	}
}

func (f *Fingerprint) sortMembers(o opened, parts []part, order []int) {
	if order == nil {
		f.numbers = f.numbers[:0]
		for _, p := range parts {
			f.numbers = append(f.numbers, p.name)
		}
		order, _ = f.names.Order(f.numbers)
	}
	f.scratch = f.scratch[:0]
	for _, i := range order {
		f.scratch = append(f.scratch, f.form[parts[i].from:parts[i].to]...)
	}
	copy(f.form[o.from:], f.scratch)
	f.order = order
}

func (f *Fingerprint) sortElements(o opened, parts []part) {
	order := func(a, b part) int { return bytes.Compare(f.form[a.from:a.to], f.form[b.from:b.to]) }
	if slices.IsSortedFunc(parts, order) {
		return
	}
	slices.SortFunc(parts, order)
	f.scratch = f.scratch[:0]
	for _, p := range parts {
		f.scratch = append(f.scratch, f.form[p.from:p.to]...)
	}
	copy(f.form[o.from:], f.scratch)
}

// count writes how many parts what ends has, for which there is room of a byte.
func (f *Fingerprint) count(o opened, n int) {
	var number [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(number[:], uint64(n))
	f.form[o.from-1] = number[0]
	if size > 1 {
		f.form = slices.Insert(f.form, o.from, number[1:size]...)
	}
}

func byName(a, b Field) int { return cmp.Compare(a.Name, b.Name) }

func digest(canonical []byte) Digest {
	sum := sha256.Sum256(canonical)
	return Digest(sum[:len(Digest{})])
}

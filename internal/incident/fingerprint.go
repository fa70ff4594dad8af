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
	"unique"

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
func (i Ignored) Counts(name []byte) bool {
	if bytes.IndexByte(name, '@') >= 0 && bytes.Contains(name, []byte("@odata.")) {
		return false
	}
	_, ignored := i[string(name)]
	return !ignored
}

// Fingerprint digests an object while it is read: it is told of each part of it
// in turn. It writes the object's canonical form: for each value a letter for
// its type, then its content, so that no two different values have the same
// form; members sorted by name, elements by their forms. Its buffers serve one
// object after another, so it belongs to one goroutine. The zero Fingerprint is
// ready.
type Fingerprint struct {
	form    []byte // so far
	open    []opened
	parts   []part // of what is open, the innermost last
	scratch []byte // parts while they change places
}

// opened is an object or an array that has not ended.
type opened struct {
	array bool
	from  int // of its parts in the form, behind its letter and a byte for their number
	first int // of its parts in parts
}

// part is an element, or a member with its name.
type part struct {
	from, to   int   // in the form
	head, name int32 // of a member: how long what stands before its name is, and with that its name
}

// Reset begins anew, whatever was told before.
func (f *Fingerprint) Reset() {
	f.form, f.open, f.parts = f.form[:0], f.open[:0], f.parts[:0]
}

// Begin is told that an object or an array begins.
func (f *Fingerprint) Begin(kind byte) {
	if f.inArray() {
		f.parts = append(f.parts, part{from: len(f.form)})
	}
	array, letter := kind == content.Array, byte('m')
	if array {
		letter = 'a'
	}
	f.form = append(f.form, letter, 0)
	f.open = append(f.open, opened{array: array, from: len(f.form), first: len(f.parts)})
}

// Name is told the name of the member that follows.
func (f *Fingerprint) Name(name []byte) {
	from := len(f.form)
	f.form = binary.AppendUvarint(f.form, uint64(len(name)))
	head := len(f.form) - from
	f.form = append(f.form, name...)
	f.parts = append(f.parts, part{from: from, head: int32(head), name: int32(head + len(name))})
}

// Scalar is told a value other than an object or an array, with the text of a
// string, without its escapes, or of a number.
func (f *Fingerprint) Scalar(kind byte, text []byte) {
	if f.inArray() {
		f.parts = append(f.parts, part{from: len(f.form)})
	}
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

// End is told that the innermost object or array ends.
func (f *Fingerprint) End() {
	last := len(f.open) - 1
	o := f.open[last]
	f.open = f.open[:last]
	parts := f.parts[o.first:]
	f.sort(o, parts)
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
	for i, p := range f.parts {
		name := unique.Make(string(f.nameOf(p))).Value() // the same ones again and again
		fields[i] = Field{Name: name, Part: Part{Digest: digest(f.form[p.from+int(p.name) : p.to])}}
	}
	return fields
}

func (f *Fingerprint) inArray() bool {
	last := len(f.open) - 1
	return last >= 0 && f.open[last].array
}

// ended notes where the part ends whose value was just written.
func (f *Fingerprint) ended() { f.parts[len(f.parts)-1].to = len(f.form) }

func (f *Fingerprint) text(text []byte) {
	f.form = append(binary.AppendUvarint(append(f.form, 's'), uint64(len(text))), text...)
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

// sort puts the parts of what ends in order.
func (f *Fingerprint) sort(o opened, parts []part) {
	order := func(a, b part) int { return bytes.Compare(f.nameOf(a), f.nameOf(b)) }
	if o.array {
		order = func(a, b part) int { return bytes.Compare(f.form[a.from:a.to], f.form[b.from:b.to]) }
	}
	if slices.IsSortedFunc(parts, order) {
		return
	}
	slices.SortFunc(parts, order)
	f.scratch = f.scratch[:0]
	for i := range parts {
		p := &parts[i]
		f.scratch = append(f.scratch, f.form[p.from:p.to]...)
		p.from, p.to = o.from+len(f.scratch)-(p.to-p.from), o.from+len(f.scratch)
	}
	copy(f.form[o.from:], f.scratch)
}

func (f *Fingerprint) nameOf(p part) []byte { return f.form[p.from+int(p.head) : p.from+int(p.name)] }

// count writes how many parts what ends has, for which there is room of a byte.
func (f *Fingerprint) count(o opened, n int) {
	var number [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(number[:], uint64(n))
	f.form[o.from-1] = number[0]
	if size > 1 {
		f.form = slices.Insert(f.form, o.from, number[1:size]...)
		for i := range f.parts[o.first:] {
			f.parts[o.first+i].from += size - 1
			f.parts[o.first+i].to += size - 1
		}
	}
}

func byName(a, b Field) int { return cmp.Compare(a.Name, b.Name) }

func digest(canonical []byte) Digest {
	sum := sha256.Sum256(canonical)
	return Digest(sum[:len(Digest{})])
}

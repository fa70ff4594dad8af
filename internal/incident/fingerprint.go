// SPDX-License-Identifier: Apache-2.0

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

// Digest identifies a piece of content. Equal content has an equal digest, whatever
// the order of its keys and of its arrays' elements. It is the first half of a
// SHA-256, so nobody who writes into an incident can hide a change.
type Digest [16]byte

// MarshalText returns unpadded URL-safe base64, 22 bytes.
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

// Counts reports whether a field of this name is compared. OData's annotations
// (@odata.context, alerts@odata.nextLink) describe the response, not the incident.
func (i Ignored) Counts(name string) bool {
	if strings.Contains(name, "@odata.") {
		return false
	}
	_, ignored := i[name]
	return !ignored
}

// Fingerprint makes digests of objects. It writes an object's canonical form: for each
// value a letter for its type, then its content, so that no two different values have
// the same form. Members are sorted by name, elements by their forms. Its buffers are
// reused for each object, so it belongs to one goroutine.
type Fingerprint struct {
	form     []byte
	members  []content.Place // of the objects that are being written, the innermost last
	elements []element       // of the arrays
	scratch  []byte          // elements while they are sorted
	summed   []byte          // of Prints: what a checksum is made of
}

// element is the position of an element in the form.
type element struct{ from, to int }

// Snapshot makes the digests of an incident and its alerts.
func (f *Fingerprint) Snapshot(s *Snapshot) {
	s.Fields = f.fields(s.Object)
	f.Alerts(s.Alerts)
}

// Alerts makes the digests of alerts.
func (f *Fingerprint) Alerts(alerts []Alert) {
	for i := range alerts {
		alerts[i].Digest = f.digestOf(alerts[i].Object)
	}
}

// digestOf returns the digest of an object.
func (f *Fingerprint) digestOf(o content.Object) Digest {
	f.form = f.form[:0]
	from := o.Read()
	f.value(&from)
	return digest(f.form)
}

// fields returns the digests of an object's members that count, sorted by name.
func (f *Fingerprint) fields(o content.Object) []Field {
	from, shape := o.Read(), o.Shape()
	fields := make([]Field, len(shape.Order))
	f.members = from.Members(f.members[:0])
	for i, place := range shape.Order {
		f.form = f.form[:0]
		from.Go(f.members[place])
		f.value(&from)
		fields[i] = Field{Name: shape.Names[place], Part: Part{Digest: digest(f.form)}}
	}
	return fields
}

func (f *Fingerprint) value(from *content.Reader) {
	switch kind := from.Kind(); kind {
	case content.String:
		f.text(from.Text())
	case content.Digits:
		f.number(from.Text())
	case content.Map:
		f.object(from)
	case content.Array:
		f.array(from)
	default:
		f.form = append(f.form, kind)
	}
}

func (f *Fingerprint) object(from *content.Reader) {
	shape, first := from.Shape(), len(f.members)
	f.members = from.Members(f.members)
	behind := from.Place()
	f.form = append(f.form, 'm')
	f.size(len(shape.Order))
	for _, place := range shape.Order {
		name := shape.Names[place]
		f.size(len(name))
		f.form = append(f.form, name...)
		from.Go(f.members[first+place])
		f.value(from)
	}
	f.members = f.members[:first]
	from.Return(behind)
}

func (f *Fingerprint) array(from *content.Reader) {
	n, first := from.Len(), len(f.elements)
	f.form = append(f.form, 'a')
	f.size(n)
	start := len(f.form)
	for range n {
		from.Next()
		e := element{from: len(f.form)}
		f.value(from)
		e.to = len(f.form)
		f.elements = append(f.elements, e)
	}
	f.sort(f.elements[first:], start)
	f.elements = f.elements[:first]
}

// sort puts elements in the order of their forms. The first is at start.
func (f *Fingerprint) sort(elements []element, start int) {
	order := func(a, b element) int { return bytes.Compare(f.form[a.from:a.to], f.form[b.from:b.to]) }
	if slices.IsSortedFunc(elements, order) {
		return
	}
	slices.SortFunc(elements, order)
	f.scratch = f.scratch[:0]
	for _, e := range elements {
		f.scratch = append(f.scratch, f.form[e.from:e.to]...)
	}
	copy(f.form[start:], f.scratch)
}

func (f *Fingerprint) text(text string) {
	f.form = append(f.form, 's')
	f.size(len(text))
	f.form = append(f.form, text...)
}

// size writes the length of what follows.
func (f *Fingerprint) size(n int) {
	if n < 0x80 { // most are; appending a byte in place costs the garbage collector nothing
		f.form = append(f.form, byte(n))
		return
	}
	f.form = binary.AppendUvarint(f.form, uint64(n))
}

func (f *Fingerprint) number(literal string) {
	switch n := content.ParseNumber(literal); n.Form {
	case content.Int:
		f.form = binary.BigEndian.AppendUint64(append(f.form, 'i'), uint64(n.Int))
	case content.Double:
		f.form = binary.BigEndian.AppendUint64(append(f.form, 'd'), math.Float64bits(n.Double))
	case content.Text:
		f.text(literal)
	}
}

func byName(a, b Field) int { return cmp.Compare(a.Name, b.Name) }

func digest(canonical []byte) Digest {
	sum := sha256.Sum256(canonical)
	return Digest(sum[:len(Digest{})])
}

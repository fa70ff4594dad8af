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
	"unique"

	"go.opentelemetry.io/collector/pdata/pcommon"
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

// hasher digests content. The buffers serve one value after another, so it
// belongs to one goroutine.
type hasher struct {
	ignored map[string]struct{} // names of fields that do not count, at any depth

	buf     []byte  // the canonical form, so far
	spans   []span  // elements of the arrays that are being written, innermost last
	entries []entry // entries of the maps that are being written, innermost last
	scratch []byte  // an array's elements while they change places
}

type span struct{ from, to int }

type entry struct {
	name  string
	value pcommon.Value
}

// counts says whether a field of this name is compared. OData's annotations
// (@odata.context, alerts@odata.nextLink) speak of the answer, not of the
// incident.
func (h *hasher) counts(name string) bool {
	if strings.Contains(name, "@odata.") {
		return false
	}
	_, ignored := h.ignored[name]
	return !ignored
}

// fields digests each top-level field of its own, sorted by name.
func (h *hasher) fields(object pcommon.Map) []Field {
	fields := make([]Field, 0, object.Len())
	for name, value := range object.All() {
		if !h.counts(name) {
			continue
		}
		h.buf = h.buf[:0]
		h.value(value)
		fields = append(fields, Field{Name: unique.Make(name).Value(), Part: Part{Digest: digest(h.buf)}})
	}
	slices.SortFunc(fields, byName)
	return fields
}

func byName(a, b Field) int { return cmp.Compare(a.Name, b.Name) }

// object digests a whole object.
func (h *hasher) object(object pcommon.Map) Digest {
	h.buf = h.buf[:0]
	h.mapping(object)
	return digest(h.buf)
}

// value appends the canonical form of a value: a letter for its type, then
// its content, so that no two different values have the same form.
func (h *hasher) value(v pcommon.Value) {
	switch v.Type() {
	case pcommon.ValueTypeBool:
		if v.Bool() {
			h.buf = append(h.buf, 't')
		} else {
			h.buf = append(h.buf, 'f')
		}
	case pcommon.ValueTypeInt:
		h.buf = binary.BigEndian.AppendUint64(append(h.buf, 'i'), uint64(v.Int()))
	case pcommon.ValueTypeDouble:
		h.buf = binary.BigEndian.AppendUint64(append(h.buf, 'd'), math.Float64bits(v.Double()))
	case pcommon.ValueTypeStr:
		h.buf = append(h.buf, 's')
		h.text(v.Str())
	case pcommon.ValueTypeMap:
		h.mapping(v.Map())
	case pcommon.ValueTypeSlice:
		h.slice(v.Slice())
	default: // JSON has no other types: null
		h.buf = append(h.buf, 'n')
	}
}

func (h *hasher) text(s string) {
	h.buf = append(binary.AppendUvarint(h.buf, uint64(len(s))), s...)
}

func (h *hasher) mapping(m pcommon.Map) {
	first := len(h.entries)
	for name, value := range m.All() {
		if h.counts(name) {
			h.entries = append(h.entries, entry{name, value})
		}
	}
	last := len(h.entries)
	slices.SortFunc(h.entries[first:last], func(a, b entry) int { return cmp.Compare(a.name, b.name) })

	h.buf = binary.AppendUvarint(append(h.buf, 'm'), uint64(last-first))
	for i := first; i < last; i++ { // by index: an inner map may move the slice
		h.text(h.entries[i].name)
		h.value(h.entries[i].value)
	}
	h.entries = h.entries[:first]
}

// slice writes the elements sorted by their canonical form.
func (h *hasher) slice(s pcommon.Slice) {
	h.buf = binary.AppendUvarint(append(h.buf, 'a'), uint64(s.Len()))
	start, first := len(h.buf), len(h.spans)
	for i := range s.Len() {
		from := len(h.buf)
		h.value(s.At(i))
		h.spans = append(h.spans, span{from, len(h.buf)})
	}
	elements := h.spans[first:]
	byContent := func(a, b span) int { return bytes.Compare(h.buf[a.from:a.to], h.buf[b.from:b.to]) }
	if !slices.IsSortedFunc(elements, byContent) {
		slices.SortFunc(elements, byContent)
		h.scratch = h.scratch[:0]
		for _, e := range elements {
			h.scratch = append(h.scratch, h.buf[e.from:e.to]...)
		}
		copy(h.buf[start:], h.scratch)
	}
	h.spans = h.spans[:first]
}

func digest(canonical []byte) Digest {
	sum := sha256.Sum256(canonical)
	return Digest(sum[:len(Digest{})])
}

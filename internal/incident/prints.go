// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// Prints have a short checksum of each of an object's top-level members that count, to
// find out which of them have changed. Whether the object has changed at all, only a
// Digest shows: with two bytes for each member, one change in 65,536 is missed.
//
// They consist of the number of members, two bytes for their names, a bit for each
// member (set if it has a value), then two bytes for each member with a value. Members
// are in the order of their names. Empty Prints mean that none are known.
type Prints string

// maxPrinted is the largest number of members for which Prints are made. Alerts
// have about forty.
const maxPrinted = 100

// printsHead is the size of the part before the bits.
const printsHead = 3

// MarshalText returns unpadded URL-safe base64.
func (p Prints) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, []byte(p)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (p *Prints) UnmarshalText(text []byte) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("read the prints of an alert: %w", err)
	}
	*p = Prints(raw)
	return nil
}

// prints returns the prints of an object; empty if it has too many members.
func (f *Fingerprint) prints(o content.Object) Prints {
	from, shape := o.Read(), o.Shape()
	n := len(shape.Order)
	if n > maxPrinted {
		return ""
	}
	size := printsHead + (n+7)/8
	prints := make([]byte, size, size+2*n)
	prints[0] = byte(n)
	f.summed = f.summed[:0]
	for _, place := range shape.Order {
		f.summed = appendSized(f.summed, shape.Names[place])
	}
	binary.BigEndian.PutUint16(prints[1:], uint16(crc32.ChecksumIEEE(f.summed)))
	f.members = from.Members(f.members[:0])
	for i, place := range shape.Order {
		from.Go(f.members[place])
		if saysNothing(&from) {
			continue
		}
		f.form = f.form[:0]
		f.value(&from)
		prints[printsHead+i/8] |= 1 << (i % 8)
		f.summed = appendSized(appendSized(f.summed[:0], shape.Names[place]), f.form)
		prints = binary.BigEndian.AppendUint16(prints, uint16(crc32.ChecksumIEEE(f.summed)))
	}
	return Prints(prints)
}

// saysNothing reports whether a value is null or empty. A third of an
// alert's values are.
func saysNothing(value *content.Reader) bool {
	switch value.Kind() {
	case content.Null:
		return true
	case content.String:
		return value.Text() == ""
	case content.Array:
		return value.Len() == 0
	case content.Map:
		return len(value.Shape().Names) == 0
	}
	return false
}

// namesOf returns the names of the members that count, sorted.
func namesOf(o content.Object) []string {
	shape := o.Shape()
	names := make([]string, len(shape.Order))
	for i, place := range shape.Order {
		names[i] = shape.Names[place]
	}
	return names
}

// at returns a number for each member; 0 if the member is null or empty. ok is false
// if the Prints are malformed.
func (p Prints) at() (members []uint32, ok bool) {
	if len(p) < printsHead {
		return nil, false
	}
	n := int(p[0])
	bits, left := p[printsHead:], Prints("")
	if len(bits) < (n+7)/8 {
		return nil, false
	}
	bits, left = bits[:(n+7)/8], bits[(n+7)/8:]
	for i := range n {
		if bits[i/8]&(1<<(i%8)) == 0 {
			members = append(members, 0)
			continue
		}
		if len(left) < 2 {
			return nil, false
		}
		members = append(members, 1<<16|uint32(left[0])<<8|uint32(left[1]))
		left = left[2:]
	}
	return members, len(left) == 0
}

// changed returns the names of the members with other prints than before, in the order
// of names. If members were added or removed, positions cannot be compared. Then a
// member counts as unchanged if its print occurs anywhere before, and members that are
// null or empty now are not returned.
func (p Prints) changed(before Prints, names []string) (changed []string) {
	now, ok := p.at()
	last, known := before.at()
	if !ok || !known || len(now) != len(names) {
		return nil
	}
	sameNames := p[:printsHead] == before[:printsHead]
	were := make(map[uint32]bool, len(last))
	for _, member := range last {
		were[member] = true
	}
	for i, member := range now {
		if sameNames && member != last[i] || !sameNames && member != 0 && !were[member] {
			changed = append(changed, names[i])
		}
	}
	return changed
}

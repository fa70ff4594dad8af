// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"
)

// Unchanged reports whether a row shows the incident as the list has shown it
// before, so that Compare would neither change anything nor leave a doubt. It needs
// only the summary, so rows that show nothing new cost no access to the storage. If
// it is false, Compare must decide. It is false for rows that do not show everything
// that is compared.
func (c *Comparer) Unchanged(known Summary, row *Snapshot) bool {
	return c.whole(row) && known.Row != Digest{} && sameMoment(known.LastUpdate(), row.LastUpdate) && known.Row == c.rowDigest(row)
}

// sameMoment reports whether two times count as equal, or neither is known.
func sameMoment(a, b time.Time) bool { return near(a, b) || a.IsZero() && b.IsZero() }

// rowSize is enough for the digests of most rows, so they stay on the stack.
const rowSize = 4096

// Row returns the digest that a Comparer makes of the incident's row, in a list that
// shows everything, as long as nothing has changed; zero if that is not known.
func (s State) Row() Digest {
	if !s.Seen || s.AlertsUnseen || s.Intent != nil || s.Doubt || s.Source == FromGet {
		return Digest{}
	}
	buf, fields := rowHead(make([]byte, 0, rowSize), s.API, s.Basis, s.Status, s.Merged, s.Successor), uint32(0)
	for i := range s.Fields {
		d, known := s.Fields[i].shownBy(FromList)
		if !known {
			return Digest{}
		}
		if d != (Digest{}) { // the list shows it
			buf, fields = appendPart(buf, s.Fields[i].Name, d), fields+1
		}
	}
	for i := range s.Alerts {
		a := &s.Alerts[i]
		d, known := a.shownBy(FromList)
		if !known || a.Foreign || a.Digest == (Digest{}) {
			return Digest{}
		}
		buf = appendPart(buf, a.ID, d)
	}
	return digest(binary.BigEndian.AppendUint32(buf, fields))
}

// rowDigest returns the digest of what a row shows.
func (c *Comparer) rowDigest(row *Snapshot) Digest {
	buf, fields := rowHead(make([]byte, 0, rowSize), row.API, c.basis, row.Status, row.Merged, row.SuccessorID), uint32(0)
	for i := range row.Fields {
		if row.Fields[i].Name != row.AlertsField {
			buf, fields = appendPart(buf, row.Fields[i].Name, row.Fields[i].Digest), fields+1
		}
	}
	order := make([]int, 0, alertsCap)
	if !row.Merged && c.alerts != None {
		for i := range row.Alerts {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(row.Alerts[a].ID, row.Alerts[b].ID) })
	for _, i := range order {
		buf = appendPart(buf, row.Alerts[i].ID, row.Alerts[i].Digest)
	}
	return digest(binary.BigEndian.AppendUint32(buf, fields))
}

// rowHead writes what Compare reads besides the digests. This matters if the names of
// these fields are ignored. The status is written in lower case.
func rowHead(buf []byte, api string, basis uint32, status string, merged bool, successor int64) []byte {
	buf = append(binary.AppendUvarint(buf, uint64(len(api))), api...)
	buf = binary.BigEndian.AppendUint32(buf, basis)
	buf = binary.AppendUvarint(buf, uint64(len(status)))
	for i := range len(status) {
		b := status[i]
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		buf = append(buf, b)
	}
	var is byte
	if merged {
		is = 1
	}
	return binary.BigEndian.AppendUint64(append(buf, is), uint64(successor))
}

func appendPart(buf []byte, name string, d Digest) []byte {
	return append(appendSized(buf, name), d[:]...)
}

// appendSized appends a text after its length, so that what follows cannot be taken for a part of it.
func appendSized[T string | []byte](buf []byte, text T) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(text))), text...)
}

// SPDX-License-Identifier: Apache-2.0

package record

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// writer writes bodies: integers as integers, nulls as empty values. Texts are parts
// of the object's text, so a body keeps that in memory, but nothing else of the
// response. Names are known to be unique, so the writer does not compare them again,
// as pcommon.Map would.
type writer struct {
	members xpdata.MapBuilder
	inner   *writer // for nested objects
}

// putObject writes an object's members into an empty map, and leaves room
// for more members.
func (w *writer) putObject(object content.Object, into pcommon.Map, more int) {
	reader := object.Read()
	w.putMembers(&reader, into, more)
}

func (w *writer) putMembers(from *content.Reader, into pcommon.Map, more int) {
	names := from.Shape().Names
	w.members.EnsureCapacity(len(names) + more)
	for _, name := range names {
		from.Next()
		w.putValue(from, w.members.AppendEmpty(name))
	}
	w.members.UnsafeIntoMap(into)
}

func (w *writer) putElements(from *content.Reader, into pcommon.Slice) {
	n := from.Len()
	into.EnsureCapacity(n)
	for range n {
		from.Next()
		w.putValue(from, into.AppendEmpty())
	}
}

func (w *writer) putValue(from *content.Reader, into pcommon.Value) {
	switch kind := from.Kind(); kind {
	case content.String:
		into.SetStr(from.Text())
	case content.Digits:
		putNumber(from.Text(), into)
	case content.True, content.False:
		into.SetBool(kind == content.True)
	case content.Map:
		if w.inner == nil {
			w.inner = &writer{}
		}
		w.inner.putMembers(from, into.SetEmptyMap(), 0)
	case content.Array:
		w.putElements(from, into.SetEmptySlice())
	}
}

func putNumber(literal string, into pcommon.Value) {
	switch n := content.ParseNumber(literal); n.Form {
	case content.Int:
		into.SetInt(n.Int)
	case content.Double:
		into.SetDouble(n.Double)
	case content.Text:
		into.SetStr(literal)
	}
}

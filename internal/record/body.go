package record

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// putObject writes an object's members into an empty map: integers as integers,
// nulls as empty values. Texts are pieces of the object's own, so a body holds on
// to them, and to nothing else of the answer.
func putObject(object content.Object, into pcommon.Map) {
	reader := object.Read()
	putMembers(&reader, into)
}

func putMembers(from *content.Reader, into pcommon.Map) {
	names := from.Shape().Names
	into.EnsureCapacity(len(names))
	for _, name := range names {
		from.Next()
		switch from.Kind() {
		case content.String: // most are
			into.PutStr(name, from.Text())
		case content.Map:
			putMembers(from, into.PutEmptyMap(name))
		default:
			putValue(from, into.PutEmpty(name))
		}
	}
}

func putElements(from *content.Reader, into pcommon.Slice) {
	n := from.Len()
	into.EnsureCapacity(n)
	for range n {
		from.Next()
		putValue(from, into.AppendEmpty())
	}
}

func putValue(from *content.Reader, into pcommon.Value) {
	switch kind := from.Kind(); kind {
	case content.String:
		into.SetStr(from.Text())
	case content.Digits:
		putNumber(from.Text(), into)
	case content.True, content.False:
		into.SetBool(kind == content.True)
	case content.Map:
		putMembers(from, into.SetEmptyMap())
	case content.Array:
		putElements(from, into.SetEmptySlice())
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

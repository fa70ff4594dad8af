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
	putMembers(&reader, reader.Next().Len, into)
}

func putMembers(from *content.Reader, n int, into pcommon.Map) {
	into.EnsureCapacity(n)
	for range n {
		member := from.Next()
		putValue(from, member, into.PutEmpty(member.Name))
	}
}

func putElements(from *content.Reader, n int, into pcommon.Slice) {
	into.EnsureCapacity(n)
	for range n {
		element := from.Next()
		putValue(from, element, into.AppendEmpty())
	}
}

func putValue(from *content.Reader, v content.Value, into pcommon.Value) {
	switch v.Kind {
	case content.String:
		into.SetStr(v.Text)
	case content.Digits:
		putNumber(v.Text, into)
	case content.True, content.False:
		into.SetBool(v.Kind == content.True)
	case content.Map:
		putMembers(from, v.Len, into.SetEmptyMap())
	case content.Array:
		putElements(from, v.Len, into.SetEmptySlice())
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

package content

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// number is one as its literal; other values are nil, bools, strings, slices of
// any and members.
type number string

type members []pair

type pair struct {
	name  string
	value any
}

func value(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(),
		rapid.Map(rapid.Int64(), func(n int64) any { return number(fmt.Sprint(n)) }),
		rapid.Just[any](string(make([]byte, 300))), // a length of more than a byte
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves, rapid.SliceOfN(value(depth-1), 0, 5).AsAny(), object(depth-1).AsAny())...)
}

// object draws one whose names are often those of others.
func object(depth int) *rapid.Generator[members] {
	return rapid.Custom(func(t *rapid.T) members {
		all := members{}
		for _, name := range rapid.SliceOfNDistinct(rapid.IntRange(0, 40), 0, 6, rapid.ID).Draw(t, "names") {
			all = append(all, pair{fmt.Sprint("name ", name), value(depth).Draw(t, "value")})
		}
		return all
	})
}

func never(string) bool { return false }

func record(r *Recorder, names *Names, v any) {
	switch v := v.(type) {
	case members:
		r.Begin(Map)
		for _, m := range v {
			r.Name(names.Number([]byte(m.name)))
			record(r, names, m.value)
		}
		r.End()
	case []any:
		r.Begin(Array)
		for _, element := range v {
			record(r, names, element)
		}
		r.End()
	case string:
		r.Scalar(String, []byte(v))
	case number:
		r.Scalar(Digits, []byte(v))
	case bool:
		r.Scalar(map[bool]byte{true: True, false: False}[v], []byte("whatever"))
	default:
		r.Scalar(Null, []byte("whatever"))
	}
}

func read(r *Reader) any {
	switch r.Kind() {
	case Map:
		all := members{}
		for range r.Len() {
			r.Next()
			name := r.Name()
			all = append(all, pair{name, read(r)})
		}
		return all
	case Array:
		all := []any{}
		for range r.Len() {
			r.Next()
			all = append(all, read(r))
		}
		return all
	case String:
		return r.Text()
	case Digits:
		return number(r.Text())
	case True, False:
		return r.Kind() == True
	}
	return nil
}

func TestWhatIsRecordedIsReadAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := NewNames(never)
		r := NewRecorder(names)
		var objects []Object
		all := rapid.SliceOfN(object(3), 1, 4).Draw(t, "objects")
		for _, o := range all {
			r.Reset()
			record(r, names, o)
			objects = append(objects, r.Object())
			for _, m := range o {
				member := r.Member(m.name)
				require.Equal(t, m.value, read(&member))
			}
			require.Equal(t, Reader{}, r.Member("name of none"))
		}
		for i, o := range objects { // none has changed with the next
			reader := o.Read()
			require.Equal(t, all[i], read(&reader))
		}
	})
}

func TestWhatIsSkippedIsNotRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := NewNames(never)
		r := NewRecorder(names)
		record(r, names, members{{"first", value(3).Draw(t, "value")}, {"last", "here"}})
		reader := r.Object().Read()
		reader.Next()
		reader.Skip()
		reader.Next()
		require.Equal(t, "last", reader.Name())
		require.Equal(t, "here", reader.Text())
	})
}

func TestWhatWasBegunAndGivenUpLeavesNothing(t *testing.T) {
	names := NewNames(never)
	r := NewRecorder(names)
	r.Begin(Map)
	r.Name(names.Number([]byte("a")))
	r.Begin(Array)
	r.Scalar(String, []byte("x"))
	r.Reset()
	record(r, names, members{{"b", "y"}})
	reader := r.Object().Read()
	require.Equal(t, members{{"b", "y"}}, read(&reader))
}

func TestMembersAreSortedByTheirNames(t *testing.T) {
	names := NewNames(never)
	order := func(all ...string) (order []int, unique bool) {
		var numbers []int
		for _, name := range all {
			numbers = append(numbers, names.Number([]byte(name)))
		}
		return names.Order(numbers)
	}
	for range 2 { // the second time it is known
		for _, c := range []struct {
			names []string
			want  []int
		}{{[]string{"b", "c", "a"}, []int{2, 0, 1}}, {[]string{"a", "c", "b"}, []int{0, 2, 1}}, {[]string{"b", "c"}, []int{0, 1}}, {nil, []int{}}} {
			got, unique := order(c.names...)
			require.Equal(t, c.want, got)
			require.True(t, unique)
		}
		for _, twice := range [][]string{{"a", "a"}, {"b", "a", "c", "b"}} {
			_, unique := order(twice...)
			require.False(t, unique)
		}
	}
}

func TestANameIsGuessedOnlyWhereItStandsSoInTheText(t *testing.T) {
	names := NewNames(func(name string) bool { return name == "second" })
	for range 2 {
		names.Number([]byte("first"))
		names.Number([]byte("second"))
		names.Number([]byte(`a\b`)) // in a JSON text, "a\b" has a backspace in it
	}
	first := names.Number([]byte("first"))
	second, ok := names.Guess([]byte("second"))
	require.True(t, ok)
	require.Equal(t, "second", names.Name(second))
	require.True(t, names.Marked(second))
	require.False(t, names.Marked(first))
	_, ok = names.Guess([]byte(`a\b`))
	require.False(t, ok)
	_, ok = names.Guess(nil)
	require.False(t, ok)
	require.Equal(t, second, names.Number([]byte("second")))
}

func TestAnAnswerOfVeryManyNamesDoesNotStay(t *testing.T) {
	names := NewNames(never)
	r := NewRecorder(names)
	var many members
	for i := range 2 * mostNames {
		many = append(many, pair{fmt.Sprint(i), nil})
		names.Order([]int{names.Number([]byte(many[i].name))})
	}
	record(r, names, many)
	kept := r.Object()
	require.LessOrEqual(t, len(names.orders), mostOrders+1)

	names.Trim()
	require.Less(t, len(names.list), mostNames)
	r.Reset()
	record(r, names, members{{"another", nil}})
	reader := kept.Read()
	require.Equal(t, many, read(&reader), "what was recorded before keeps its names")
	names.Trim()
	require.Equal(t, 1, names.Number([]byte("another")), "few names stay")
}

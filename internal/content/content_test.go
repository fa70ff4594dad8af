// SPDX-License-Identifier: Apache-2.0

package content

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// number is a number's literal; other values are nil, bools, strings, slices of
// any and members.
type number string

type members []pair

type pair struct {
	name  string
	value any
}

func value(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.SampledFrom([]string{`\`, `"`, `\"`, `a\\`, ``}).AsAny(),
		rapid.Map(rapid.Int64(), func(n int64) any { return number(fmt.Sprint(n)) }), rapid.Just[any](number("-1.5E+400")),
		rapid.Just[any](strings.Repeat("long ", 60)), // a length of more than a byte
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves, rapid.SliceOfN(value(depth-1), 0, 5).AsAny(), object(depth-1).AsAny())...)
}

// object draws an object with names that other objects often have, too.
func object(depth int) *rapid.Generator[members] {
	names := rapid.OneOf(
		rapid.Map(rapid.IntRange(0, 20), func(n int) string { return fmt.Sprint("name ", n) }),
		rapid.SampledFrom([]string{``, `"`, `\`, `\b`, "\b", `a"`, `a`, "é", `\u00e9`}),
	)
	return rapid.Custom(func(t *rapid.T) members {
		all := members{}
		for _, name := range rapid.SliceOfNDistinct(names, 0, 6, rapid.ID).Draw(t, "names") {
			all = append(all, pair{name, value(depth).Draw(t, "value")})
		}
		return all
	})
}

// written is a value as JSON, with the white space and the escapes that space
// and quote produce.
type written struct {
	space func() string
	quote func(string) string
}

func (w written) json(v any) string {
	var parts []string
	switch v := v.(type) {
	case members:
		for _, m := range v {
			parts = append(parts, w.space()+w.quote(m.name)+w.space()+":"+w.json(m.value))
		}
		return w.space() + "{" + strings.Join(parts, ",") + w.space() + "}" + w.space()
	case []any:
		for _, element := range v {
			parts = append(parts, w.json(element))
		}
		return w.space() + "[" + strings.Join(parts, ",") + w.space() + "]" + w.space()
	case string:
		return w.space() + w.quote(v) + w.space()
	case number:
		return w.space() + string(v) + w.space()
	case bool:
		return w.space() + strconv.FormatBool(v) + w.space()
	}
	return w.space() + "null" + w.space()
}

// escaped escapes all characters.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r > 0xffff {
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return `"` + b.String() + `"`
}

// plainly escapes only what must be escaped.
func plainly(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// plain is a value in its shortest form.
func plain(v any) string { return written{func() string { return "" }, plainly}.json(v) }

// drawn is a value as JSON in any of its forms.
func drawn(t *rapid.T, v any) string {
	return written{
		func() string { return rapid.SampledFrom([]string{"", "", " ", "\n\t\r "}).Draw(t, "space") },
		func(text string) string {
			return rapid.SampledFrom([]func(string) string{plainly, plainly, escaped}).Draw(t, "form")(text)
		},
	}.json(v)
}

func never(string) bool { return false }

// builder has practically no limits, and ignores all members of its objects.
func builder() *Builder {
	return NewBuilder(NewShapes(never, 1000), &Limits{Depth: 100, Values: 1 << 20})
}

func read(r *Reader) any {
	switch r.Kind() {
	case Map:
		all := members{}
		for _, name := range r.Shape().Names {
			r.Next()
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

func readAll(o Object) any {
	r := o.Read()
	return read(&r)
}

func TestWhatIsBuiltIsReadAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := builder()
		var objects []Object
		all := rapid.SliceOfN(object(3), 1, 4).Draw(t, "objects")
		for _, o := range all {
			require.NoError(t, b.Whole([]byte(drawn(t, o)), 1))
			objects = append(objects, b.Object())
			require.Len(t, b.Object().Shape().Names, len(o))
			for _, m := range o {
				member := b.Get(m.name)
				require.Equal(t, m.value, read(&member))
			}
			require.Equal(t, Reader{}, b.Get("name of none"))
		}
		for i, o := range objects { // none has changed with the next
			require.Equal(t, all[i], readAll(o))
		}
	})
}

func TestAnObjectIsBuiltMemberByMember(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := builder()
		o := object(3).Draw(t, "object")
		var kept members
		b.Begin(1)
		for _, m := range o {
			name, err := b.Name([]byte(m.name))
			require.NoError(t, err)
			require.Equal(t, m.name, name)
			if rapid.Bool().Draw(t, "passed") {
				b.Pass()
				continue
			}
			require.NoError(t, b.Value([]byte(drawn(t, m.value))))
			kept = append(kept, m)
		}
		require.NoError(t, b.End())
		require.Equal(t, append(members{}, kept...), readAll(b.Object()))
		for _, m := range kept {
			member := b.Get(m.name)
			require.Equal(t, m.value, read(&member))
		}
	})
}

func TestWhatIsSkippedIsNotRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := builder()
		require.NoError(t, b.Whole([]byte(plain(members{{"first", value(3).Draw(t, "value")}, {"last", "here"}})), 1))
		reader := b.Object().Read()
		reader.Next()
		reader.Skip()
		reader.Next()
		require.Equal(t, "here", reader.Text())
	})
}

func TestMembersAreReadInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := builder()
		o := object(3).Draw(t, "object")
		require.NoError(t, b.Whole([]byte(plain(members{{"object", o}, {"last", "here"}})), 1))
		reader := b.Object().Read()
		reader.Next()
		places := reader.Members(nil)
		behind := reader.Place()
		for _, i := range rapid.Permutation(make([]int, len(o))).Draw(t, "order") {
			reader.Go(places[i])
			require.Equal(t, o[i].value, read(&reader))
		}
		reader.Return(behind)
		reader.Next()
		require.Equal(t, "here", reader.Text())
	})
}

func TestWhatWasBegunAndGivenUpLeavesNothing(t *testing.T) {
	b := builder()
	b.Begin(1)
	_, err := b.Name([]byte("a"))
	require.NoError(t, err)
	require.NoError(t, b.Value([]byte(`["x",{"y":1}]`)))
	require.NoError(t, b.Whole([]byte(`{"b":"y"}`), 1))
	require.Equal(t, members{{"b", "y"}}, readAll(b.Object()))
}

func TestLimitsEndSharply(t *testing.T) {
	for text, c := range map[string]struct {
		limits Limits
		want   string
	}{
		`{"a":[[1]],"b":2}`:         {Limits{Depth: 4, Values: 5}, ""}, // the object itself is on level 2
		`{"a":[[[]]]}`:              {Limits{Depth: 4, Values: 5}, "nested deeper than 4 levels"},
		`{"a":{"a":{"a":{}}}}`:      {Limits{Depth: 4, Values: 5}, "nested deeper than 4 levels"},
		`{"a":[1,2,3,4]}`:           {Limits{Depth: 4, Values: 5}, ""},
		`{"a":[1,2,3,4,5]}`:         {Limits{Depth: 4, Values: 5}, "more than 5 values"},
		`{"a":1,"b":2}`:             {Limits{Depth: 4, Values: 5, Found: 4}, "more than 5 values"},
		`{"a":0,"b":0,"c":0}`:       {Limits{Depth: 4, Values: 5}, ""},
		`{"a":0,"b":0,"c":0,"d":0}`: {Limits{Depth: 4, Values: 5}, "an object with more than 3 members"},
	} {
		err := NewBuilder(NewShapes(never, 3), &c.limits).Whole([]byte(text), 2)
		if c.want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.EqualError(t, err, c.want, text)
	}
}

func TestHalfASurrogatePairIsReplaced(t *testing.T) {
	b := builder()
	for range 2 { // the second time, the names are known
		require.NoError(t, b.Whole([]byte(`{"a":"x\ud83d","\ude00":["\ud83d\ud83d\ude00"],"b":{"y\ud83d":1}}`), 1))
		require.Equal(t, members{
			{"a", "x\ufffd"}, {"\ufffd", []any{"\ufffd😀"}}, {"b", members{{"y\ufffd", number("1")}}},
		}, readAll(b.Object()))
	}
}

func TestANameThatComesTwiceIsRefused(t *testing.T) {
	for range 2 {
		b := builder()
		for _, text := range []string{`{"a":1,"a":1}`, `{"a":1,"b":[],"\u0061":2}`, `{"x":{"a":1,"a":1}}`, `{"x":[{"b":0,"a":1,"a":1}]}`} {
			require.EqualError(t, b.Whole([]byte(text), 1), "duplicate object member name", text)
		}
		require.NoError(t, b.Whole([]byte(`{"x":{"a":1},"y":{"a":1},"a":{"a":[{"a":1}]}}`), 1))
		for _, passed := range []bool{false, true} {
			b.Begin(1)
			for range 2 {
				_, err := b.Name([]byte("a"))
				require.NoError(t, err)
				if passed {
					b.Pass()
				} else {
					require.NoError(t, b.Value([]byte("1")))
				}
			}
			require.EqualError(t, b.End(), "duplicate object member name")
		}
	}
}

func TestAShapeSortsTheNamesThatCount(t *testing.T) {
	b := NewBuilder(NewShapes(func(name string) bool { return name != "b" }, 1000), &Limits{Depth: 100, Values: 1 << 20})
	var shapes []*Shape
	for range 2 {
		require.NoError(t, b.Whole([]byte(`{"c":1,"b":{"d":1},"a":{"d":1}}`), 1))
		require.Equal(t, &Shape{Names: []string{"c", "b", "a"}, Order: []int{2, 0}}, b.Object().Shape())
		shapes = append(shapes, b.Object().Shape())
		inner := b.Get("b")
		require.Equal(t, &Shape{Names: []string{"d"}, Order: []int{0}}, inner.Shape())
		other := b.Get("a")
		require.Same(t, inner.Shape(), other.Shape())
	}
	require.Same(t, shapes[0], shapes[1])
}

func TestATextOfVeryManyNamesDoesNotStay(t *testing.T) {
	shapes := NewShapes(never, 2*maxNodes)
	b := NewBuilder(shapes, &Limits{Depth: 100, Values: 1 << 20})
	var many members
	for i := range maxNodes + 1 {
		many = append(many, pair{fmt.Sprint(i), nil})
	}
	require.NoError(t, b.Whole([]byte(plain(many)), 1))
	kept := b.Object()

	shapes.Trim()
	require.Empty(t, shapes.steps)
	require.NoError(t, b.Whole([]byte(`{"another":null}`), 1))
	require.Equal(t, many, readAll(kept), "what was built before keeps its names")
	another := b.Object().Shape()
	shapes.Trim()
	require.NoError(t, b.Whole([]byte(`{"another":1}`), 1))
	require.Same(t, another, b.Object().Shape(), "few names stay")
}

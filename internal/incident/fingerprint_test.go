package incident

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"pgregory.net/rapid"
)

func digestOf(v pcommon.Value, ignored ...string) Digest {
	c := NewComparer(Split, false, ignored)
	m := pcommon.NewMap()
	v.CopyTo(m.PutEmpty("value"))
	return c.hasher.fields(m)[0].Digest
}

// value draws any JSON value.
func value(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.String().AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves,
		rapid.SliceOfN(value(depth-1), 0, 4).AsAny(),
		rapid.MapOfN(rapid.StringMatching(`[a-c]{0,2}`), value(depth-1), 0, 4).AsAny())...)
}

// shuffled has the same content with keys and elements in another order.
func shuffled(from pcommon.Value, into pcommon.Value, random *rand.Rand) {
	switch from.Type() {
	case pcommon.ValueTypeMap:
		var names []string
		for name := range from.Map().All() {
			names = append(names, name)
		}
		random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		m := into.SetEmptyMap()
		for _, name := range names {
			v, _ := from.Map().Get(name)
			shuffled(v, m.PutEmpty(name), random)
		}
	case pcommon.ValueTypeSlice:
		s := into.SetEmptySlice()
		for _, i := range random.Perm(from.Slice().Len()) {
			shuffled(from.Slice().At(i), s.AppendEmpty(), random)
		}
	default:
		from.CopyTo(into)
	}
}

func TestTheOrderOfKeysAndElementsDoesNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := pcommon.NewValueEmpty()
		require.NoError(t, v.FromRaw(value(4).Draw(t, "value")))
		other := pcommon.NewValueEmpty()
		shuffled(v, other, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		require.Equal(t, digestOf(v), digestOf(other))
	})
}

func TestDifferentContentHasADifferentDigest(t *testing.T) {
	values := []any{
		nil, true, false, int64(0), int64(1), int64(1<<53 + 1), int64(1 << 53), float64(0), float64(1), "", "0", "1", "n",
		"\u200bname", "name",
		[]any{},
		map[string]any{},
		[]any{nil},
		[]any{[]any{}},
		[]any{"a", "b"},
		[]any{"ab"},
		[]any{"a", "a"},
		[]any{"a"},
		map[string]any{"a": nil},
		map[string]any{"a": "b"},
		map[string]any{"b": "a"},
		[]any{[]any{"a"}, []any{"b"}},
		[]any{[]any{"a", "b"}, []any{}},
		[]any{map[string]any{"a": int64(1)}, map[string]any{"b": int64(2)}},
		[]any{map[string]any{"a": int64(1), "b": int64(2)}},
	}
	seen := map[Digest]any{}
	for _, raw := range values {
		v := pcommon.NewValueEmpty()
		require.NoError(t, v.FromRaw(raw))
		d := digestOf(v)
		require.NotContains(t, seen, d, "%v and %v", raw, seen[d])
		seen[d] = raw
	}
}

func TestAnnotationsOfTheAnswerDoNotCount(t *testing.T) {
	one := object(t, map[string]any{"id": "1", "@odata.context": "one", "alerts@odata.nextLink": "x", "inner": map[string]any{"@odata.type": "a"}})
	two := object(t, map[string]any{"id": "1", "@odata.context": "two", "inner": map[string]any{}})
	c := comparer(Split)
	require.Equal(t, c.hasher.fields(one), c.hasher.fields(two))
	require.Equal(t, c.hasher.object(one), c.hasher.object(two))
}

func TestADigestSurvivesItsText(t *testing.T) {
	d := digestOf(pcommon.NewValueStr("x"))
	text, err := d.MarshalText()
	require.NoError(t, err)
	var back Digest
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, d, back)
	require.ErrorContains(t, back.UnmarshalText([]byte("AAAA")), "3 bytes, not 16")
	require.ErrorContains(t, back.UnmarshalText([]byte("not base64!")), "read a digest")
}

func TestTheStatesDigestCoversAlertsOnlyWhereTheyBelongToIt(t *testing.T) {
	c := comparer(Split)
	one := delivered(t, c, snapshot(t))
	two := delivered(t, c, snapshot(t, alertStatus(0, "Resolved")))
	three := delivered(t, c, snapshot(t, later))
	require.Equal(t, one.Digest(false), two.Digest(false))
	require.NotEqual(t, one.Digest(true), two.Digest(true))
	require.NotEqual(t, one.Digest(false), three.Digest(false))
}

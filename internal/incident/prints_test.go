// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// printsOf returns the prints of an object, and the names of its members that count.
func printsOf(text string, ignored ...string) (Prints, []string) {
	o := built(text, ignored...)
	return new(Fingerprint).prints(o), namesOf(o)
}

// A checkpoint holds prints, so those of an earlier receiver must be the same.
func TestPrintsStayWhatTheyWere(t *testing.T) {
	prints, names := printsOf(`{"b":"x","a":[1,2],"@odata.type":"y","none":null,"d":{},"c":false,"e":"","f":0,"g":{"h":[]},"i":[],"j":1.5}`)
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g", "i", "j", "none"}, names)
	text, err := prints.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "CpoyZwEt-eeDOCzKTg5airE", string(text))
	var back Prints
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, prints, back)
}

func TestPrintsNameWhatHasChanged(t *testing.T) {
	const before = `{"id":"a1","title":"One","assignedTo":null,"list":["x","y"],"map":{"a":1},"number":1,"empty":""}`
	for after, want := range map[string][]string{
		before: nil,
		`{"number":1.0,"empty":"","map":{"a":1},"list":["y","x"],"assignedTo":null,"title":"One","id":"a1"}`:                        {"number"},
		`{"id":"a1","title":"Two","assignedTo":"soc","list":["x"],"map":{"a":2},"number":2,"empty":"no"}`:                           {"assignedTo", "empty", "list", "map", "number", "title"},
		`{"id":"a1","title":"","assignedTo":null,"list":[],"map":{},"number":null,"empty":""}`:                                      {"list", "map", "number", "title"},
		`{"id":"a1","title":"One","assignedTo":"One","list":["x","y"],"map":{"a":1},"number":1,"empty":""}`:                         {"assignedTo"},
		`{"id":"a1","title":"One","assignedTo":null,"list":["x","y"],"map":{"a":1},"number":1,"empty":"","new":true}`:               {"new"},
		`{"id":"a1","title":"Two","assignedTo":null,"list":["x","y"],"map":{"a":1},"number":1}`:                                     {"title"},
		`{"id":"a1","title":"One","assignedTo":null,"list":["x","y"],"map":{"a":1},"number":1,"empty":null,"@odata.context":"new"}`: nil,
	} {
		first, _ := printsOf(before)
		now, names := printsOf(after)
		require.Equal(t, want, now.changed(first, names), after)
	}
}

func TestIgnoredFieldsAreNotAmongTheChangedFields(t *testing.T) {
	first, _ := printsOf(`{"a":1,"b":{"a":1,"c":2}}`, "a")
	now, names := printsOf(`{"a":2,"b":{"a":2,"c":2}}`, "a")
	require.Empty(t, now.changed(first, names))
}

// Among a few thousand changes, none should be missed by chance.
func TestPrintsNameExactlyTheMembersThatDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`), value(2), 1, 12).Draw(t, "before")
		after := maps.Clone(before)
		var want []string
		for _, name := range slices.Sorted(maps.Keys(before)) {
			if rapid.Bool().Draw(t, "changes") {
				after[name] = rapid.SampledFrom([]any{nil, "", "another", int64(4711), []any{"z"}}).Draw(t, "to")
			}
			if literal(before[name]) != literal(after[name]) && !nothing(before[name], after[name]) {
				want = append(want, name)
			}
		}
		first, _ := printsOf(literal(before))
		now, names := printsOf(literal(after))
		require.Equal(t, want, now.changed(first, names))
	})
}

// nothing reports whether both values are null or empty.
func nothing(values ...any) bool {
	return !slices.ContainsFunc(values, func(v any) bool { return !slices.Contains([]string{"null", `""`, "[]", "{}"}, literal(v)) })
}

func TestNoPrintsAreMadeOfAbsurdlyManyMembers(t *testing.T) {
	for n, want := range map[int]bool{100: true, 101: false} {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"m%d":1`, i))
		}
		prints, _ := printsOf("{" + strings.Join(members, ",") + "}")
		require.Equal(t, want, prints != "", n)
	}
}

func TestWhatAreNoPrintsNamesNothing(t *testing.T) {
	now, names := printsOf(`{"a":1,"b":null}`)
	for size := range now {
		require.Empty(t, now.changed(now[:size], names), "cut off after %d bytes", size)
	}
	require.Empty(t, now.changed(now+"x", names))
	require.Empty(t, now.changed("\xff\x00\x00", names))
	require.Error(t, new(Prints).UnmarshalText([]byte("?")))
}

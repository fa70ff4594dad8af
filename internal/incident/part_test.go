// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachSourceIsComparedWithItself(t *testing.T) {
	one, two, three := Digest{1}, Digest{2}, Digest{3}
	for name, test := range map[string]struct {
		before Part
		shown  Digest
		by     Source
		newer  bool
		want   Part
		means  sight
	}{
		"Get, as it was delivered":               {Part{one, FromGet, nil}, one, FromGet, false, Part{one, FromGet, nil}, alike},
		"Get, as it was, with a newer time":      {Part{one, FromGet, nil}, one, FromGet, true, Part{one, FromGet, nil}, alike},
		"Get, as it was, where both show it so":  {Part{one, fromBoth, nil}, one, FromGet, false, Part{one, fromBoth, nil}, alike},
		"Get, changed":                           {Part{one, FromGet, nil}, two, FromGet, true, Part{two, FromGet, nil}, differs},
		"Get, changed without its time":          {Part{one, FromGet, nil}, two, FromGet, false, Part{two, FromGet, nil}, differs},
		"Get, changed, where both show it so":    {Part{one, fromBoth, nil}, two, FromGet, false, Part{two, FromGet, nil}, differs},
		"List, the same as Get":                  {Part{one, FromGet, nil}, one, FromList, false, Part{one, fromBoth, nil}, alike},
		"List, another rendering":                {Part{one, FromGet, nil}, two, FromList, false, Part{one, FromGet, &two}, alike},
		"List, changed":                          {Part{one, FromGet, nil}, two, FromList, true, Part{two, FromList, nil}, differs},
		"List, changed, both showed it alike":    {Part{one, fromBoth, nil}, two, FromList, true, Part{two, FromList, nil}, differs},
		"List, its rendering again":              {Part{one, FromGet, &two}, two, FromList, false, Part{one, FromGet, &two}, alike},
		"List, its rendering with a newer time":  {Part{one, FromGet, &two}, two, FromList, true, Part{one, FromGet, &two}, alike},
		"List, another than its rendering":       {Part{one, FromGet, &two}, three, FromList, false, Part{one, FromGet, &three}, doubtful},
		"List, another than both showed":         {Part{one, fromBoth, nil}, three, FromList, false, Part{one, FromGet, &three}, doubtful},
		"List, another than it was delivered":    {Part{one, FromList, nil}, two, FromList, false, Part{two, FromList, nil}, differs},
		"the same, where Get's is known":         {Part{one, FromList, &three}, two, FromList, false, Part{two, FromList, nil}, differs},
		"List shows what only Get showed before": {Part{one, FromGet, &two}, one, FromList, false, Part{one, fromBoth, nil}, alike},
		"the same with a newer time":             {Part{one, FromGet, &two}, one, FromList, true, Part{one, fromBoth, nil}, alike},
		"Get shows what only List showed before": {Part{one, FromList, &two}, one, FromGet, false, Part{one, fromBoth, nil}, alike},
		"Get, where List's rendering is known":   {Part{one, FromGet, &two}, three, FromGet, false, Part{three, FromGet, nil}, differs},
		"Get, the same as List, is known then":   {Part{one, FromList, nil}, one, FromGet, false, Part{one, fromBoth, nil}, alike},
		"Get, another rendering than List":       {Part{one, FromList, nil}, two, FromGet, false, Part{one, FromList, &two}, alike},
		"Get, changed after List":                {Part{one, FromList, nil}, two, FromGet, true, Part{two, FromGet, nil}, differs},
		"Get, its rendering changed after List":  {Part{one, FromList, &two}, three, FromGet, false, Part{three, FromGet, nil}, differs},
	} {
		t.Run(name, func(t *testing.T) {
			after, means := test.before.seen(test.shown, test.by, test.newer)
			require.Equal(t, test.want, after)
			require.Equal(t, test.means, means)
		})
	}
}

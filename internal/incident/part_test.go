package incident

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachSourceIsComparedWithItself(t *testing.T) {
	one, two, three := Digest{1}, Digest{2}, Digest{3}
	for name, test := range map[string]struct {
		before  Part
		shown   Digest
		by      Source
		newer   bool
		want    Part
		changed bool
	}{
		"Get, as it was delivered":               {Part{one, FromGet, nil}, one, FromGet, false, Part{one, FromGet, nil}, false},
		"Get, as it was, with a newer time":      {Part{one, FromGet, nil}, one, FromGet, true, Part{one, FromGet, nil}, false},
		"Get, changed":                           {Part{one, FromGet, nil}, two, FromGet, true, Part{two, FromGet, nil}, true},
		"Get, changed without its time":          {Part{one, FromGet, nil}, two, FromGet, false, Part{two, FromGet, nil}, true},
		"List, the same as Get":                  {Part{one, FromGet, nil}, one, FromList, false, Part{one, FromGet, nil}, false},
		"List, another rendering":                {Part{one, FromGet, nil}, two, FromList, false, Part{one, FromGet, &two}, false},
		"List, changed":                          {Part{one, FromGet, nil}, two, FromList, true, Part{two, FromList, nil}, true},
		"List, its rendering again":              {Part{one, FromGet, &two}, two, FromList, false, Part{one, FromGet, &two}, false},
		"List, its rendering with a newer time":  {Part{one, FromGet, &two}, two, FromList, true, Part{one, FromGet, &two}, false},
		"List, its rendering changed":            {Part{one, FromGet, &two}, three, FromList, false, Part{three, FromList, nil}, true},
		"List shows what only Get showed before": {Part{one, FromGet, &two}, one, FromList, false, Part{one, FromList, nil}, true},
		"Get, where List's rendering is known":   {Part{one, FromGet, &two}, three, FromGet, false, Part{three, FromGet, nil}, true},
		"Get, the same as List, is known then":   {Part{one, FromList, nil}, one, FromGet, false, Part{one, FromGet, nil}, false},
		"Get, another rendering than List":       {Part{one, FromList, nil}, two, FromGet, false, Part{one, FromList, &two}, false},
		"Get, changed after List":                {Part{one, FromList, nil}, two, FromGet, true, Part{two, FromGet, nil}, true},
		"Get, its rendering changed after List":  {Part{one, FromList, &two}, three, FromGet, false, Part{three, FromGet, nil}, true},
	} {
		t.Run(name, func(t *testing.T) {
			after, changed := test.before.seen(test.shown, test.by, test.newer)
			require.Equal(t, test.want, after)
			require.Equal(t, test.changed, changed)
		})
	}
}

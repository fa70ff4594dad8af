// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// literal is a value as JSON: floats with an exponent, so that they are none of
// the integers.
func literal(value any) string { return written(value, nil) }

// written is a value as JSON, its members and elements in the order of their
// names and places or, with random, in any.
func written(value any, random *rand.Rand) string {
	var parts []string
	opening, closing := "[", "]"
	switch v := value.(type) {
	case map[string]any:
		opening, closing = "{", "}"
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, literal(name)+":"+written(v[name], random))
		}
	case []any:
		for _, element := range v {
			parts = append(parts, written(element, random))
		}
	case float64:
		return strconv.FormatFloat(v, 'e', -1, 64)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	if random != nil {
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	return opening + strings.Join(parts, ",") + closing
}

// built is what is kept of an object, in which the given names do not count.
func built(text string, ignored ...string) content.Object {
	limits := content.Limits{Depth: 100, Values: 1 << 20}
	b := content.NewBuilder(content.NewShapes(Ignore(ignored...).Counts, 1000), &limits)
	if err := b.Whole([]byte(text), 1); err != nil {
		panic(err)
	}
	return b.Object()
}

// object is what is kept of one with these members.
func object(raw map[string]any) content.Object { return built(literal(raw)) }

// digests are those of an object.
type digests struct {
	object Digest
	fields []Field
}

func fingerprint(text string, ignored ...string) digests {
	var f Fingerprint
	o := built(text, ignored...)
	return digests{f.Object(o), f.Fields(o)}
}

// raw is a kept value as written takes it.
func raw(from *content.Reader) any {
	switch kind := from.Kind(); kind {
	case content.String:
		return from.Text()
	case content.Digits:
		return json.RawMessage(from.Text())
	case content.Map:
		all := map[string]any{}
		for _, name := range from.Shape().Names {
			from.Next()
			all[name] = raw(from)
		}
		return all
	case content.Array:
		all := []any{}
		for range from.Len() {
			from.Next()
			all = append(all, raw(from))
		}
		return all
	case content.True, content.False:
		return kind == content.True
	}
	return nil
}

// members are those of a kept object.
func members(o content.Object) map[string]any {
	reader := o.Read()
	return raw(&reader).(map[string]any)
}

// put gives the incident's own object a member, or another value to it.
func put(s *Snapshot, name string, value any) {
	all := members(s.Object)
	all[name] = value
	s.Object = object(all)
	s.Fields = fingerprint(literal(all)).fields
}

// drop takes a member from the incident's own object.
func drop(s *Snapshot, name string) {
	all := members(s.Object)
	delete(all, name)
	s.Object = object(all)
	s.Fields = fingerprint(literal(all)).fields
}

// putAlert gives an alert's object a member, or another value to it.
func putAlert(a *Alert, name string, value any) {
	all := members(a.Object)
	all[name] = value
	a.Object = object(all)
	a.Digest = fingerprint(literal(all)).object
}

// read is the snapshot with the digests that its content has.
func read(s *Snapshot, ignored ...string) *Snapshot {
	s.Fields = fingerprint(literal(members(s.Object)), ignored...).fields
	for i := range s.Alerts {
		s.Alerts[i].Digest = fingerprint(literal(members(s.Alerts[i].Object)), ignored...).object
	}
	return s
}

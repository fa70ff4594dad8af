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

// literal returns a value as JSON. Floats have an exponent, so they do not
// look like integers.
func literal(value any) string { return written(value, nil) }

// written returns a value as JSON, with members in the order of their names and
// elements in their own order or, with random, all in random order.
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

// built returns an object as it is kept, with the given names ignored.
func built(text string, ignored ...string) content.Object {
	limits := content.Limits{Depth: 100, Values: 1 << 20}
	b := content.NewBuilder(content.NewShapes(Ignore(ignored...).Counts, 1000), &limits)
	if err := b.Whole([]byte(text), 1); err != nil {
		panic(err)
	}
	return b.Object()
}

// object returns an object with these members as it is kept.
func object(raw map[string]any) content.Object { return built(literal(raw)) }

// digests returns the digests of an object.
type digests struct {
	object Digest
	fields []Field
}

func fingerprint(text string, ignored ...string) digests {
	var f Fingerprint
	o := built(text, ignored...)
	return digests{f.digestOf(o), f.fields(o)}
}

// raw returns a kept value in the form that written takes.
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

// members returns the members of a kept object.
func members(o content.Object) map[string]any {
	reader := o.Read()
	return raw(&reader).(map[string]any)
}

// put sets a member of the incident's own object.
func put(s *Snapshot, name string, value any) {
	all := members(s.Object)
	all[name] = value
	s.Object = object(all)
	s.Fields = fingerprint(literal(all)).fields
}

// drop removes a member from the incident's own object.
func drop(s *Snapshot, name string) {
	all := members(s.Object)
	delete(all, name)
	s.Object = object(all)
	s.Fields = fingerprint(literal(all)).fields
}

// putAlert sets a member of an alert's object.
func putAlert(a *Alert, name string, value any) {
	all := members(a.Object)
	all[name] = value
	a.Object = object(all)
	a.Digest = fingerprint(literal(all)).object
}

// read returns the snapshot with the digests of its content.
func read(s *Snapshot, ignored ...string) *Snapshot {
	s.Fields = fingerprint(literal(members(s.Object)), ignored...).fields
	for i := range s.Alerts {
		s.Alerts[i].Digest = fingerprint(literal(members(s.Alerts[i].Object)), ignored...).object
	}
	return s
}

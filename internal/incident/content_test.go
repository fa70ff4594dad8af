package incident

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

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

// told is a recorder or a fingerprint.
type told struct {
	names  *content.Names
	begin  func(kind byte)
	name   func(number int)
	scalar func(kind byte, text []byte)
	end    func()
}

// fingerprint is told of an object, as it is when it is read.
func fingerprint(object string, ignored ...string) *Fingerprint {
	names := content.NewNames(Ignore(ignored...).Counts)
	f := NewFingerprint(names)
	tellFingerprint(f, names, object)
	return f
}

func tellFingerprint(f *Fingerprint, names *content.Names, object string) {
	tell(told{
		names: names, begin: f.Begin, name: f.Name, scalar: f.Scalar, end: func() { f.End(nil) },
	}, jsontext.NewDecoder(strings.NewReader(object)), true)
}

// object is what is kept of one with these members.
func object(raw map[string]any) content.Object {
	names := content.NewNames(func(string) bool { return true })
	r := content.NewRecorder(names)
	tell(told{
		names: names, begin: r.Begin, name: r.Name, scalar: r.Scalar, end: r.End,
	}, jsontext.NewDecoder(strings.NewReader(literal(raw))), true)
	return r.Object()
}

func tell(to told, d *jsontext.Decoder, counts bool) {
	kind := d.PeekKind()
	if kind != '{' && kind != '[' {
		value, err := d.ReadValue()
		if err != nil {
			panic(err)
		}
		if kind == '"' {
			if value, err = jsontext.AppendUnquote(nil, value); err != nil {
				panic(err)
			}
		}
		if counts {
			to.scalar(byte(kind), value)
		}
		return
	}
	_, _ = d.ReadToken()
	if counts {
		to.begin(byte(kind))
	}
	for d.PeekKind() != kind+2 {
		counts := counts
		if kind == '{' {
			token, _ := d.ReadToken()
			number := to.names.Number([]byte(token.String()))
			if counts = counts && to.names.Marked(number); counts {
				to.name(number)
			}
		}
		tell(to, d, counts)
	}
	_, _ = d.ReadToken()
	if counts {
		to.end()
	}
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
		for range from.Len() {
			from.Next()
			name := from.Name()
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
	s.Fields = fingerprint(literal(all)).Fields()
}

// drop takes a member from the incident's own object.
func drop(s *Snapshot, name string) {
	all := members(s.Object)
	delete(all, name)
	s.Object = object(all)
	s.Fields = fingerprint(literal(all)).Fields()
}

// putAlert gives an alert's object a member, or another value to it.
func putAlert(a *Alert, name string, value any) {
	all := members(a.Object)
	all[name] = value
	a.Object = object(all)
	a.Digest = fingerprint(literal(all)).Object()
}

// read is the snapshot with the digests that its content has.
func read(s *Snapshot, ignored ...string) *Snapshot {
	s.Fields = fingerprint(literal(members(s.Object)), ignored...).Fields()
	for i := range s.Alerts {
		s.Alerts[i].Digest = fingerprint(literal(members(s.Alerts[i].Object)), ignored...).Object()
	}
	return s
}

package defender

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// What an answer may be made of. Answers of the API have a depth of about
// eight, some dozen members an object, and under 100,000 values with 150 fat
// alerts; what is far beyond that is no incident.
const (
	// maxDepth also keeps records within the 100 levels that protobuf decoders
	// accept: a level of JSON takes up to three of OTLP.
	maxDepth = 32
	// maxMembers bounds the work: adding to a pcommon.Map looks at each member.
	maxMembers = 1000
	// maxValues bounds the memory: "[]," is three bytes, its value over fifty.
	maxValues = 1 << 20
	// maxAlerts bounds what is kept of an incident for the next comparison: an
	// id and a fingerprint for each alert. Lists seem to end at 150 (captures).
	maxAlerts = 10_000
)

// usualMembers is about how many members an incident and an alert have; room
// for them is made at once. Within them it is not: "{}," is three bytes, such
// room five hundred.
const usualMembers = 16

// decoder reads JSON straight into pdata: names and values as they are,
// integers as integers, nulls as empty values.
type decoder struct {
	json   *jsontext.Decoder
	names  map[string]string // each name is kept once
	values int
}

func newDecoder(body []byte) *decoder {
	return &decoder{json: jsontext.NewDecoder(bytes.NewBuffer(body)), names: make(map[string]string, 64)}
}

// newLenientDecoder is for what is not taken over as it is: it leaves doubled
// names and invalid UTF-8 for others to find.
func newLenientDecoder(body []byte) *decoder {
	d := newDecoder(nil)
	d.json.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return d
}

// end demands that nothing follows.
func (d *decoder) end() error {
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// object reads an object. Members that take claims are left to it: it must
// then read their value.
func (d *decoder) object(into pcommon.Map, depth int, claims func(name string) (bool, error)) error {
	if kind := d.json.PeekKind(); kind != '{' {
		return d.unexpected("an object", kind)
	}
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != '}' {
		name, err := d.name()
		if err != nil {
			return err
		}
		if claims != nil {
			claimed, err := claims(name)
			if err != nil {
				return err
			}
			if claimed {
				continue
			}
		}
		if into.Len() == maxMembers {
			return fmt.Errorf("an object of more than %d members", maxMembers)
		}
		if err := d.value(into.PutEmpty(name), depth+1); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// array calls element for each element, which must read it.
func (d *decoder) array(depth int, element func() error) error {
	if kind := d.json.PeekKind(); kind != '[' {
		return d.unexpected("an array", kind)
	}
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// value reads any value. depth is its own level if it turns out to be an
// object or an array.
func (d *decoder) value(into pcommon.Value, depth int) error {
	if d.values++; d.values > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	switch kind := d.json.PeekKind(); kind {
	case '{':
		return d.object(into.SetEmptyMap(), depth, nil)
	case '[':
		elements := into.SetEmptySlice()
		return d.array(depth, func() error { return d.value(elements.AppendEmpty(), depth+1) })
	case '0':
		literal, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		setNumber(into, literal)
		return nil
	default:
		token, err := d.json.ReadToken()
		if err != nil {
			return err
		}
		switch kind {
		case '"':
			into.SetStr(token.String())
		case 't', 'f':
			into.SetBool(token.Bool())
		}
		return nil
	}
}

// setNumber keeps integers exact. What neither an int64 nor a float64 can
// hold is kept as the text it came as.
func setNumber(into pcommon.Value, literal []byte) {
	if bytes.ContainsAny(literal, ".eE") {
		if f, err := strconv.ParseFloat(string(literal), 64); err == nil {
			into.SetDouble(f)
			return
		}
	} else if i, err := strconv.ParseInt(string(literal), 10, 64); err == nil {
		into.SetInt(i)
		return
	}
	into.SetStr(string(literal))
}

// name reads a member's name.
func (d *decoder) name() (string, error) {
	quoted, err := d.json.ReadValue()
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(quoted, '\\') >= 0 {
		unquoted, err := jsontext.AppendUnquote(nil, quoted)
		return string(unquoted), err
	}
	raw := quoted[1 : len(quoted)-1]
	if name, ok := d.names[string(raw)]; ok {
		return name, nil
	}
	name := string(raw)
	d.names[name] = name
	return name, nil
}

// link reads a link to a next page, to be looked at when all else is read.
func (d *decoder) link() (jsontext.Value, error) {
	link, err := d.json.ReadValue()
	return link.Clone(), err
}

// unexpected explains a value of another kind; where there is none, the
// syntax error does.
func (d *decoder) unexpected(want string, got jsontext.Kind) error {
	if got == jsontext.Kind(0) {
		if _, err := d.json.ReadToken(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s where %s should be", kindName(got), want)
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "nothing"
}

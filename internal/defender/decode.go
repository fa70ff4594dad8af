package defender

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
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

// decoder reads answers as they come, in one pass over their tokens: what is kept
// of them and its digests are made on the way. Its buffers serve one answer after
// another, so it belongs to one goroutine.
type decoder struct {
	json    jsontext.Decoder
	body    source
	ignored incident.Ignored
	blind   bool // makes no digests: to measure the rest alone
	values  int  // of this answer

	names    *content.Names // those are marked that count
	numbers  []int          // of the names in the objects that are being read, the innermost last
	unquoted []byte         // the text of a string with escapes

	incident, alert object // that are being read, one within the other
	alerts          []incident.Alert
	seen            map[string]struct{} // their ids
}

func newDecoder(ignored incident.Ignored) *decoder {
	names := content.NewNames(ignored.Counts)
	return &decoder{ignored: ignored, names: names, incident: newObject(names), alert: newObject(names), seen: map[string]struct{}{}}
}

// reset begins with another body, of up to limit bytes. That a name is there
// twice is found by the decoder itself: it knows its objects by their names.
func (d *decoder) reset(body io.Reader, limit int64) *decoder {
	d.body.reset(body, limit)
	d.json.Reset(&d.body, jsontext.AllowDuplicateNames(true))
	d.names.Trim()
	d.values, d.numbers = 0, d.numbers[:0]
	return d
}

// lenient, before anything is read, has invalid UTF-8 left for others to find: it
// is for what is not taken over as it is.
func (d *decoder) lenient() *decoder {
	d.json.Reset(&d.body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return d
}

// end demands that nothing follows.
func (d *decoder) end() error {
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// object reads an object that is kept. Members that take claims are left to it:
// it must then read their value.
func (d *decoder) object(o *object, depth int, claims func(name string) (bool, error)) error {
	if err := d.begin('{', "an object", depth); err != nil {
		return err
	}
	o.begin()
	first, kept := len(d.numbers), 0
	compared := !d.blind
	for d.json.PeekKind() != '}' {
		number, err := d.name()
		if err != nil {
			return err
		}
		d.numbers = append(d.numbers, number)
		if claims != nil {
			claimed, err := claims(d.names.Name(number))
			if err != nil {
				return err
			}
			if claimed {
				continue
			}
		}
		if err := d.member(o, number, depth, kept, compared); err != nil {
			return err
		}
		kept++
	}
	whole := compared && kept == len(d.numbers)-first
	order, err := d.order(first, whole)
	if err != nil {
		return err
	}
	o.end(order)
	_, err = d.json.ReadToken()
	return err
}

// order is that of the members of an object that ends, of which the first name is
// the one of that place. Its names are forgotten. Nil: they do not all count, or
// the object is not compared as a whole.
func (d *decoder) order(first int, whole bool) ([]int, error) {
	numbers := d.numbers[first:]
	d.numbers = d.numbers[:first]
	order, unique := d.names.Order(numbers)
	for i, place := range order {
		switch {
		case !unique && i > 0 && numbers[place] == numbers[order[i-1]]:
			return nil, fmt.Errorf("duplicate object member name %q", plain(d.names.Name(numbers[place])))
		case !d.names.Marked(numbers[place]):
			whole = false
		}
	}
	if !whole {
		return nil, nil
	}
	return order, nil
}

// member reads the value of a member that n others come before. compared: what
// it is part of is.
func (d *decoder) member(o *object, number, depth, n int, compared bool) error {
	if n == maxMembers {
		return fmt.Errorf("an object of more than %d members", maxMembers)
	}
	o.Name(number)
	if compared = compared && d.names.Marked(number); compared {
		o.print.Name(number)
	}
	return d.value(o, depth+1, compared)
}

// value reads any value. depth is its own level if it turns out to be an object
// or an array.
func (d *decoder) value(o *object, depth int, compared bool) error {
	if d.values++; d.values > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	kind := d.json.PeekKind()
	if kind == '{' || kind == '[' {
		return d.nested(o, kind, depth, compared)
	}
	text, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	if kind == '"' {
		if text, err = d.unquote(text); err != nil {
			return err
		}
	}
	o.Scalar(byte(kind), text)
	if compared {
		o.print.Scalar(byte(kind), text)
	}
	return nil
}

// nested reads an object or an array within an object.
func (d *decoder) nested(o *object, kind jsontext.Kind, depth int, compared bool) error {
	if err := d.begin(kind, kindName(kind), depth); err != nil {
		return err
	}
	o.Begin(byte(kind))
	if compared {
		o.print.Begin(byte(kind))
	}
	order, err := d.parts(o, kind, depth, compared)
	if err != nil {
		return err
	}
	o.End()
	if compared {
		o.print.End(order)
	}
	_, err = d.json.ReadToken()
	return err
}

// parts reads the elements of an array, or the members of an object, and returns
// the order of these, if they are all compared.
func (d *decoder) parts(o *object, kind jsontext.Kind, depth int, compared bool) ([]int, error) {
	if kind == '[' {
		for d.json.PeekKind() != ']' {
			if err := d.value(o, depth+1, compared); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	first := len(d.numbers)
	for d.json.PeekKind() != '}' {
		number, err := d.name()
		if err != nil {
			return nil, err
		}
		n := len(d.numbers) - first
		d.numbers = append(d.numbers, number)
		if err := d.member(o, number, depth, n, compared); err != nil {
			return nil, err
		}
	}
	return d.order(first, compared)
}

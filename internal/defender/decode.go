// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// Bounds of a response. Responses of the API have a depth of about eight, some
// dozen members per object, and fewer than 100,000 values with 150 large
// alerts; anything far beyond that is no incident.
const (
	// maxDepth also keeps records within the 100 levels that protobuf decoders
	// accept: a level of JSON takes up to three of OTLP.
	maxDepth = 32
	// maxMembers bounds the later work: finding or putting a member of a
	// pcommon.Map looks at each one.
	maxMembers = 1000
	// maxValues bounds the memory: "[]," is three bytes, but its value over fifty.
	maxValues = 1 << 20
	// maxAlerts bounds what is kept of an incident for the next comparison: an ID
	// and a fingerprint for each alert. Lists seem to end at 150 (captures).
	maxAlerts = 10_000
)

// decoder reads responses as they arrive. jsontext checks each member of an
// incident or an alert as a whole; then one pass over its text makes what
// is kept of it. Its buffers are reused for the next response, so it
// belongs to one goroutine.
type decoder struct {
	json     jsontext.Decoder
	body     source
	unquoted []byte // the name that was read last, if it has escapes

	shapes          *content.Shapes
	limits          content.Limits // of this response
	incident, alert object         // being read, one within the other
	alerts          []incident.Alert
	seen            map[string]struct{} // their ids

	print incident.Fingerprint
}

func newDecoder(ignored incident.Ignored) *decoder {
	d := &decoder{shapes: content.NewShapes(ignored.Counts, maxMembers), seen: map[string]struct{}{}}
	d.incident = object{content.NewBuilder(d.shapes, &d.limits)}
	d.alert = object{content.NewBuilder(d.shapes, &d.limits)}
	return d
}

// reset begins with another body, of up to limit bytes. Duplicate names are
// found where the object is kept. Text that is not Unicode is accepted here;
// value and unquote replace it.
func (d *decoder) reset(body io.Reader, limit int64) *decoder {
	d.body.reset(body, limit)
	d.json.Reset(&d.body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	d.shapes.Trim()
	d.limits = content.Limits{Depth: maxDepth, Values: maxValues}
	return d
}

// end requires that nothing follows.
func (d *decoder) end() error {
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// withoutContent reduces a syntax error to what is wrong and where, in bytes.
// It leaves out what the error quotes: the names on the way to the place, and
// the text of an escape.
func withoutContent(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return syntaxError{syntax}
	}
	return err
}

type syntaxError struct{ *jsontext.SyntacticError }

func (e syntaxError) Error() string {
	reason := regexp.MustCompile(`(?s)(escape sequence|surrogate pair) .* in string`).ReplaceAllString(e.Err.Error(), "$1 in string")
	return fmt.Sprintf("%s after offset %d", reason, e.ByteOffset)
}

// object reads an object that is kept, one member after another. claims must
// read the value of each member that it claims.
func (d *decoder) object(o object, claims func(name string) (bool, error)) error {
	if err := d.begin('{', "an object"); err != nil {
		return err
	}
	o.Begin(1)
	for d.json.PeekKind() != '}' {
		name, err := d.name()
		if err != nil {
			return err
		}
		kept, err := o.Name(name)
		if err != nil {
			return err
		}
		claimed, err := claims(kept)
		if err != nil {
			return err
		}
		if claimed {
			o.Pass()
			continue
		}
		value, err := d.value()
		if err != nil {
			return err
		}
		if err := o.Value(value); err != nil {
			return err
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	return o.End()
}

// whole reads an object that is kept, on that level, in one step.
func (d *decoder) whole(o object, depth int) error {
	if got := d.json.PeekKind(); got != '{' {
		return d.unexpected("an object", got)
	}
	text, err := d.value()
	if err != nil {
		return err
	}
	return o.Whole(text, depth)
}

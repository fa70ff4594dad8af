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

// What an answer may be made of. Answers of the API have a depth of about
// eight, some dozen members an object, and under 100,000 values with 150 fat
// alerts; what is far beyond that is no incident.
const (
	// maxDepth also keeps records within the 100 levels that protobuf decoders
	// accept: a level of JSON takes up to three of OTLP.
	maxDepth = 32
	// maxMembers bounds the work of what comes behind: to look for a member of a
	// pcommon.Map, or to put one, is to look at each.
	maxMembers = 1000
	// maxValues bounds the memory: "[]," is three bytes, its value over fifty.
	maxValues = 1 << 20
	// maxAlerts bounds what is kept of an incident for the next comparison: an
	// id and a fingerprint for each alert. Lists seem to end at 150 (captures).
	maxAlerts = 10_000
)

// decoder reads answers as they come. A member of an incident or an alert is checked
// as a whole by jsontext, then what is kept of it is made in one pass over its text.
// Its buffers serve one answer after another, so it belongs to one goroutine.
type decoder struct {
	json     jsontext.Decoder
	body     source
	unquoted []byte // the name that was read last, if it has escapes

	shapes          *content.Shapes
	limits          content.Limits // of this answer
	incident, alert object         // that are being read, one within the other
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

// reset begins with another body, of up to limit bytes. That a name is there
// twice is found where it is kept. Text that is not Unicode is let through here;
// value and unquote replace it.
func (d *decoder) reset(body io.Reader, limit int64) *decoder {
	d.body.reset(body, limit)
	d.json.Reset(&d.body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	d.shapes.Trim()
	d.limits = content.Limits{Depth: maxDepth, Values: maxValues}
	return d
}

// end demands that nothing follows.
func (d *decoder) end() error {
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// withoutContent has a syntax error say what is wrong and where, in bytes, without
// what it quotes: the names on the way to the place, and the text of an escape.
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

// object reads an object that is kept, one member after another. Those that take
// claims are left to it: it must then read their value.
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

// whole reads an object that is kept, on that level, at once.
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

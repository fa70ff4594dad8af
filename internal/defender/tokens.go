// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// members calls member for each member of an object that is not kept itself.
// member must read the value.
func (d *decoder) members(member func(name string) error) error {
	if err := d.begin('{', "an object"); err != nil {
		return err
	}
	for d.json.PeekKind() != '}' {
		name, err := d.name()
		if err != nil {
			return err
		}
		if err := member(string(name)); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// array calls element for each element, which must read it.
func (d *decoder) array(element func() error) error {
	if err := d.begin('[', "an array"); err != nil {
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

// begin reads the beginning of an object or an array.
func (d *decoder) begin(kind jsontext.Kind, what string) error {
	if got := d.json.PeekKind(); got != kind {
		return d.unexpected(what, got)
	}
	_, err := d.json.ReadToken()
	return err
}

// name reads a member's name, which is valid until the next read.
func (d *decoder) name() ([]byte, error) {
	quoted, err := d.value()
	if err != nil {
		return nil, err
	}
	return d.unquote(quoted), nil
}

// value reads the next value, which is valid until the next read, and replaces
// bytes that are not UTF-8.
func (d *decoder) value() (jsontext.Value, error) {
	value, err := d.json.ReadValue()
	return validUTF8(value), err
}

// validUTF8 returns the text, or a copy with U+FFFD for what is not UTF-8.
func validUTF8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	return bytes.ToValidUTF8(text, []byte("\ufffd"))
}

// unquote is the text of a string, valid until the next read. Its only possible
// error is half a surrogate pair, which becomes U+FFFD.
func (d *decoder) unquote(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	d.unquoted, _ = jsontext.AppendUnquote(d.unquoted[:0], quoted)
	return d.unquoted
}

// link reads a link to a next page, to be parsed when everything else is read.
func (d *decoder) link() (jsontext.Value, error) {
	link, err := d.value()
	return link.Clone(), err
}

// count reads a number of items. 0: unknown, because the value is not a whole
// number in plain digits, or does not fit into an int.
func (d *decoder) count() (int, error) {
	if d.json.PeekKind() != '0' {
		return 0, d.json.SkipValue()
	}
	value, err := d.json.ReadValue()
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(value))
	if err != nil {
		n = 0
	}
	return max(0, n), nil
}

// unexpected explains a value of another kind; if there is no value, the
// syntax error does.
func (d *decoder) unexpected(want string, got jsontext.Kind) error {
	if got == jsontext.Kind(0) {
		if _, err := d.json.ReadToken(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s instead of %s", kindName(got), want)
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

// SPDX-License-Identifier: Apache-2.0

package content

import (
	"bytes"
	"io"
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

var limit = regexp.MustCompile("^(nested deeper than 100 levels|an object with more than 1000 members)$")

// FuzzWhole compares what is built of any object that jsontext accepts with its
// tokens. Escapes may be invalid Unicode, the text itself is valid.
func FuzzWhole(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { "a" : [ 1 , -2.5e+3 , null , true , false , "" ] , "\u0061b" : { } } `, `{"a":"\\","b":"\"","c":"\\\"","d\\":"\ud83d\ude00"}`,
		`{"a\\":1,"x":{"a\\":1},"a\b":1}`, `{"a":{"b":1,"c":2},"d":{"b":1,"c":2},"e":{"b":1}}`,
		`{"\ud83d":"\ude00","\ufffd\ud83dx":"\ud83d\ud83d\ude00"}`,
	} {
		f.Add([]byte(text))
	}
	b := builder() // whatever it has seen before must not matter
	f.Fuzz(func(t *testing.T, text []byte) {
		value := jsontext.Value(text)
		if value.Kind() != '{' || !utf8.Valid(text) || !value.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			t.Skip()
		}
		b.shapes.Trim()
		b.limits.Found = 0
		err := b.Whole(text, 1)
		switch {
		case err != nil && limit.MatchString(err.Error()):
			return
		case !value.IsValid(jsontext.AllowInvalidUTF8(true)): // a name is there twice
			require.ErrorContains(t, err, "duplicate object member name")
			return
		}
		require.NoError(t, err)
		d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowInvalidUTF8(true))
		require.Equal(t, fromTokens(t, d), readAll(b.Object()))
		_, err = d.ReadToken()
		require.ErrorIs(t, err, io.EOF)
	})
}

// fromTokens is the next value according to its tokens.
func fromTokens(t *testing.T, d *jsontext.Decoder) any {
	t.Helper()
	token, err := d.ReadToken()
	require.NoError(t, err)
	switch token.Kind() {
	case '{':
		all := members{}
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			require.NoError(t, err)
			text := name.String()
			all = append(all, pair{text, fromTokens(t, d)})
		}
		_, err = d.ReadToken()
		require.NoError(t, err)
		return all
	case '[':
		all := []any{}
		for d.PeekKind() != ']' {
			all = append(all, fromTokens(t, d))
		}
		_, err = d.ReadToken()
		require.NoError(t, err)
		return all
	case '"':
		return token.String()
	case '0':
		return number(token.String())
	case 't', 'f':
		return token.Kind() == 't'
	}
	return nil
}

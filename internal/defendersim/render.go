// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// timeForm is how the API writes a time: UTC, 0 to 7 fractional digits,
// no trailing zeros.
const timeForm = "2006-01-02T15:04:05.9999999Z"

// writer appends compact JSON with the keys in the order in which
// they are written.
type writer struct {
	buf  []byte
	unit time.Duration // to which times are truncated; 0: they are not
}

// separate writes a comma between two values.
func (w *writer) separate() {
	if len(w.buf) == 0 {
		return
	}
	switch w.buf[len(w.buf)-1] {
	case '{', '[', ':':
	default:
		w.buf = append(w.buf, ',')
	}
}

func (w *writer) open(bracket byte) {
	w.separate()
	w.buf = append(w.buf, bracket)
}

func (w *writer) close(bracket byte) { w.buf = append(w.buf, bracket) }

func (w *writer) name(name string) {
	w.separate()
	w.quote(name)
	w.buf = append(w.buf, ':')
}

// quote ignores AppendQuote's error: it reports invalid UTF-8, but still writes
// the replacement character.
func (w *writer) quote(text string) {
	w.buf, _ = jsontext.AppendQuote(w.buf, text)
}

func (w *writer) null(name string) {
	w.name(name)
	w.buf = append(w.buf, "null"...)
}

func (w *writer) text(name, value string) {
	w.name(name)
	w.quote(value)
}

func (w *writer) textOrNull(name, value string) {
	if value == "" {
		w.null(name)
		return
	}
	w.text(name, value)
}

func (w *writer) integer(name string, value int64) {
	w.name(name)
	w.buf = strconv.AppendInt(w.buf, value, 10)
}

func (w *writer) integerOrNull(name string, value int64) {
	if value == 0 {
		w.null(name)
		return
	}
	w.integer(name, value)
}

func (w *writer) time(name string, value time.Time) {
	w.name(name)
	w.buf = append(w.buf, '"')
	w.buf = value.UTC().Truncate(w.unit).AppendFormat(w.buf, timeForm)
	w.buf = append(w.buf, '"')
}

func (w *writer) timeOrNull(name string, value time.Time) {
	if value.IsZero() {
		w.null(name)
		return
	}
	w.time(name, value)
}

func (w *writer) texts(name string, values []string) {
	w.name(name)
	w.open('[')
	for _, v := range values {
		w.separate()
		w.quote(v)
	}
	w.close(']')
}

// field writes one of an entity's values in its own type.
func (w *writer) field(f Field) {
	switch v := f.Value.(type) {
	case string:
		w.text(f.Name, v)
	case int64:
		w.integer(f.Name, v)
	case time.Time:
		w.time(f.Name, v)
	default:
		w.text(f.Name, fmt.Sprint(v))
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package content keeps JSON objects as the API sent them, parsed far enough to
// make digests and records of them repeatedly, in little memory: most of what
// is fetched has not changed and never becomes a record.
//
// It is pure. The caller must have checked that a text is JSON.
package content

import "encoding/binary"

// The kinds of JSON values, by their first byte.
const (
	Null   = 'n'
	True   = 't'
	False  = 'f'
	String = '"'
	Digits = '0' // any number
	Map    = '{'
	Array  = '['
)

// Object is a JSON object: names and values as they were, in their order. It is
// immutable. The zero Object is none.
type Object struct {
	// tags are the kinds of all values, each followed by the values inside it. The
	// kind of a string or a number is followed by the length of its text.
	tags   []byte
	sizes  []uint32 // of an array its length, of an object the index of its shape; in the order in which they begin
	text   string   // of the strings and numbers, one after another
	shapes []*Shape // shared
}

// Shape of the object. It must not be the zero Object.
func (o Object) Shape() *Shape { return o.shapes[o.sizes[0]] }

// Reader returns the values of an Object one after another, each followed by
// the values inside it. The zero Reader is at no value: its Kind is 0.
type Reader struct {
	object Object
	at     Place // of the next value
	kind   byte
	size   int
	shape  *Shape
}

// Place is where a value is in each part of an Object.
type Place struct{ tag, size, text int }

// Read begins with the object itself. It must not be the zero Object.
func (o Object) Read() Reader {
	r := Reader{object: o}
	r.Next()
	return r
}

// Next moves to the next value. There must be one.
func (r *Reader) Next() {
	r.kind = r.object.tags[r.at.tag]
	r.at.tag++
	switch r.kind {
	case String, Digits:
		r.size = r.length()
		r.at.text += r.size
	case Array:
		r.size = int(r.object.sizes[r.at.size])
		r.at.size++
	case Map:
		r.shape = r.object.shapes[r.object.sizes[r.at.size]]
		r.at.size++
	}
}

// Kind of the value.
func (r *Reader) Kind() byte { return r.kind }

// Text of a string, without its escapes, or of a number. Do not call it for
// other kinds.
func (r *Reader) Text() string { return r.object.text[r.at.text-r.size : r.at.text] }

// Len is the number of elements of an array, which come next. Do not call it
// for other kinds.
func (r *Reader) Len() int { return r.size }

// Shape of an object. The values of its members come next, in the order of its
// names. Do not call it for other kinds.
func (r *Reader) Shape() *Shape { return r.shape }

// Skip skips what is inside the value.
func (r *Reader) Skip() {
	for left := r.within(); left > 0; left-- {
		r.Next()
		left += r.within()
	}
}

// within is how many of the next values are part of the value.
func (r *Reader) within() int {
	switch r.kind {
	case Map:
		return len(r.shape.Names)
	case Array:
		return r.size
	}
	return 0
}

// Members appends the places of an object's members, and moves past them.
func (r *Reader) Members(places []Place) []Place {
	for range r.shape.Names {
		places = append(places, r.at)
		r.Next()
		r.Skip()
	}
	return places
}

// Place of the next value.
func (r *Reader) Place() Place { return r.at }

// Go moves to the value at that place.
func (r *Reader) Go(to Place) {
	r.at = to
	r.Next()
}

// Return makes the value at that place the next one.
func (r *Reader) Return(to Place) { r.at = to }

func (r *Reader) length() int {
	if b := r.object.tags[r.at.tag]; b < 0x80 { // most are
		r.at.tag++
		return int(b)
	}
	n, size := binary.Uvarint(r.object.tags[r.at.tag:])
	r.at.tag += size
	return int(n)
}

// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// object is a JSON object that is kept.
type object struct{ *content.Builder }

// text is the text of a member. Empty: it is not a text.
func (o object) text(name string) string {
	if member := o.Get(name); member.Kind() == content.String {
		return member.Text()
	}
	return ""
}

// texts are the texts in an array member. Nil: it is not an array.
func (o object) texts(name string) []string {
	elements := o.Get(name)
	if elements.Kind() != content.Array {
		return nil
	}
	var all []string
	for range elements.Len() {
		elements.Next()
		if elements.Kind() == content.String {
			all = append(all, elements.Text())
		}
		elements.Skip()
	}
	return all
}

// moment reads a time. One that cannot be read is the zero time.
func (o object) moment(name string) time.Time { return moment(o.text(name)) }

// The years of plausible times. Others stand for "none" or "never": .NET begins
// in 0001 and ends in 9999, FILETIME begins in 1601, SQL Server in 1753 or
// 1900, Unix in 1970 and DOS in 1980; 32 bits of seconds end in 2106, and 64
// bits of nanoseconds in 2262. Signed 32-bit seconds end in a second of 2038,
// which counts as such a time, too.
const (
	firstYear = 1990
	lastYear  = 2099
)

// maxTime is the length of the longest accepted time, in bytes.
const maxTime = 64

// moment reads a time: UTC with 0 to 7 fractional digits (seen in captures), or a
// form close to that. One that cannot be read is the zero time.
func moment(text string) time.Time {
	if len(text) > maxTime {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t = nearMoment(text)
	}
	t = t.UTC()
	if year := t.Year(); year < firstYear || year > lastYear || t.Unix() == math.MaxInt32 {
		return time.Time{}
	}
	return t
}

// nearMoment reads times as other writers of ISO 8601 format them: a space or a
// t for the T, a z for the Z, an offset without a colon or minutes, perhaps
// after a space, or no zone at all, which means UTC.
func nearMoment(text string) time.Time {
	const date = "2006-01-02"
	if len(text) <= len(date) || !strings.ContainsRune(" tT", rune(text[len(date)])) {
		return time.Time{}
	}
	text = text[:len(date)] + "T" + strings.Replace(strings.ToUpper(text[len(date)+1:]), " ", "", 1)
	for _, zone := range []string{"Z07:00", "Z0700", "Z07", ""} {
		if t, err := time.Parse(date+"T15:04:05"+zone, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// incidentID reads the ID of an incident. 0: there is none.
func (o object) incidentID(name string) int64 {
	member := o.Get(name)
	if kind := member.Kind(); kind == content.String || kind == content.Digits {
		return incidentID(member.Text())
	}
	return 0
}

// incidentID parses the digits of a positive 64-bit number. The Defender XDR
// API sends a number, Graph a string (both documented); either type is accepted
// from both. 0: it is not an ID.
func incidentID(text string) int64 {
	if text == "" || text[0] < '1' || text[0] > '9' {
		return 0
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

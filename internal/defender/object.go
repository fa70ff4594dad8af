package defender

import (
	"strconv"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
)

// object is one that is read to be kept.
type object struct{ *content.Builder }

// text is what a member says that is a text. Empty: it is none.
func (o object) text(name string) string {
	if member := o.Get(name); member.Kind() == content.String {
		return member.Text()
	}
	return ""
}

// texts are those in a member that is an array. Nil: it is none.
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

// moment reads a time: UTC with 0 to 7 fractional digits (seen in captures).
// One that cannot be read is the zero time.
func (o object) moment(name string) time.Time { return moment(o.text(name)) }

func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// incidentID reads the ID of an incident. 0: there is none.
func (o object) incidentID(name string) int64 {
	member := o.Get(name)
	if kind := member.Kind(); kind == content.String || kind == content.Digits {
		return incidentID(member.Text())
	}
	return 0
}

// incidentID parses the digits of a positive 64-bit number. The Defender XDR API
// sends them as a number, Graph as a string (both documented); either type is
// accepted from both. 0: it is no ID.
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

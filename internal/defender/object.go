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

// idIn reads an incident's id in the form that the API gives it. 0: there is none.
func (d dialect) idIn(o object, name string) int64 {
	member := o.Get(name)
	if kind := member.Kind(); kind == content.String || kind == content.Digits {
		return d.id(kind, member.Text())
	}
	return 0
}

func (d dialect) id(kind byte, text string) int64 {
	if !d.textIDs {
		if kind != content.Digits {
			return 0
		}
		return max(0, content.ParseNumber(text).Int)
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || kind != content.String || strconv.FormatInt(id, 10) != text {
		return 0
	}
	return max(0, id)
}

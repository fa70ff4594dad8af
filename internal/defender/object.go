package defender

import (
	"strconv"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// object is one that is read to be kept: what there is of it, and its digests.
type object struct {
	*content.Recorder
	print incident.Fingerprint
}

// begin is told that the object begins.
func (o *object) begin() {
	o.Reset()
	o.Begin(content.Map)
	o.print.Reset()
	o.print.Begin(content.Map)
}

// end is told that it ends.
func (o *object) end() {
	o.End()
	o.print.End()
}

// text is what a member says that is a text. Empty: it is none.
func (o *object) text(name string) string {
	if v, _ := o.Member(name); v.Kind == content.String {
		return v.Text
	}
	return ""
}

// texts are those in a member that is an array. Nil: it is none.
func (o *object) texts(name string) []string {
	array, reader := o.Member(name)
	if array.Kind != content.Array {
		return nil
	}
	var all []string
	for range array.Len {
		v := reader.Next()
		reader.Skip(v)
		if v.Kind == content.String {
			all = append(all, v.Text)
		}
	}
	return all
}

// moment reads a time: UTC with 0 to 7 fractional digits (seen in captures).
// One that cannot be read is the zero time.
func (o *object) moment(name string) time.Time { return moment(o.text(name)) }

func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// id reads an incident's id in the form that the API gives it. 0: there is none.
func (d dialect) id(v content.Value) int64 {
	if !d.textIDs {
		if v.Kind != content.Digits {
			return 0
		}
		return max(0, content.ParseNumber(v.Text).Int)
	}
	id, err := strconv.ParseInt(v.Text, 10, 64)
	if err != nil || v.Kind != content.String || strconv.FormatInt(id, 10) != v.Text {
		return 0
	}
	return max(0, id)
}

func (d dialect) idIn(o *object, name string) int64 {
	v, _ := o.Member(name)
	return d.id(v)
}

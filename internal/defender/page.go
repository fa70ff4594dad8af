package defender

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

const (
	// maxRows is how many rows a page may have. The API shows up to 100: what
	// has ten times as many is no page.
	maxRows = 1000
	// maxPageAlerts bounds all the alerts of a page: 100 rows of 150, and some.
	maxPageAlerts = 2 * maxAlerts
)

// wholeAlerts is how many alerts a row may show to be taken for the whole
// incident: lists of alerts seem to end at 150, without a mark (seen in captured
// List answers).
const wholeAlerts = 149

// errTooMuch keeps a page from taking much more memory than one incident may:
// all its sound rows together may have maxValues values and maxPageAlerts
// alerts. 32 MiB of real rows have about so many values.
var errTooMuch = errors.New("more values or alerts than are taken at once")

// pageDecoder reads the answer to List incidents. Each row is read on its own, so
// that one that is no sound incident costs no other.
type pageDecoder struct {
	Page
	dialect      dialect
	keepOriginal bool
	noAlerts     bool     // a row without a list of alerts is whole, too
	json         *decoder // of the page
	rows         *decoder // of one row after another

	values, alerts int // of all sound rows

	firstRow       int64          // the incident of it; 0: it names none
	listed, linked bool           // there were rows, and a link
	link           jsontext.Value // to the next page
}

// decodePage reads the answer to a List incidents that skipped so many rows, each
// of them with the second decoder. An error leaves nothing of the page but its
// First.
func (c *Client) decodePage(json, rows *decoder, skipped int) (Page, error) {
	p := pageDecoder{dialect: c.dialect, keepOriginal: c.keepOriginal, noAlerts: c.noAlerts, json: json, rows: rows}
	json.body.keep = true // for the first row, should the page be too large
	if err := p.decode(); err != nil {
		return Page{First: p.first()}, err
	}
	p.follow(skipped)
	return p.Page, nil
}

func (p *pageDecoder) decode() error {
	if err := p.json.members(p.member); err != nil {
		return err
	}
	if !p.listed {
		return fmt.Errorf("no %s", rowsField)
	}
	return p.json.end()
}

// member reads every member of the answer: those that are not asked for are
// passed over.
func (p *pageDecoder) member(name string) error {
	switch name {
	case rowsField:
		if p.listed {
			return fmt.Errorf("%s twice", rowsField)
		}
		p.listed = true
		return p.json.array(p.row)
	case linkField:
		if p.linked {
			return fmt.Errorf("%s twice", linkField)
		}
		p.linked = true
		link, err := p.json.link()
		p.link = link
		return err
	}
	return p.json.json.SkipValue()
}

// row reads the next row.
func (p *pageDecoder) row() error {
	if len(p.Rows)+p.Nameless == maxRows {
		return fmt.Errorf("more than %d rows", maxRows)
	}
	raw, err := p.json.json.ReadValue()
	if err != nil {
		return err
	}
	row := p.decodeRow(raw)
	if len(p.Rows)+p.Nameless == 0 {
		p.firstRow = row.ID
		p.json.body.forget()
	}
	if row.ID == 0 {
		p.Nameless++
		return nil
	}
	if p.values > maxValues || p.alerts > maxPageAlerts {
		return errTooMuch
	}
	p.Rows = append(p.Rows, row)
	return nil
}

// decodeRow reads a row as it would the answer to Get incident. Without an ID
// it names no incident.
func (p *pageDecoder) decodeRow(raw []byte) Row {
	json := p.rows.reset(bytes.NewReader(raw), math.MaxInt64)
	s, _, err := p.dialect.decodeIncident(json)
	if err != nil {
		id, changed := p.dialect.glance(json.reset(bytes.NewReader(raw), math.MaxInt64))
		return Row{ID: id, LastUpdate: changed, Err: malformed(err)}
	}
	row := Row{ID: s.ID, LastUpdate: s.LastUpdate, Closed: s.Closed()}
	if !p.dialect.wholeRows || len(s.Alerts) > wholeAlerts || s.Alerts == nil && !s.Merged && !p.noAlerts {
		return row
	}
	p.values += json.limits.Found
	p.alerts += len(s.Alerts)
	json.print.Snapshot(s)
	s.Source = incident.FromList
	if p.keepOriginal {
		s.Original = bytes.Clone(validUTF8(raw))
	}
	row.Snapshot = s
	return row
}

// first is the incident of the first row, as far as the page can be read.
// 0: not known.
func (p *pageDecoder) first() int64 {
	if len(p.Rows)+p.Nameless > 0 || p.firstRow != 0 {
		return p.firstRow
	}
	return p.dialect.firstID(p.rows, p.json.body.kept)
}

// glance reads which incident it is and when it changed last, as far as that
// can be read of one that is not sound, or not there to its end.
func (d dialect) glance(json *decoder) (id int64, changed time.Time) {
	type scalar struct {
		kind jsontext.Kind
		text string
	}
	known := map[string]scalar{}
	_ = json.members(func(name string) error {
		if _, twice := known[name]; twice || name != d.incident.id && name != d.incident.lastUpdate {
			return json.json.SkipValue()
		}
		value, err := json.value()
		if err != nil {
			return err
		}
		kind := value.Kind()
		if kind == '"' {
			value = json.unquote(value)
		}
		known[name] = scalar{kind, string(value)}
		return nil
	})
	if written := known[d.incident.id]; written.kind == '"' || written.kind == '0' {
		id = incidentID(written.text)
	}
	if last := known[d.incident.lastUpdate]; last.kind == '"' {
		changed = moment(last.text)
	}
	return id, changed
}

// firstID reads the id of the first row out of the beginning of a page.
// 0: not known.
func (d dialect) firstID(json *decoder, body []byte) (id int64) {
	// A number at the end may have gone on.
	json.reset(bytes.NewReader(body[:bytes.LastIndexAny(body, ",}")+1]), math.MaxInt64)
	_ = json.members(func(name string) error {
		if name != rowsField {
			return json.json.SkipValue()
		}
		return json.array(func() error {
			id, _ = d.glance(json)
			return errors.New("one is enough")
		})
	})
	return id
}

// follow reads out of the link to the next page how many rows that skips. Nothing
// else is taken from the link: the host that it names varies. A token leads behind
// the rows of this page, and so, it seems, does a link that does not lead on.
func (p *pageDecoder) follow(skipped int) {
	if !linked(p.link) {
		return
	}
	rows := len(p.Rows) + p.Nameless
	next, token, err := options(p.link)
	switch {
	case err != nil:
	case token != "":
		next = skipped + rows
		if p.Counted = rows > 0; !p.Counted {
			p.Token = token
		}
	case next <= skipped:
		err = fmt.Errorf("the nextLink leads from %s %d to %d", skipOption, skipped, next)
	}
	if err != nil {
		next, p.Counted, p.LinkErr = skipped+rows, true, err
	}
	if rows > 0 || err == nil {
		p.Next = next
	}
}

// linked says that a link is there.
func linked(link jsontext.Value) bool {
	return link.Kind() != jsontext.Kind(0) && link.Kind() != 'n'
}

// options reads out of a link what the next page begins with: a number of rows
// to skip, or a token that only the API knows the meaning of.
func options(link jsontext.Value) (skip int, token string, err error) {
	if link.Kind() != '"' {
		return 0, "", fmt.Errorf("%s as the nextLink", kindName(link.Kind()))
	}
	text, _ := jsontext.AppendUnquote(nil, link) // its only error is half a surrogate pair, now U+FFFD
	_, query, _ := strings.Cut(string(text), "?")
	given, _ := url.ParseQuery(query) // what of it cannot be read is not asked for
	if token = given.Get(tokenOption); token != "" && !given.Has(skipOption) {
		if len(token) > maxLinkToken {
			return 0, "", fmt.Errorf("a %s of more than %d bytes in the nextLink", tokenOption, maxLinkToken)
		}
		return 0, token, nil
	}
	if skip, err = strconv.Atoi(given.Get(skipOption)); err != nil {
		return 0, "", fmt.Errorf("no %s in the nextLink", skipOption)
	}
	return skip, "", nil
}

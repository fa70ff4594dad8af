// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxRows is how many rows a page may have. The APIs return up to 100
	// incidents, and up to 1,000 alerts if that many are requested (vendor
	// documentation): anything with more is not a page.
	maxRows = 1000
	// maxPageAlerts bounds all the alerts of a page: 100 rows of 150,
	// and some more.
	maxPageAlerts = 2 * maxAlerts
)

// errTooMuch keeps a page from using much more memory than one incident may:
// all its valid rows together may have maxValues values and maxPageAlerts
// alerts. 32 MiB of real rows have about that many values.
var errTooMuch = errors.New("more values or alerts than the receiver reads at once")

// pageDecoder reads the response to List. It reads each row on its own, so an
// invalid row does not affect the others.
type pageDecoder struct {
	Page
	dialect      dialect
	request      ListRequest
	fields       rowFields // of its rows
	keepOriginal bool
	noAlerts     bool     // a row without a list of alerts is also whole
	json         *decoder // of the page
	rows         *decoder // of one row after another

	values, alerts int // of all valid rows

	firstRow                Row            // its IDs
	listed, linked, counted bool           // there were rows, a link, and a count
	link                    jsontext.Value // to the next page
}

// decodePage reads the response to List, with the second decoder for each row.
// After an error, nothing is kept but the IDs of the first row.
func (c *Client) decodePage(json, rows *decoder, r ListRequest) (Page, error) {
	p := pageDecoder{
		dialect: c.dialect, request: r, fields: c.dialect.rowFields(r.Alerts),
		keepOriginal: c.keepOriginal, noAlerts: c.noAlerts, json: json, rows: rows,
	}
	json.body.keep = true // for the first row, if the page is too large
	if err := p.decode(); err != nil {
		first := p.first()
		return Page{First: first.ID, FirstAlert: first.Alert}, err
	}
	p.follow(r.Skip)
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

// member reads every member of the response and skips those that
// are not needed.
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
	case countField:
		if p.counted {
			return fmt.Errorf("%s twice", countField)
		}
		p.counted = true
		count, err := p.json.count()
		p.Total = count
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
		p.firstRow = Row{ID: row.ID, Alert: row.Alert}
		p.json.body.forget()
	}
	if row.ID == 0 && row.Alert == "" {
		p.Nameless++
		return nil
	}
	if p.values > maxValues || p.alerts > maxPageAlerts {
		return errTooMuch
	}
	p.Rows = append(p.Rows, row)
	return nil
}

// first is what is known of the first row, as far as the page can be read.
func (p *pageDecoder) first() Row {
	if len(p.Rows)+p.Nameless > 0 || p.firstRow != (Row{}) {
		return p.firstRow
	}
	return p.fields.first(p.rows, p.json.body.kept)
}

// follow reads from the link to the next page how many rows it skips. Nothing
// else in the link is used: its host varies. A token continues after the rows
// of this page, and so, it seems, does a link that makes no progress.
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

// linked reports whether there is a link.
func linked(link jsontext.Value) bool {
	return link.Kind() != jsontext.Kind(0) && link.Kind() != 'n'
}

// options reads from a link where the next page begins: a number of rows to
// skip, or a token that only the API understands.
func options(link jsontext.Value) (skip int, token string, err error) {
	if link.Kind() != '"' {
		return 0, "", fmt.Errorf("%s as the nextLink", kindName(link.Kind()))
	}
	text, _ := jsontext.AppendUnquote(nil, link) // its only error is half a surrogate pair, now U+FFFD
	_, query, _ := strings.Cut(string(text), "?")
	given, _ := url.ParseQuery(query) // any part that cannot be parsed is not needed
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

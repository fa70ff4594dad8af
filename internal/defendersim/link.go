// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"strconv"
	"strings"
)

// link leads to what follows the rows of an answer. The zero link is none, and
// of an answer that has no place for one.
type link struct {
	host string // with its scheme; "": the configured one, or the one asked
	path string // up to where the next option belongs
	next string // the option that leads on, such as $skip=100; "": nothing follows
	here string // the option that leads to the rows themselves

	aimless bool // the option that leads on is left out
	number  bool // a number takes the link's place
	empty   bool // an empty text does
}

func skipTo(row int) string { return "$skip=" + strconv.Itoa(row) }

func skipToken(token string) string { return "$skiptoken=" + token }

// bend lets the fault that struck spoil a link.
func (x *exchange) bend(l *link) {
	if x.spoilLink != nil && l.path != "" {
		x.spoilLink(x, l)
	}
}

// scheme is that of the address that was asked. A server finds none in a request.
func (x *exchange) scheme() string {
	c := connectionOf(x.r)
	switch {
	case x.r.URL.Scheme != "":
		return x.r.URL.Scheme
	case x.r.TLS != nil, c != nil && c.encrypted:
		return "https"
	}
	return "http"
}

// writeLink writes a link if it leads anywhere. Links to hosts other than the
// one asked were seen.
func (x *exchange) writeLink(w *writer, name string, l link) {
	if l.empty {
		w.text(name, "")
		return
	}
	if l.next == "" {
		return
	}
	asked := x.scheme() + "://" + x.r.Host
	address := cmp.Or(l.host, x.s.cfg.ListLinkHost, asked) + l.path
	switch {
	case l.number:
		w.integer(name, 7)
	case l.aimless:
		w.text(name, strings.TrimRight(address, "?&"))
	default:
		w.text(name, address+l.next)
	}
}

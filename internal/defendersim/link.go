// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"strconv"
	"strings"
)

// link leads to what follows the rows of a response. The zero link means that
// there is none, and that the response has no place for one.
type link struct {
	host string // with its scheme; "": the configured one, or the one of the request
	path string // up to where the next option belongs
	next string // the option that continues, such as $skip=100; "": nothing follows
	here string // the option that leads to the rows themselves

	aimless bool // the option that continues is left out
	number  bool // a number replaces the link
	empty   bool // an empty text does
}

func skipTo(row int) string { return "$skip=" + strconv.Itoa(row) }

func skipToken(token string) string { return "$skiptoken=" + token }

// bend applies the active fault to a link.
func (x *exchange) bend(l *link) {
	if x.spoilLink != nil && l.path != "" {
		x.spoilLink(x, l)
	}
}

// scheme is the scheme of the request's address. A server does not find it
// in the request.
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
// requested one were seen.
func (x *exchange) writeLink(w *writer, name string, l link) {
	if l.empty {
		w.text(name, "")
		return
	}
	if l.next == "" {
		return
	}
	requested := x.scheme() + "://" + x.r.Host
	address := cmp.Or(l.host, x.s.cfg.ListLinkHost, requested) + l.path
	switch {
	case l.number:
		w.integer(name, 7)
	case l.aimless:
		w.text(name, strings.TrimRight(address, "?&"))
	default:
		w.text(name, address+l.next)
	}
}

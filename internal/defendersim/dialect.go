// SPDX-License-Identifier: Apache-2.0

package defendersim

import "slices"

// The APIs as they stand in the journal.
const (
	APIDefenderXDR = "defender_xdr"
	APIGraph       = "graph"
)

// dialect is what the two APIs differ in, and of Graph the lists of incidents and of
// alerts. All else is the same: the population, its changes, limits, faults and
// journal.
type dialect struct {
	api    string // its name in the journal
	path   string // of List in links; with an id behind it, that of Get
	budget string // that all its calls share; "": each endpoint has its own

	audiences   []string // whose tokens it takes; the one to ask for comes first
	read, write string   // roles of which either will do; tokens have the first

	options map[string][]string // that a query may have, by endpoint; those of others are not looked at
	fields  map[string]field    // that $filter compares
	maxTop  int                 // the largest page of List, and the usual one
	maxSkip int                 // the largest $skip; 0: there is none

	clampsTop bool                // a larger page than the largest is the largest; otherwise it is refused
	list      func(*Sim) *listing // what List shows
	order     order               // of its rows, unless something else is asked for
	backward  bool                // in which they come the other way round
	tokens    bool                // links of List carry a $skiptoken instead of a $skip
	sample    *shown              // a row that has all members that can be selected

	preference string // of a client, that it follows; "": none

	context  string // of a page
	identity string // form of an incident's first member
	name     string // of the member that names an incident
	// view is what an answer shows of an incident. render writes it as Get
	// answers it, row as it stands on a page.
	view   func(*exchange, Incident) view
	render func(*exchange, view) []byte
	row    func(*exchange, *writer, view)
	// keepsRows: what row wrote of a state does for later pages, whatever they
	// were asked for with.
	keepsRows bool

	badToken, throttled string       // codes of 401 and of 429
	throttleForm        ThrottleForm // where none is configured
	exceeded            func(refusal) string
	// details writes what an error object holds beside code and message.
	details func(x *exchange, w *writer, target string)
}

// speaks are the dialects that a simulator answers in.
type speaks struct {
	xdr, graph, graphAlerts *dialect
}

// of returns the dialect of an API by its name: Defender XDR's for any other.
func (d speaks) of(api string) *dialect {
	if api == APIGraph {
		return d.graph
	}
	return d.xdr
}

// taking returns the dialect that takes tokens for a resource; nil: none does.
func (d speaks) taking(audience string) *dialect {
	for _, one := range []*dialect{d.xdr, d.graph} {
		if slices.Contains(one.audiences, audience) {
			return one
		}
	}
	return nil
}

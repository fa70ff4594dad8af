// SPDX-License-Identifier: Apache-2.0

package defendersim

import "slices"

// The APIs as they stand in the journal.
const (
	APIDefenderXDR = "defender_xdr"
	APIGraph       = "graph"
)

// dialect is everything in which the two APIs differ, and Graph's lists
// of incidents and of alerts. Population, changes, limits, faults and
// journal are shared.
type dialect struct {
	api    string // its name in the journal
	path   string // of List in links; followed by an ID, that of Get
	budget string // shared by all its calls; "": each endpoint has its own

	audiences   []string // resources of accepted tokens; the first is the one to request
	read, write string   // roles, either of which is enough; tokens have the first

	options map[string][]string // options of a query, by endpoint; others are ignored
	fields  map[string]field    // that $filter compares
	maxTop  int                 // the largest page of List, and the usual one
	maxSkip int                 // the largest $skip; 0: there is none

	clampsTop bool                // a larger page than the largest is the largest; otherwise it is refused
	list      func(*Sim) *listing // what List shows
	order     order               // of its rows, unless the query sets another
	backward  bool                // in reverse order
	tokens    bool                // links of List carry a $skiptoken instead of a $skip
	sample    *shown              // a row with all members that can be selected

	preference string // a client's preference that it honors; "": none

	context  string // of a page
	identity string // form of an incident's first member
	name     string // of the member that names an incident
	// view is what a response shows of an incident. render writes it as in the
	// response to Get, row as on a page.
	view   func(*exchange, Incident) view
	render func(*exchange, view) []byte
	row    func(*exchange, *writer, view)
	// keepsRows: what row wrote of a state can be reused for later pages,
	// whatever their query.
	keepsRows bool

	badToken, throttled string       // codes of 401 and of 429
	throttleForm        ThrottleForm // where none is configured
	exceeded            func(refusal) string
	// details writes the members of an error object after code and message.
	details func(x *exchange, w *writer, target string)
}

// speaks are the dialects of a simulator.
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

// taking returns the dialect that accepts tokens for a resource;
// nil: none does.
func (d speaks) taking(audience string) *dialect {
	for _, one := range []*dialect{d.xdr, d.graph} {
		if slices.Contains(one.audiences, audience) {
			return one
		}
	}
	return nil
}

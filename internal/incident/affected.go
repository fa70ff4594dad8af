// SPDX-License-Identifier: Apache-2.0

package incident

// The bounds of a list in a record. The API's own values are far below them.
const (
	MaxListed = 100  // values
	MaxText   = 1024 // bytes of each
)

// Asset is a kind of thing that an alert affects, or that is evidence of it.
type Asset uint8

// The assets, in the order of their attributes.
const (
	Hosts Asset = iota
	Users
	IPAddresses
	FileHashes
	URLs
	Mailboxes
	Processes
	assets // how many there are
)

// String returns the last part of the attribute's name.
func (a Asset) String() string {
	return [assets]string{"hosts", "users", "ip_addresses", "file_hashes", "urls", "mailboxes", "processes"}[a]
}

// Evidence reads what alerts affect from their content, for one API. It
// must be immutable.
type Evidence interface {
	// Affected adds what the alert affects.
	Affected(alert *Alert, to *Affected)
}

// Affected is what alerts affect, by Asset.
type Affected [assets]AffectedList

// AffectedList has the distinct values of an asset, in the order of the evidence.
type AffectedList struct {
	Values []string
	// Cut: there are more than MaxListed, or one was longer than MaxText.
	Cut   bool
	known map[string]struct{}
}

// Add adds a value, unless it is empty or already there.
func (a *Affected) Add(asset Asset, value string) {
	list := &a[asset]
	if value == "" || list.Cut && len(list.Values) == MaxListed {
		return
	}
	whole := value
	value = Cut(value, MaxText)
	list.Cut = list.Cut || value != whole
	if _, again := list.known[value]; again {
		return
	}
	if len(list.Values) == MaxListed {
		list.Cut = true
		return
	}
	if list.known == nil {
		list.known = map[string]struct{}{}
	}
	list.known[value] = struct{}{}
	list.Values = append(list.Values, value)
}

// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"strings"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/content"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// evidenceRow describes a kind of evidence that identifies an asset, in each
// API. An empty kind: the API has none.
type evidenceRow struct {
	asset                  incident.Asset
	xdrKind, xdrMembers    string
	graphKind, graphMember string
}

// account lists the members that identify a user in Defender XDR's evidence
// and Graph's accounts.
const account = `userPrincipalName|domainName\accountName|accountName`

// evidenceTable has every kind of evidence that identifies an asset; other
// kinds are ignored. For Defender XDR, the kind is entityType, or device
// for the elements of devices; for Graph, it is the part of @odata.type
// before Evidence. Kinds are compared without case: MailBox and Mailbox
// were both seen.
//
// Of members separated by bars, the first one with a value is used; members
// separated by backslashes are all used, if all have a value. A dot leads into
// an object; of an array, all elements that are texts count. Accounts logged on
// to a device are not evidence, nor are the device's addresses.
//
// Defender XDR's members were seen in captures, Graph's are from
// the vendor's documentation.
func evidenceTable() []evidenceRow {
	const user, session = `userAccount.`, `account.userAccount.`
	return []evidenceRow{
		{incident.Hosts, "device", `deviceDnsName`, "device", `deviceDnsName|hostName`},
		{incident.Hosts, "", ``, "hostLogonSession", `host.deviceDnsName|host.hostName`},
		{incident.Users, "user", account, "user", accountIn(user)},
		{incident.Users, "process", account, "process", accountIn(user)},
		{incident.Users, "", ``, "hostLogonSession", accountIn(session)},
		{incident.Users, "", ``, "cloudLogonSession", accountIn(session)},
		{incident.IPAddresses, "ip", `ipAddress`, "ip", `ipAddress`},
		{incident.IPAddresses, "", ``, "networkConnection", `sourceAddress.ipAddress`},
		{incident.IPAddresses, "", ``, "networkConnection", `destinationAddress.ipAddress`},
		{incident.IPAddresses, "", ``, "analyzedMessage", `senderIp`},
		{incident.FileHashes, "file", `sha256`, "file", `fileDetails.sha256`},
		{incident.FileHashes, "file", `sha1`, "file", `fileDetails.sha1`},
		{incident.FileHashes, "process", `sha256`, "process", `imageFile.sha256`},
		{incident.FileHashes, "process", `sha1`, "process", `imageFile.sha1`},
		{incident.FileHashes, "", ``, "fileHash", `value`},
		{incident.URLs, "url", `url`, "url", `url`},
		{incident.URLs, "", ``, "analyzedMessage", `urls`},
		{incident.Mailboxes, "mailbox", `mailboxAddress|userPrincipalName`, "mailbox", `primaryAddress|upn`},
		{incident.Mailboxes, "mailMessage", `recipient|userPrincipalName`, "analyzedMessage", `recipientEmailAddress`},
		{incident.Mailboxes, "", ``, "mailboxConfiguration", `mailboxPrimaryAddress|upn`},
		{incident.Processes, "process", `processCommandLine|fileName`, "process", `processCommandLine|imageFile.fileName`},
	}
}

// accountIn lists the members that identify a user in an account nested
// in an object.
func accountIn(object string) string {
	return object + strings.NewReplacer(`|`, `|`+object, `\`, `\`+object).Replace(account)
}

// evidenceList is a member of an alert that lists evidence. The member kind of
// an element holds its kind, between prefix and suffix; without one, all
// elements are devices.
type evidenceList struct{ member, kind, prefix, suffix string }

// evidence reads what an alert affects.
type evidence struct {
	lists []evidenceList
	kinds map[string][]naming // by kind, in lower case
}

// naming is how a kind of evidence identifies an asset: by the first of its
// names that has a value for each part.
type naming struct {
	asset incident.Asset
	names [][]path // the parts of a name are joined by a backslash
}

// path leads to a member of a piece of evidence.
type path []string

func xdrEvidence() *evidence {
	e := &evidence{lists: []evidenceList{{member: "devices"}, {member: "entities", kind: "entityType"}}, kinds: map[string][]naming{}}
	for _, row := range evidenceTable() {
		e.add(row.asset, row.xdrKind, row.xdrMembers)
	}
	return e
}

func graphEvidence() *evidence {
	e := &evidence{
		lists: []evidenceList{{"evidence", "@odata.type", "#microsoft.graph.security.", "Evidence"}}, kinds: map[string][]naming{},
	}
	for _, row := range evidenceTable() {
		e.add(row.asset, row.graphKind, row.graphMember)
	}
	return e
}

func (e *evidence) add(asset incident.Asset, kind, members string) {
	if kind == "" {
		return
	}
	n := naming{asset: asset}
	for name := range strings.SplitSeq(members, "|") {
		var parts []path
		for part := range strings.SplitSeq(name, `\`) {
			parts = append(parts, strings.Split(part, "."))
		}
		n.names = append(n.names, parts)
	}
	kind = strings.ToLower(kind)
	e.kinds[kind] = append(e.kinds[kind], n)
}

// Affected adds the assets in the alert's evidence.
func (e *evidence) Affected(alert *incident.Alert, to *incident.Affected) {
	whole := alert.Object.Read()
	for _, list := range e.lists {
		pieces, found := member(whole, path{list.member})
		if !found || pieces.Kind() != content.Array {
			continue
		}
		for range pieces.Len() {
			pieces.Next()
			if pieces.Kind() == content.Map {
				for _, n := range e.kinds[list.kindOf(pieces)] {
					n.read(pieces, to)
				}
			}
			pieces.Skip()
		}
	}
}

// kindOf is the kind of a piece of evidence, in lower case; empty: it has none.
func (l evidenceList) kindOf(piece content.Reader) string {
	if l.kind == "" {
		return "device"
	}
	kind := strings.ToLower(textAt(piece, path{l.kind}))
	kind, prefixed := strings.CutPrefix(kind, strings.ToLower(l.prefix))
	kind, suffixed := strings.CutSuffix(kind, strings.ToLower(l.suffix))
	if !prefixed || !suffixed {
		return ""
	}
	return kind
}

// read adds the asset of a piece of evidence.
func (n naming) read(piece content.Reader, to *incident.Affected) {
	for _, parts := range n.names {
		if len(parts) == 1 {
			if n.all(piece, parts[0], to) {
				return
			}
			continue
		}
		texts := make([]string, len(parts))
		complete := true
		for i, part := range parts {
			texts[i] = textAt(piece, part)
			complete = complete && texts[i] != ""
		}
		if complete {
			to.Add(n.asset, strings.Join(texts, `\`))
			return
		}
	}
}

// all adds the text at the path, or the texts of the array there, and reports
// whether there was any.
func (n naming) all(piece content.Reader, at path, to *incident.Affected) (any bool) {
	value, found := member(piece, at)
	if !found {
		return false
	}
	if value.Kind() != content.Array {
		name := textOf(value)
		to.Add(n.asset, name)
		return name != ""
	}
	for range value.Len() {
		value.Next()
		name := textOf(value)
		to.Add(n.asset, name)
		any = any || name != ""
		value.Skip()
	}
	return any
}

// textAt is the text at the path; empty: there is none.
func textAt(object content.Reader, at path) string {
	if value, found := member(object, at); found {
		return textOf(value)
	}
	return ""
}

func textOf(value content.Reader) string {
	if value.Kind() == content.String {
		return value.Text()
	}
	return ""
}

// member goes from an object to what is at the path.
func member(from content.Reader, at path) (value content.Reader, found bool) {
	for _, name := range at {
		if from.Kind() != content.Map || !goTo(&from, name) {
			return content.Reader{}, false
		}
	}
	return from, true
}

// goTo goes from an object to its member of that name.
func goTo(from *content.Reader, name string) bool {
	for _, other := range from.Shape().Names {
		from.Next()
		if other == name {
			return true
		}
		from.Skip()
	}
	return false
}

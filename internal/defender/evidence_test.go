// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// affected is what an alert with this content affects, by the names of the lists.
func affected(t *testing.T, d dialect, alert string) map[string][]string {
	t.Helper()
	lists, _ := affectedBy(t, d, alert)
	return lists
}

func affectedBy(t *testing.T, d dialect, alert string) (lists map[string][]string, cut []string) {
	t.Helper()
	id := map[bool]string{false: "1", true: `"1"`}[d.textIDs]
	s, err := decodeAs(d, 1, fmt.Appendf(nil, `{%q:%s,"alerts":[{%q:"a",%s}]}`, d.incident.id, id, d.alert.id, alert))
	require.NoError(t, err)
	require.NotNil(t, s.Evidence)
	var all incident.Affected
	s.Evidence.Affected(&s.Alerts[0], &all)
	lists = map[string][]string{}
	for i, list := range all {
		asset := incident.Asset(i)
		if len(list.Values) > 0 {
			lists[asset.String()] = list.Values
		}
		if list.Cut {
			cut = append(cut, asset.String())
		}
	}
	return lists, cut
}

// graphPiece is a piece of evidence as Graph writes it.
func graphPiece(kind, members string) string {
	return fmt.Sprintf(`{"@odata.type":"#microsoft.graph.security.%sEvidence","verdict":"suspicious",%s}`, kind, members)
}

func TestEachKindOfEvidenceYieldsItsAssetsUnderBothAPIs(t *testing.T) {
	const hashes = `"sha1":"aa","sha256":"bb"`
	type lists = map[string][]string
	for name, test := range map[string]struct {
		xdr   string // an element of entities, or, with a colon, a member of the alert; empty: there is none
		graph string
		want  lists
	}{
		"a device": {
			`"devices":[{"deviceDnsName":"ws-017.contoso.com","loggedOnUsers":[{"accountName":"jdoe"}]},{"deviceDnsName":null}]`,
			graphPiece("device", `"deviceDnsName":"ws-017.contoso.com","hostName":"ws-017","lastIpAddress":"192.0.2.1","loggedOnUsers":[{"accountName":"jdoe"}]`),
			lists{"hosts": {"ws-017.contoso.com"}},
		},
		"a device without DNS": {"", graphPiece("device", `"deviceDnsName":null,"hostName":"ws-017"`), lists{"hosts": {"ws-017"}}},
		"a user": {
			`{"entityType":"User","accountName":"jdoe","domainName":"CONTOSO","userPrincipalName":"jdoe@contoso.com"}`,
			graphPiece("user", `"userAccount":{"accountName":"jdoe","domainName":"CONTOSO","userPrincipalName":"jdoe@contoso.com"}`),
			lists{"users": {"jdoe@contoso.com"}},
		},
		"a user of a domain": {
			`{"entityType":"User","accountName":"jdoe","domainName":"CONTOSO"}`,
			graphPiece("user", `"userAccount":{"accountName":"jdoe","domainName":"CONTOSO","userPrincipalName":null}`),
			lists{"users": {`CONTOSO\jdoe`}},
		},
		"a user of no domain": {
			`{"entityType":"User","accountName":"jdoe","domainName":"","userPrincipalName":""}`,
			graphPiece("user", `"userAccount":{"accountName":"jdoe","domainName":null}`),
			lists{"users": {"jdoe"}},
		},
		"nobody":     {`{"entityType":"User"}`, graphPiece("user", `"userAccount":null`), lists{}},
		"an address": {`{"entityType":"Ip","ipAddress":"198.51.100.23"}`, graphPiece("ip", `"ipAddress":"198.51.100.23"`), lists{"ip_addresses": {"198.51.100.23"}}},
		"no address": {`{"entityType":"Ip"}`, graphPiece("ip", `"ipAddress":null`), lists{}},
		"a url":      {`{"entityType":"Url","url":"download.contoso.com"}`, graphPiece("url", `"url":"download.contoso.com"`), lists{"urls": {"download.contoso.com"}}},
		"a file": {
			`{"entityType":"File","fileName":"a.exe",` + hashes + `}`, graphPiece("file", `"fileDetails":{"fileName":"a.exe",`+hashes+`}`),
			lists{"file_hashes": {"bb", "aa"}},
		},
		"a process": {
			`{"entityType":"Process","fileName":"a.exe","processCommandLine":"a.exe -x","accountName":"jdoe",` + hashes + `}`,
			graphPiece("process", `"processCommandLine":"a.exe -x","imageFile":{"fileName":"a.exe",`+hashes+`},"parentProcessImageFile":{"sha1":"cc"},"userAccount":{"accountName":"jdoe"}`),
			lists{"users": {"jdoe"}, "file_hashes": {"bb", "aa"}, "processes": {"a.exe -x"}},
		},
		"a process by name": {
			`{"entityType":"Process","fileName":"a.exe","processCommandLine":""}`,
			graphPiece("process", `"processCommandLine":null,"imageFile":{"fileName":"a.exe"}`),
			lists{"processes": {"a.exe"}},
		},
		"a mailbox": {
			`{"entityType":"MailBox","mailboxAddress":"jdoe@contoso.com","userPrincipalName":"other@contoso.com"}`,
			graphPiece("mailbox", `"primaryAddress":"jdoe@contoso.com","upn":"other@contoso.com","userAccount":{"accountName":"jdoe"}`),
			lists{"mailboxes": {"jdoe@contoso.com"}},
		},
		"a mailbox in another casing": {`{"entityType":"mailBOX","userPrincipalName":"jdoe@contoso.com"}`, graphPiece("MailBox", `"upn":"jdoe@contoso.com"`), lists{"mailboxes": {"jdoe@contoso.com"}}},
		"a message": {
			`{"entityType":"MailMessage","recipient":"jdoe@contoso.com","sender":"x@fabrikam.com"}`,
			graphPiece("analyzedMessage", `"recipientEmailAddress":"jdoe@contoso.com","urls":[],"p1Sender":{"emailAddress":"x@fabrikam.com"}`),
			lists{"mailboxes": {"jdoe@contoso.com"}},
		},
		"what a message holds": {
			"", graphPiece("analyzedMessage", `"senderIp":"198.51.100.23","urls":["a.contoso.com",null,7,"b.contoso.com",["c"]]`),
			lists{"ip_addresses": {"198.51.100.23"}, "urls": {"a.contoso.com", "b.contoso.com"}},
		},
		"a logon": {
			"", graphPiece("hostLogonSession", `"host":{"deviceDnsName":"ws-017.contoso.com"},"account":{"userAccount":{"userPrincipalName":"jdoe@contoso.com"}}`),
			lists{"hosts": {"ws-017.contoso.com"}, "users": {"jdoe@contoso.com"}},
		},
		"a logon to a cloud": {"", graphPiece("cloudLogonSession", `"account":{"userAccount":{"accountName":"jdoe","domainName":"CONTOSO"}}`), lists{"users": {`CONTOSO\jdoe`}}},
		"a connection": {
			"", graphPiece("networkConnection", `"sourceAddress":{"ipAddress":"192.0.2.1"},"destinationAddress":{"ipAddress":"198.51.100.23"}`),
			lists{"ip_addresses": {"192.0.2.1", "198.51.100.23"}},
		},
		"a hash":                    {"", graphPiece("fileHash", `"algorithm":"sha256","value":"bb"`), lists{"file_hashes": {"bb"}}},
		"a setting of a mailbox":    {"", graphPiece("mailboxConfiguration", `"mailboxPrimaryAddress":"jdoe@contoso.com"`), lists{"mailboxes": {"jdoe@contoso.com"}}},
		"an unknown kind":           {`{"entityType":"KindOfTomorrow","url":"x","ipAddress":"y"}`, graphPiece("kindOfTomorrow", `"url":"x","ipAddress":"y"`), lists{}},
		"no kind":                   {`{"entityType":null,"url":"x"}`, `{"@odata.type":7,"url":"x"}`, lists{}},
		"another namespace":         {"", `{"@odata.type":"#microsoft.graph.urlEvidence","url":"x"}`, lists{}},
		"values of other types":     {`{"entityType":"Url","url":{"a":"b"}}`, graphPiece("url", `"url":7`), lists{}},
		"accounts of other types":   {`{"entityType":"User","accountName":{"x":"y"},"domainName":7}`, graphPiece("user", `"userAccount":["x"]`), lists{}},
		"a kind that is no object":  {`"User",null,7,["User"]`, `"user",null,7,["user"]`, lists{}},
		"the kinds of the other":    {`{"entityType":"analyzedMessage","urls":["x"]}`, graphPiece("mailMessage", `"recipient":"x"`), lists{}},
		"evidence of the other API": {`"evidence":[` + graphPiece("url", `"url":"x"`) + `]`, `{"entityType":"Url","url":"x"}`, lists{}},
	} {
		if test.xdr != "" {
			alert := test.xdr
			if strings.HasPrefix(alert, "{") || !strings.Contains(alert, ":[") {
				alert = `"entities":[` + alert + `]`
			}
			assert.Equal(t, test.want, affected(t, xdr(), alert), "%s, defender_xdr", name)
		}
		assert.Equal(t, test.want, affected(t, graph(), `"evidence":[`+test.graph+`]`), "%s, graph", name)
	}
}

func TestEvidenceOfAnotherTypeIsIgnored(t *testing.T) {
	for _, value := range []string{`null`, `"text"`, `{"0":{"entityType":"Url","url":"x"}}`, `7`} {
		assert.Empty(t, affected(t, xdr(), `"entities":`+value+`,"devices":`+value))
		assert.Empty(t, affected(t, graph(), `"evidence":`+value))
	}
	assert.Empty(t, affected(t, xdr(), `"title":"x"`))
}

// What an alert can be made to hold, its lists do not.
func TestListsOfAssetsHaveAtMostAHundredDistinctValues(t *testing.T) {
	many := func(n int) string {
		var pieces []string
		for i := range n {
			piece := fmt.Sprintf(`{"entityType":"Ip","ipAddress":"192.0.2.%d"}`, i)
			pieces = append(pieces, piece, piece)
		}
		return `"entities":[` + strings.Join(pieces, ",") + `]`
	}
	lists, cut := affectedBy(t, xdr(), many(100))
	assert.Len(t, lists["ip_addresses"], 100)
	assert.Empty(t, cut)
	lists, cut = affectedBy(t, xdr(), many(5000))
	assert.Len(t, lists["ip_addresses"], 100)
	assert.Equal(t, "192.0.2.99", lists["ip_addresses"][99])
	assert.Equal(t, []string{"ip_addresses"}, cut)

	long := strings.Repeat("ä", 10_000)
	lists, cut = affectedBy(t, xdr(), fmt.Sprintf(`"entities":[{"entityType":"Url","url":"%s"},{"entityType":"Url","url":"%sx"},{"entityType":"Ip","ipAddress":"::1"}]`, long, long))
	assert.Equal(t, map[string][]string{"urls": {strings.Repeat("ä", 512)}, "ip_addresses": {"::1"}}, lists)
	assert.Equal(t, []string{"urls"}, cut)
}

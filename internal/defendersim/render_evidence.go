// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"slices"
	"strings"
	"time"
)

// piece writes the common beginning of all pieces of evidence.
func (w graphWriter) piece(kind string, created time.Time, verdict, remediation, details string) {
	w.open('{')
	w.text("@odata.type", "#microsoft.graph.security."+kind+"Evidence")
	w.time("createdDateTime", created)
	w.member("verdict", verdict)
	w.member("remediationStatus", remediation)
	w.textOrNull("remediationStatusDetails", details)
	w.empty("roles")
}

func (w graphWriter) device(d Device, created time.Time) {
	host, domain, _ := strings.Cut(d.DNSName, ".")
	forest, _, _ := strings.Cut(domain, ".")
	w.piece("device", created, "Unknown", "None", "")
	w.texts("detailedRoles", []string{"PrimaryDevice"})
	w.texts("tags", d.Tags)
	w.time("firstSeenDateTime", d.FirstSeen)
	w.text("mdeDeviceId", d.ID)
	w.textOrNull("azureAdDeviceId", d.AADDeviceID)
	w.text("deviceDnsName", d.DNSName)
	w.text("hostName", host)
	w.textOrNull("ntDomain", strings.ToUpper(forest))
	w.textOrNull("dnsDomain", domain)
	w.text("osPlatform", d.OSPlatform)
	w.integerOrNull("osBuild", d.OSBuild)
	w.text("version", d.Version)
	w.member("healthStatus", d.HealthStatus)
	w.member("riskScore", d.RiskScore)
	w.integer("rbacGroupId", int64(len(d.RBACGroup)))
	w.textOrNull("rbacGroupName", d.RBACGroup)
	w.member("onboardingStatus", d.Onboarding)
	w.member("defenderAvStatus", d.DefenderStatus)
	w.text("lastIpAddress", "192.0.2.17")
	w.text("lastExternalIpAddress", "203.0.113.9")
	w.texts("ipInterfaces", []string{"192.0.2.17"})
	w.vm(d.VM)
	w.accounts("loggedOnUsers", d.LoggedOnUsers)
	w.close('}')
}

func (w graphWriter) vm(vm *VM) {
	if vm == nil {
		w.null("vmMetadata")
		return
	}
	w.name("vmMetadata")
	w.open('{')
	w.text("vmId", vm.ID)
	w.member("cloudProvider", vm.CloudProvider)
	w.text("resourceId", vm.ResourceID)
	w.text("subscriptionId", vm.SubscriptionID)
	w.close('}')
}

func (w graphWriter) evidence(e Entity) {
	kind := evidenceKind(e)
	w.piece(kind, e.EvidenceCreated, e.Verdict, e.RemediationStatus, e.RemediationDetails)
	w.empty("detailedRoles")
	w.empty("tags")
	switch kind {
	case "user":
		w.account(e)
		w.null("stream")
	case "ip":
		w.facts(e, "ipAddress", "ipAddress")
		w.nulls("countryLetterCode", "location", "stream")
	case "file":
		w.choice(e, "detectionStatus")
		w.facts(e, "mdeDeviceId", "deviceId")
		w.file(e, "fileDetails", "fileName", "filePath", "sha1", "sha256")
	case "process":
		w.process(e)
	case "mailbox":
		w.facts(e, "primaryAddress", "mailboxAddress", "displayName", "mailboxDisplayName", "upn", "userPrincipalName")
		w.account(e)
	case "analyzedMessage":
		w.message(e)
	case "mailCluster":
		w.facts(e, "clusterBy", "clusterBy", "clusterByValue", "clusterByValue", "emailCount", "emailCount")
		w.nulls("query", "urn")
		w.empty("networkMessageIds")
	case "oauthApplication":
		w.facts(e, "appId", "applicationId", "displayName", "applicationName")
		w.nulls("objectId", "publisher")
	case "registryKey":
		w.facts(e, "registryKey", "registryKey", "registryHive", "registryHive")
	case "registryValue":
		w.nulls("mdeDeviceId", "registryValueName")
		w.facts(e, "registryKey", "registryKey", "registryHive", "registryHive", "registryValue", "registryValue", "registryValueType", "registryValueType")
	case "securityGroup":
		w.facts(e, "securityGroupId", "securityGroupId", "displayName", "securityGroupName")
	default: // including url
		for _, f := range e.Fields {
			w.field(f)
		}
	}
	w.close('}')
}

// evidenceKind is what Graph calls an entity.
func evidenceKind(e Entity) string {
	switch kind := strings.ToLower(e.Type); kind {
	case "mailbox":
		return kind
	case "mailmessage":
		return "analyzedMessage"
	case "oauthapplication":
		return "oauthApplication"
	case "registry":
		if _, isValue := fact(e, "registryValue"); isValue {
			return "registryValue"
		}
		return "registryKey"
	}
	return camel(e.Type)
}

func (w graphWriter) process(e Entity) {
	w.choice(e, "detectionStatus")
	w.facts(e, "mdeDeviceId", "deviceId", "processId", "processId", "parentProcessId", "parentProcessId", "processCommandLine", "processCommandLine",
		"processCreationDateTime", "processCreationTime", "parentProcessCreationDateTime", "parentProcessCreationTime")
	w.file(e, "imageFile", "fileName", "filePath", "sha1", "sha256")
	w.file(e, "parentProcessImageFile", "parentProcessFileName", "parentProcessFilePath", "", "")
	w.account(e)
}

func (w graphWriter) message(e Entity) {
	w.null("networkMessageId")
	w.facts(e, "internetMessageId", "internetMessageId", "subject", "subject", "recipientEmailAddress", "recipient")
	w.choice(e, "deliveryAction")
	w.nulls("language", "senderIp", "antiSpamDirection", "deliveryLocation", "urn", "receivedDateTime")
	for _, list := range []string{"threats", "threatDetectionMethods", "urls"} {
		w.empty(list)
	}
	w.integer("urlCount", 0)
	w.integer("attachmentsCount", 0)
	for _, sender := range []string{"p1Sender", "p2Sender"} {
		w.name(sender)
		w.open('{')
		w.facts(e, "emailAddress", "sender")
		w.nulls("displayName", "domainName")
		w.close('}')
	}
}

// account writes the account of the evidence.
func (w graphWriter) account(e Entity) {
	w.name("userAccount")
	w.open('{')
	w.facts(e, "accountName", "accountName", "domainName", "domainName", "userSid", "userSid",
		"azureAdUserId", "aadUserId", "userPrincipalName", "userPrincipalName")
	w.null("displayName")
	w.close('}')
}

// file writes a file from the entity's fields with the given names.
func (w graphWriter) file(e Entity, name, fileName, path, sha1, sha256 string) {
	w.name(name)
	w.open('{')
	w.facts(e, "sha1", sha1, "sha256", sha256)
	w.nulls("md5", "sha256Ac")
	w.facts(e, "fileName", fileName, "filePath", path)
	w.nulls("fileSize", "filePublisher", "signer", "issuer")
	w.close('}')
}

// facts writes fields of an entity: names alternate between Graph's and the
// entity's. A missing field is null.
func (w graphWriter) facts(e Entity, names ...string) {
	for pair := range slices.Chunk(names, 2) {
		if f, has := fact(e, pair[1]); has {
			w.field(Field{pair[0], f.Value})
		} else {
			w.null(pair[0])
		}
	}
}

// choice writes a field that is one of a set of words.
func (w graphWriter) choice(e Entity, name string) {
	if f, has := fact(e, name); has {
		word, _ := f.Value.(string)
		w.member(name, word)
	} else {
		w.null(name)
	}
}

func (w graphWriter) nulls(names ...string) {
	for _, name := range names {
		w.null(name)
	}
}

// fact finds a field of an entity.
func fact(e Entity, name string) (Field, bool) {
	n := slices.IndexFunc(e.Fields, func(f Field) bool { return f.Name == name })
	if n < 0 {
		return Field{}, false
	}
	return e.Fields[n], true
}

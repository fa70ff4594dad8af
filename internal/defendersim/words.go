// SPDX-License-Identifier: Apache-2.0

package defendersim

// vocabulary holds the words of the population. Names are invented, domains are
// example domains, addresses come from the documentation ranges.
type vocabulary struct {
	services        []service
	incidentNames   []string
	analysts        []string
	classifications []string
	determinations  []string
	tags            []string
	remarks         []string
	investigation   []string
	verdicts        []string
	remediations    []string
	actors          []string
	families        []string
}

// service is one source of alerts.
type service struct {
	name      string
	prefix    string // of its alert ids
	detection string // its usual detection source
	onDevices bool   // its alerts are about devices
	findings  []finding
	evidence  []string // entity types
}

// finding is one kind of alert.
type finding struct {
	title, description, category string
	techniques                   []string
}

func newVocabulary() vocabulary {
	return vocabulary{
		services: services(),
		incidentNames: []string{
			"Multi-stage incident involving initial access & defense evasion on one endpoint",
			"Unfamiliar sign-in properties involving one user",
			"Password spray involving multiple users",
			"Suspicious inbox rule\u200b on one mailbox", // zero-width space
			"Zugriff von unüblichem Standort auf mehrere Geräte",
			"可疑登录活动 involving one user",
			"Ransomware-linked emerging threat activity group detected on multiple endpoints",
			"Credential access\u2060 incident reported by multiple sources", // word joiner
			"Email reported by user as malware or phish",
			"Exfiltration 📤 via \"rclone\" <sync> on one endpoint",
			"تسجيل دخول غير مألوف involving one user",
			"Mass download by a single user",
		},
		analysts:        []string{"soc@contoso.example", "jdoe@contoso.example", "zoë.müller@contoso.example", "Automation", "tier2@contoso.example"},
		classifications: []string{"TruePositive", "FalsePositive", "InformationalExpectedActivity", "Unknown"},
		determinations:  []string{"NotAvailable", "Malware", "CompromisedUser", "Phishing", "SecurityPersonnel", "ConfirmedUserActivity", "LineOfBusinessApplication", "MultiStagedAttack", "Other", "notEnoughDataToValidate"},
		tags:            []string{"VIP", "finance", "red team", "Überwachung", "CVE-2026-0001", "attack disruption", "🔥"},
		remarks:         []string{"Host isolated", "User confirmed the sign-in", "Waiting for the owner\nof the machine", "Passwort zurückgesetzt", "Escalated to tier 2", "false alarm? see \"runbook\""},
		investigation:   []string{"Running", "UnsupportedAlertType", "SuccessfullyRemediated", "TerminatedByUser", "PendingApproval", "PartiallyInvestigated", "Queued", "SuppressedAlert"},
		verdicts:        []string{"Suspicious", "Malicious", "Unknown", "NoThreatsFound", "unknownFutureValue"},
		remediations:    []string{"None", "Active", "Remediated", "Blocked", "NotFound", "Unremediated", "Declined"},
		actors:          []string{"", "", "", "", "Example Blizzard", "Storm-0000"},
		families:        []string{"", "", "", "Samplebot", "Ransom:Win32/Exemplar", "Beispielwurm"},
	}
}

func services() []service {
	return []service{
		{
			name: "MicrosoftDefenderForEndpoint", prefix: "da", detection: "WindowsDefenderAtp", onDevices: true,
			evidence: []string{"Process", "File", "Ip", "User", "Registry", "Url"},
			findings: []finding{
				{"Suspicious process injection observed", "A process injected code into another process and opened an outbound connection.", "DefenseEvasion", []string{"T1055", "T1055.012"}},
				{"Suspicious PowerShell command line", "A command line that downloads & runs a script was seen.", "Execution", []string{"T1059.001"}},
				{"‘Samplebot’ malware was prevented", "Antivirus stopped a known file before it ran.", "Malware", nil},
				{"Possible lateral movement", "An account of one machine was used on several others within a minute.", "LateralMovement", []string{"T1021", "T1021.002", "T1570"}},
			},
		},
		{
			name: "AADIdentityProtection", prefix: "ad", detection: "AAD",
			evidence: []string{"User", "Ip"},
			findings: []finding{
				{"Unfamiliar sign-in properties", "The sign-in came from a device, a place and a network that are new for this user.", "InitialAccess", []string{"T1078", "T1078.004"}},
				{"Anonymous IP address", "A sign-in came from an anonymizing network.", "InitialAccess", []string{"T1078"}},
			},
		},
		{
			name: "MicrosoftDefenderForOffice365", prefix: "fa", detection: "OfficeATP",
			evidence: []string{"MailMessage", "MailCluster", "MailBox", "Url", "User"},
			findings: []finding{
				{"Email messages containing malicious URL removed after delivery", "Messages with a link that turned out to be malicious were removed.", "InitialAccess", []string{"T1566.002"}},
				{"Email reported by user as malware or phish", "A user reported a message.", "InitialAccess", []string{"T1566"}},
			},
		},
		{
			name: "MicrosoftCloudAppSecurity", prefix: "ca", detection: "MCAS",
			evidence: []string{"User", "Ip", "Mailbox", "Url"},
			findings: []finding{
				{"Mass download by a single user", "A user downloaded an unusual number of files.", "Exfiltration", []string{"T1567"}},
				{"Suspicious inbox rule", "A rule that hides messages was made in a mailbox.", "Persistence", []string{"T1564.008"}},
			},
		},
		{
			name: "AppGovernance", prefix: "ma", detection: "AppGPolicy",
			evidence: []string{"OAuthApplication", "User"},
			findings: []finding{
				{"App with unusual permission grants", "An application asked for more than its publisher usually does.", "CredentialAccess", []string{"T1528"}},
			},
		},
		{
			name: "Microsoft365Defender", prefix: "ar", detection: "AutomatedInvestigation",
			evidence: []string{"MailCluster", "Mailbox", "SecurityGroup", "User"},
			findings: []finding{
				{"Automated investigation started manually", "Someone started an investigation of a message.", "SuspiciousActivity", nil},
			},
		},
		{
			name: "MicrosoftDefenderForCloud", prefix: "dc", detection: "16777232", onDevices: true,
			evidence: []string{"Process", "Ip", "File"},
			findings: []finding{
				{"Digital currency mining related behaviour detected", "A virtual machine behaves like a miner.", "Impact", []string{"T1496"}},
			},
		},
	}
}

// SPDX-License-Identifier: Apache-2.0

package defendersim

import "slices"

// futureValue replaces a member of an enumeration that a client
// did not request.
const futureValue = "unknownFutureValue"

// member writes a word as the member of an enumeration.
func (w graphWriter) member(name, word string) {
	value := graphWord(word)
	if !w.newer && slices.Contains(newerMembers(name), value) {
		value = futureValue
	}
	w.text(name, value)
}

// newerMembers are those that Graph sends only on request, according to its
// documentation, by the name of the property.
func newerMembers(property string) []string {
	switch property {
	case "status":
		return []string{"awaitingAction"}
	case "serviceSource":
		return []string{"microsoftDefenderForCloud", "microsoftSentinel"}
	case "detectionSource":
		return []string{
			"microsoftDefenderForCloud", "microsoftDefenderForIoT", "microsoftDefenderForServers", "microsoftDefenderForStorage",
			"microsoftDefenderForDNS", "microsoftDefenderForDatabases", "microsoftDefenderForContainers", "microsoftDefenderForNetwork",
			"microsoftDefenderForAppService", "microsoftDefenderForKeyVault", "microsoftDefenderForResourceManager", "microsoftDefenderForApiManagement",
		}
	case "remediationStatus":
		return []string{"active", "pendingApproval", "declined", "unremediated", "running", "partiallyRemediated"}
	}
	return nil
}

// graphWord writes a word of Defender XDR as Graph does. Its enumerations are
// one vocabulary here: no word of theirs has two meanings.
func graphWord(word string) string {
	switch word {
	case "", "UnSpecified", "NotAvailable":
		return "unknown"
	case "AADIdentityProtection", "AAD":
		return "azureAdIdentityProtection"
	case "MicrosoftCloudAppSecurity":
		return "microsoftDefenderForCloudApps"
	case "MCAS":
		return "cloudAppSecurity"
	case "AppGovernance":
		return "microsoftAppGovernance"
	case "AppGPolicy":
		return "appGovernancePolicy"
	case "WindowsDefenderAtp":
		return "microsoftDefenderForEndpoint"
	case "OfficeATP":
		return "microsoftDefenderForOffice365"
	case "16777232": // what Defender XDR makes of an unknown member
		return "microsoftDefenderForServers"
	case "AWS":
		return "unknown" // Graph supports only Azure
	}
	return camel(word)
}

// camel writes a word with a lower-case first letter.
func camel(word string) string {
	if word == "" || word[0] < 'A' || word[0] > 'Z' {
		return word
	}
	return string(word[0]+'a'-'A') + word[1:]
}

// productName is what people call the source of an alert.
func productName(serviceSource string) string {
	switch graphWord(serviceSource) {
	case "microsoftDefenderForEndpoint":
		return "Microsoft Defender for Endpoint"
	case "azureAdIdentityProtection":
		return "Microsoft Entra ID Protection"
	case "microsoftDefenderForOffice365":
		return "Microsoft Defender for Office 365"
	case "microsoftDefenderForCloudApps":
		return "Microsoft Defender for Cloud Apps"
	case "microsoftAppGovernance":
		return "Microsoft App Governance"
	case "microsoftDefenderForCloud":
		return "Microsoft Defender for Cloud"
	}
	return "Microsoft Defender XDR"
}

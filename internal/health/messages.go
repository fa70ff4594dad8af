// SPDX-License-Identifier: Apache-2.0

package health

import "github.com/seed2514a141/defenderincidentsreceiver/internal/defender"

// The messages of the verdicts. docs/troubleshooting.md explains each of them.
const (
	msgNoToken        = "sign-in failed; pausing all requests (check http::auth)"
	msgNoTokenCleared = "sign-in works again" //nolint:gosec // no credential

	msgDenied               = "access denied by the API; pausing requests for incidents (check the scope of http::auth and its permission to read incidents)"
	msgDeniedCleared        = "access granted by the API again"
	msgUnavailable          = "API unavailable; pausing requests for incidents"
	msgUnavailableCleared   = "API available again"
	msgMisconfigured        = "unexpected responses instead of incidents; pausing requests for incidents (check http::endpoint and any proxy)"
	msgMisconfiguredCleared = "API returns incidents again"
	msgWrongTarget          = "none of the previously delivered incidents were found; check http::endpoint and the tenant (emitting nothing)"
	msgWrongTargetCleared   = "previously delivered incidents were found again"

	msgListDown    = "change feed unavailable; falling back to polling by ID"
	msgListCleared = "change feed available again"

	msgAlertListDenied  = "no permission to list alerts; changes of alerts alone are found by polling (grant SecurityAlert.Read.All, or set change_feed::alert_feed: false)"
	msgAlertListDown    = "alert feed unavailable; changes of alerts alone are found by polling"
	msgAlertListCleared = "alert feed available again"

	msgAnotherCause = "requests still fail, now with another error"

	msgIncidentFailed     = "cannot fetch incident; retrying with backoff"
	msgIncidentNotFound   = "incident not found; retrying with backoff"
	msgIncidentDenied     = "access to incident denied by the API; retrying with backoff"
	msgIncidentUnreadable = "cannot read the checkpoint of an incident; emitting nothing for it and retrying with backoff"
	msgIncidentRecovered  = "incident recovered"
	msgMoreIncidents      = "more incidents fail with the same error; not logging further ones"
)

func raisedMessage(e Endpoint, c class, failure *defender.Error) string {
	switch {
	case e == List:
		return msgListDown
	case lacksAlerts(e, failure):
		return msgAlertListDenied
	case e == AlertList:
		return msgAlertListDown
	}
	switch c {
	case noToken:
		return msgNoToken
	case wrongTarget:
		return msgWrongTarget
	case denied:
		return msgDenied
	case misconfigured:
		return msgMisconfigured
	case unavailable, own, classes:
	}
	return msgUnavailable
}

func clearedMessage(e Endpoint, c class) string {
	switch e {
	case List:
		return msgListCleared
	case AlertList:
		return msgAlertListCleared
	case SignIn, Get, endpoints:
	}
	switch c {
	case noToken:
		return msgNoTokenCleared
	case wrongTarget:
		return msgWrongTargetCleared
	case denied:
		return msgDeniedCleared
	case misconfigured:
		return msgMisconfiguredCleared
	case unavailable, own, classes:
	}
	return msgUnavailableCleared
}

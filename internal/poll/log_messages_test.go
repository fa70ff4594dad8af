package poll_test

// The log messages that tests look for.
const (
	msgPlan           = "following incidents"
	msgNoStorage      = "no storage is set: every start emits every incident once, and forgets what was sent within the hour: do not restart often, or the API's limits are exceeded"
	msgTokenRejected  = "the API refuses the token: it has to be for this API (the scope of http::auth) and to have the permission to read incidents, with admin consent"
	msgDenied         = "nothing can be fetched: " + msgTokenRejected
	msgNoToken        = "no token: nothing is fetched until the sign-in works"
	msgUnavailable    = "the API does not answer: everything waits"
	msgRecovered      = "the API answers again"
	msgRateLimited    = "throttled by the API: nothing is sent meanwhile"
	msgFetchFailed    = "incident cannot be fetched: it is tried again from time to time"
	msgFetchRecovered = "incident is fetched again"
	msgNotFound       = "incident not found: it is looked for again from time to time"
	msgMoreFail       = "many incidents have this trouble: further ones are not named"
	msgNoSuccessor    = "incident was merged, but its successor is not named"
	msgMergeCycle     = "incidents are merged in a circle: none of them is followed any more"
	msgFeedFails      = "change feed fails: changes are found by the round only"
	msgFeedRecovered  = "change feed works again"
	msgBadLine        = "line of the ids file skipped: not an incident id"
	msgAPIChanged     = "api has changed: incidents that it shows as they were told are taken over without a record"
	msgRefused        = "pipeline does not accept records: nothing is fetched until it does"
	msgRejected       = "pipeline refused records for good: they are lost"
	msgWriteFails     = "checkpoint not written: after a restart, changes of now may be emitted again"
	msgWriteRecovered = "checkpoint is written again"
	msgUnreadable     = "checkpoint of an incident cannot be read: nothing is emitted of it, and it is tried again from time to time"
)

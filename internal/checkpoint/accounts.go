package checkpoint

import "context"

// call is a kind of request. Each API has a quota for each of its own, so what
// was sent, learned and is waited for under one is kept while another is used.
type call string

const (
	gets  call = "incidents" // single incidents
	lists call = "list"      // the change feed's own
)

// Quota is the account of the requests that were sent. Its moments are
// milliseconds since 1970 by the wall clock.
type Quota struct {
	// Since is when the account began; 0: there was none.
	Since int64 `json:"since,omitzero"`
	// Ended is when those ended that still count, oldest first, rounded up.
	Ended []int64 `json:"ended,omitzero"`
	// InFlight is how many had not ended.
	InFlight uint16 `json:"in_flight,omitzero"`
	// PausedUntil is the end of the wait that the API asked for; 0: none.
	PausedUntil int64 `json:"paused_until,omitzero"`
	// Learned are the limits that the API has shown to be stricter.
	Learned []LearnedLimit `json:"learned,omitzero"`
}

// LearnedLimit allows so many requests in any window of so many seconds, as
// the API has shown at Since.
type LearnedLimit struct {
	WindowSeconds int64 `json:"window_s"`
	Requests      int   `json:"requests"`
	Since         int64 `json:"since"`
}

// SaveQuota stores the account of the requests for single incidents.
func (s *Store) SaveQuota(ctx context.Context, q Quota) error {
	return s.write(ctx, entry{s.accountKey(gets), q})
}

func (s *Store) accountKey(c call) string { return quotaKey + s.api + "/" + string(c) }

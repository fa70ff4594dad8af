package proof

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// Behind holds what was last told of the given incidents and their alerts
// against what stood so long ago: it has to be that, or something later. It asks
// neither which call showed it nor what was told before, and returns what does
// not agree, nothing when all does.
func Behind(sim *defendersim.Sim, ids []int64, records []Record, ago time.Duration) []string {
	told := map[int64]map[string]Record{} // the last, by incident and alert
	for _, r := range records {
		if told[r.Incident] == nil {
			told[r.Incident] = map[string]Record{}
		}
		told[r.Incident][r.Alert] = r
	}
	at := time.Now().Add(-ago)
	var behind []string
	for _, id := range ids {
		states, _ := sim.History(id)
		since := slices.DeleteFunc(states, func(s defendersim.State) bool { return !s.Until.IsZero() && !s.Until.After(at) })
		if !since[0].From.After(at) {
			behind = append(behind, behindOf(id, since, told[id])...)
		}
	}
	return behind
}

// behindOf looks at one incident, of which the states are those since then.
func behindOf(id int64, since []defendersim.State, told map[string]Record) []string {
	then, own := since[0], told[""]
	var behind []string
	if own.Time.Before(then.LastUpdate) || then.RedirectID != 0 && own.Change != "merged" {
		behind = append(behind, fmt.Sprintf("incident %d: last told %s %v, was %v", id, own.Change, own.Time, then.LastUpdate))
	}
	if since[len(since)-1].RedirectID != 0 {
		return behind // its alerts are not told one by one
	}
	shown := times(&then)
	for alert, changed := range shown {
		last, known := told[alert]
		settled := last.Change == "removed" || !known // if it has left: before anybody could see it, perhaps
		if settled && slices.ContainsFunc(since, func(s defendersim.State) bool { return !has(s, alert) }) {
			continue
		}
		if last.Time.Before(changed) {
			behind = append(behind, fmt.Sprintf("incident %d alert %s: last told %s %v, was %v", id, alert, last.Change, last.Time, changed))
		}
	}
	if len(told) > alertsCap || len(shown) >= alertsCap {
		return behind // a list that may have been cut off removes none
	}
	for alert, last := range told {
		gone := alert != "" && !slices.ContainsFunc(since, func(s defendersim.State) bool { return has(s, alert) })
		if gone && last.Change != "removed" {
			behind = append(behind, fmt.Sprintf("incident %d alert %s: was gone, last told %s", id, alert, last.Change))
		}
	}
	return behind
}

func has(s defendersim.State, alert string) bool {
	return slices.ContainsFunc(s.Alerts, func(a defendersim.AlertState) bool { return a.ID == alert })
}

// Twice lists the states that were told more than once, under whatever
// identities. What has no time of its own, removed and not_found, may recur.
func Twice(records []Record) []string {
	var twice []string
	told := map[string]bool{}
	for _, r := range records {
		if told[r.key()] && !r.Time.IsZero() {
			twice = append(twice, r.key())
		}
		told[r.key()] = true
	}
	return twice
}

// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// Behind compares what was last emitted of the given incidents and their alerts
// with the state that long ago: it must be that state, or a later one. It
// ignores which call showed it and what was emitted before, and returns the
// differences; nil: there are none.
func Behind(sim *defendersim.Sim, ids []int64, records []Record, ago time.Duration) []string {
	emitted := map[int64]map[string]Record{} // the last, by incident and alert
	for _, r := range records {
		if emitted[r.Incident] == nil {
			emitted[r.Incident] = map[string]Record{}
		}
		emitted[r.Incident][r.Alert] = r
	}
	at := time.Now().Add(-ago)
	var behind []string
	for _, id := range ids {
		states, _ := sim.History(id)
		since := slices.DeleteFunc(states, func(s defendersim.State) bool { return !s.Until.IsZero() && !s.Until.After(at) })
		if !since[0].From.After(at) {
			behind = append(behind, behindOf(id, since, emitted[id])...)
		}
	}
	return behind
}

// behindOf checks one incident; since are its states from then on.
func behindOf(id int64, since []defendersim.State, emitted map[string]Record) []string {
	then, own := since[0], emitted[""]
	var behind []string
	if own.Time.Before(then.LastUpdate) || then.RedirectID != 0 && own.Change != "merged" {
		behind = append(behind, fmt.Sprintf("incident %d: last emitted %s %v, was %v", id, own.Change, own.Time, then.LastUpdate))
	}
	if since[len(since)-1].RedirectID != 0 {
		return behind // its alerts are not emitted one by one
	}
	shown := times(&then)
	for alert, changed := range shown {
		last, known := emitted[alert]
		settled := last.Change == "removed" || !known // if it has left: perhaps before it could be seen
		if settled && slices.ContainsFunc(since, func(s defendersim.State) bool { return !has(s, alert) }) {
			continue
		}
		if last.Time.Before(changed) {
			behind = append(behind, fmt.Sprintf("incident %d alert %s: last emitted %s %v, was %v", id, alert, last.Change, last.Time, changed))
		}
	}
	if len(emitted) > alertsCap || len(shown) >= alertsCap {
		return behind // a list that may have been cut off removes none
	}
	for alert, last := range emitted {
		gone := alert != "" && !slices.ContainsFunc(since, func(s defendersim.State) bool { return has(s, alert) })
		if gone && last.Change != "removed" {
			behind = append(behind, fmt.Sprintf("incident %d alert %s: was gone, last emitted %s", id, alert, last.Change))
		}
	}
	return behind
}

func has(s defendersim.State, alert string) bool {
	return slices.ContainsFunc(s.Alerts, func(a defendersim.AlertState) bool { return a.ID == alert })
}

// Twice lists the states that were emitted more than once, under whatever
// identities. removed and not_found, which have no time of their own, may
// recur.
func Twice(records []Record) []string {
	var twice []string
	emitted := map[string]bool{}
	for _, r := range records {
		if emitted[r.key()] && !r.Time.IsZero() {
			twice = append(twice, r.key())
		}
		emitted[r.key()] = true
	}
	return twice
}

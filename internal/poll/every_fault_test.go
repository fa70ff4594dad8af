// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// faultCell is a fault of one kind of request under one API.
type faultCell struct {
	api   receiver.API
	part  string // what the fault is set for
	where int64
	fault string
	once  bool // it strikes a single request
}

func (c faultCell) String() string {
	name := fmt.Sprintf("%s %s %s", c.api, c.part, c.fault)
	if c.once {
		name += " once"
	}
	return name
}

// aYear is a 429 with a Retry-After of a year.
const aYear = "429-retry-after=8760h"

// everyFault returns all faults of the simulated APIs, wherever each can be set.
// Faults of incidents are set for 1001. Failures that are the same under both APIs
// occur under one.
func everyFault() (cells []faultCell) {
	for _, part := range []faultCell{
		{api: receiver.APIDefenderXDR, part: "get", where: 1001},
		{api: receiver.APIDefenderXDR, part: "list", where: defendersim.ListRequests},
		{api: receiver.APIDefenderXDR, part: "token", where: defendersim.TokenRequests},
		{api: receiver.APIGraph, part: "get", where: 1001},
		{api: receiver.APIGraph, part: "alerts", where: defendersim.AlertRequests},
		{api: receiver.APIGraph, part: "list", where: defendersim.ListRequests},
	} {
		if !*simulate && part.api == receiver.APIGraph && part.part != "alerts" {
			continue // nearly the same as under the other API
		}
		for _, fault := range part.faults() {
			part.fault = fault
			cells = append(cells, part)
		}
		if part.part == "get" {
			part.fault, part.once = "other-id", true
			cells = append(cells, part)
		}
	}
	return cells
}

// faults returns the faults that requests of this kind can have. General failures,
// which other tests cover too, occur in make simulate only.
func (c faultCell) faults() (names []string) {
	var kinds []defendersim.FaultKind
	for _, group := range defendersim.FaultGroups() {
		kinds = append(kinds, group.Kinds...)
	}
	if !*simulate || c.api == receiver.APIGraph && c.part != "alerts" {
		kinds = slices.DeleteFunc(kinds, func(k defendersim.FaultKind) bool {
			return slices.ContainsFunc(defendersim.FaultKinds(), func(same defendersim.FaultKind) bool { return same.Name == k.Name })
		})
	} else {
		names = append(names, aYear)
	}
	for _, kind := range kinds {
		if kind.Name == "other-id" && c.part == "get" {
			continue // a second time it is a merge
		}
		if (defendersim.Fault{Name: kind.Name}).Fits(c.where) == nil {
			names = append(names, kind.Name)
		}
	}
	return names
}

// altersContent reports whether responses show different content than the incident
// has, with the same times or none, so that a client must believe it. A value in
// another form is a different value, since records have values as received.
func (c faultCell) altersContent() bool {
	return c.part != "token" && !c.once && slices.Contains([]string{
		"big-number", "duplicate-keys", "invalid-utf8", "lone-surrogate", "time-null", "time-0001", "time-1601", "time-1970", "time-9999",
		"time-no-zone", "time-offset", "time-precision", "id-type", "other-id",
	}, c.fault)
}

// run sets the fault for an hour in the middle of a run, and returns what is wrong
// an hour after the fault has ended.
func (c faultCell) run(t *testing.T) (problems []string) {
	t.Helper()
	population := harness.Quiet(3)
	population.AlertsPerIncident, population.AlertBytes, population.AlertsPage = 3, 900, 2
	population.TokenLifetime = 5 * time.Minute
	population.PerMinute, population.PerHour = 150, 0 // the limits of both kinds of requests, which Graph counts together
	h := harness.NewUnder(t, c.api, population, func(cfg *receiver.Config) {
		cfg.CollectionInterval, cfg.MaxResponseBodySize = 10*time.Minute, 64<<10
		if c.part == "list" {
			harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.Interval = 2 * time.Minute })(cfg)
		}
	})
	h.Auth.SignIn()
	h.Start()
	harness.Sleep(20*time.Minute + 20*time.Second) // between polls
	c.set(t, h)
	if c.altersContent() {
		changeAll(t, h) // so that no state is shown both with and without the fault
	}
	for range 3 {
		harness.Sleep(15 * time.Minute)
		changeAll(t, h)
	}
	harness.Sleep(15 * time.Minute)
	h.Sim.ClearFaults()
	if c.altersContent() {
		changeAll(t, h)
	}
	harness.Sleep(c.recovery())
	h.Stop()
	return c.problems(h)
}

func (c faultCell) set(t *testing.T, h *harness.Harness) {
	t.Helper()
	// Larger than what is read, rows so large that a page holds only one, and smaller than what is read.
	rule := harness.Rule(t, strings.NewReplacer("huge", "huge=65KiB", "padded", "padded=40KiB", "nested", "nested=20000").Replace(c.fault))
	if c.once {
		rule.Times = 1
	}
	require.NoError(t, h.Sim.SetFault(c.where, rule))
}

// recovery returns how long after the fault it may take until everything is known.
// A pause that a response requested ends after an hour at the latest.
func (c faultCell) recovery() time.Duration {
	if c.fault == aYear {
		return 2 * time.Hour
	}
	return time.Hour
}

// changeAll changes each incident and all its alerts.
func changeAll(t *testing.T, h *harness.Harness) {
	t.Helper()
	for _, id := range h.Sim.IDs() {
		incident, err := h.Sim.Incident(id)
		require.NoError(t, err)
		for _, alert := range incident.Alerts {
			require.NoError(t, h.Sim.UpdateAlert(id, alert.ID, func(a *defendersim.Alert) { a.InvestigationState += "+" }))
		}
		h.Assign(id)
	}
}

// problems checks what was emitted against the latest states, and the requests
// against the limits.
func (c faultCell) problems(h *harness.Harness) []string {
	ids, records := h.Sim.IDs(), h.Sink.Records()
	problems := slices.Concat(proof.Behind(h.Sim, ids, records, 0), repeated(ids, records), tooMany(h))
	for _, r := range records {
		if r.Change == "removed" || r.Change == "not_found" && c.fault != "404-bom" {
			problems = append(problems, "still there: "+harness.Describe(r))
		}
	}
	if !slices.ContainsFunc(h.Sim.Journal(), func(r defendersim.Request) bool { return r.Fault != "" }) {
		problems = append(problems, "the fault had no effect")
	}
	return problems
}

// tooMany lists the limits that were exceeded. The limit for single incidents also
// bounds sign-ins, since each request may need one.
func tooMany(h *harness.Harness) (problems []string) {
	single := h.Config.RateLimit
	for window, most := range map[time.Duration]int{time.Minute: single.RequestsPerMinute, time.Hour: single.RequestsPerHour} {
		for what, n := range map[string]int{"requests": h.Sim.MaxInWindow(window), "sign-ins": h.Sim.MaxInWindowOf(defendersim.EndpointToken, window)} {
			if n > most {
				problems = append(problems, fmt.Sprintf("%d %s within %v", n, what, window))
			}
		}
	}
	if feed := h.Config.ChangeFeed.Get(); feed != nil && h.Sim.MaxInWindowOf(defendersim.EndpointList, time.Minute) > feed.RateLimit.RequestsPerMinute {
		problems = append(problems, "too many pages of the list")
	}
	for _, r := range h.Sim.Journal() {
		if r.Status == http.StatusTooManyRequests && r.Fault == "" {
			problems = append(problems, "rate limited: "+r.Path)
		}
	}
	return problems
}

func TestEveryFaultIsOverAnHourAfterItEnds(t *testing.T) {
	harness.Long(t)
	for _, c := range everyFault() {
		t.Run(c.String(), func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				require.Empty(t, c.run(t))
			})
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// notFoundFault is a 404 in the API's form, of incidents that exist.
const notFoundFault = "404"

// mixedFaults is all faults, one after another in random order.
const mixedFaults = "mixed"

func halfWorkingFaults() []string {
	return []string{"400", "401", "403", notFoundFault, "429", "500", "503", "hang", "reset", "html", "redirect"}
}

// The parts that can fail by themselves.
const (
	incidentFails = "incident" // requests for single incidents
	listFails     = "list"
	signInFails   = "sign-in" // requests for a token
)

// halfWorking says which part of the API fails, how and when.
type halfWorking struct {
	part  string
	scope int // how many incidents fail, or how many of ten sign-ins; 0: all
	fault string
	// from and until are when it begins and ends, relative to the start.
	from, until time.Duration
	// alternating: requests fail for two minutes, then work for two minutes, and so on.
	alternating bool
	seed        uint64 // of mixedFaults
}

func (c halfWorking) share() string {
	if c.scope == 0 {
		return "all"
	}
	return fmt.Sprintf("%d of %d", c.scope, halfWorkingIncidents)
}

func (c halfWorking) String() string {
	name := fmt.Sprintf("%s, %s, %s, %v to %v", c.part, c.share(), c.fault, c.from, c.until)
	if c.alternating {
		name += fmt.Sprintf(", alternating %d", c.seed)
	}
	return name
}

// targets returns what to set the fault for in the simulated API.
func (c halfWorking) targets(ids []int64) []int64 {
	switch {
	case c.part == listFails:
		return []int64{defendersim.ListRequests}
	case c.scope == 0:
		return []int64{defendersim.AllIncidents}
	}
	return ids[:c.scope]
}

// split separates the incidents that fail from the others.
func (c halfWorking) split(ids []int64) (failing, others []int64) {
	switch {
	case c.part == listFails:
		return nil, ids
	case c.part == signInFails, c.scope == 0:
		return ids, nil
	}
	return ids[:c.scope], ids[c.scope:]
}

// faultAt returns the fault at some time; empty if there is none.
func (c halfWorking) faultAt(at time.Duration) string {
	const each = 2 * time.Minute
	turn := int((at - c.from) / each)
	switch {
	case at < c.from || at >= c.until || c.alternating && turn%2 == 1:
		return ""
	case c.fault != mixedFaults:
		return c.fault
	}
	faults := halfWorkingFaults()
	rand.New(rand.NewPCG(c.seed, 0)).Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	return faults[turn/2%len(faults)]
}

// someSignIns reports whether some of the requests for a token fail. What needs a
// token works at the next attempt.
func (c halfWorking) someSignIns() bool { return c.part == signInFails && c.scope > 0 }

// believed reports whether each incident seems to have been deleted, or never to
// have existed: nothing shows that the API is wrong.
func (c halfWorking) believed() bool {
	return c.fault == notFoundFault && c.part == incidentFails && (c.scope > 0 || c.from == 0 && !c.alternating)
}

// visible returns from when on a change can be seen, and how long after that it
// must be emitted. listed: a list shows it too.
func (c halfWorking) visible(id int64, changed time.Duration, listed bool, ids []int64) (at, patience time.Duration) {
	failing, _ := c.split(ids)
	switch hidden := slices.Contains(failing, id) && changed >= c.from && changed < c.until; {
	case !hidden, c.someSignIns():
		at, patience = changed, halfWorkingCycle+5*time.Minute
	case listed && c.part != signInFails && c.fault != notFoundFault && c.fault != mixedFaults:
		return changed, 10 * time.Minute // a hanging request keeps the row of its incident waiting
	default:
		at, patience = c.until, halfWorkingCycle+5*time.Minute
	}
	alone := c.part != signInFails && (c.scope > 0 || c.believed() || c.alternating)
	if alone && slices.Contains([]string{"400", notFoundFault, mixedFaults}, c.fault) && changed >= c.from-halfWorkingCycle {
		// Only a person can end these, so they back off to an hour.
		return at, max(patience, c.until-at+65*time.Minute)
	}
	return at, patience
}

// require checks a day against its bounds. normal is a day without a fault.
func (d *halfWorkingDay) require(t *testing.T, normal *halfWorkingDay) {
	t.Helper()
	require.Empty(t, d.problems)
	d.requireFewLines(t)
	d.requireStatus(t)
	failing, others := d.c.split(d.ids)
	require.GreaterOrEqual(t, d.pace(normal), 0.9, "what works keeps its pace")

	hours := (d.c.until - d.c.from).Hours()
	own := d.own()
	switch {
	case d.c.someSignIns(): // each that fails is one more
		require.LessOrEqual(t, own, normal.signIns(d.c.from, d.c.until)*3/2)
	case d.c.alternating && (d.c.part != incidentFails || others == nil): // a 429 requests a delay of 8 s
		require.LessOrEqual(t, own, 300)
	case d.c.part == listFails: // every 40 s on average
		require.LessOrEqual(t, float64(own), 30+100*hours)
	case others == nil: // the same, four at once
		require.LessOrEqual(t, float64(own), 100+400*hours)
	default:
		require.LessOrEqual(t, own, 4*normal.count(d.c.from, d.c.until, failing)+20*d.c.scope)
	}
	require.Positive(t, own, "otherwise nothing notices that it works again")
}

// own returns how many requests were sent to the failing part while it failed.
func (d *halfWorkingDay) own() int {
	if d.c.part == signInFails {
		return d.signIns(d.c.from, d.c.until)
	}
	failing, _ := d.c.split(d.ids)
	return d.count(d.c.from, d.c.until, failing)
}

// pace returns how many requests to the working parts were sent, as a share of a normal day's.
func (d *halfWorkingDay) pace(normal *halfWorkingDay) float64 {
	if d.c.part == signInFails {
		return 1 // nothing works without a token
	}
	_, others := d.c.split(d.ids)
	worst := 1.0
	if others != nil {
		worst = ratio(d, normal, others)
	}
	if d.c.part != listFails {
		worst = min(worst, ratio(d, normal, nil))
	}
	return worst
}

func ratio(d, normal *halfWorkingDay, ids []int64) float64 {
	return float64(d.count(d.c.from, d.c.until, ids)) / float64(normal.count(d.c.from, d.c.until, ids))
}

// requireFewLines requires that each failing incident and each state of the endpoint
// is logged at most once, with a second line when it is over. The plan at the start,
// the empty storage and a pause are logged too.
func (d *halfWorkingDay) requireFewLines(t *testing.T) {
	t.Helper()
	failing, _ := d.c.split(d.ids)
	most := len(failing) + 1
	switch {
	case d.c.alternating && d.c.fault == mixedFaults: // fifteen outages, each with another cause
		most = 20
	case d.c.alternating, d.c.someSignIns():
		most = 12
	}
	require.LessOrEqual(t, d.warnings, most, strings.Join(d.messages, "\n"))
	require.LessOrEqual(t, d.lines, 2*most+3, strings.Join(d.messages, "\n"))
}

// requireStatus requires that the status shows within a cycle what fails for all
// incidents, and is OK twenty minutes after that has ended. It does not show what
// fails for some.
func (d *halfWorkingDay) requireStatus(t *testing.T) {
	t.Helper()
	c := d.c
	outage := (c.part != incidentFails || c.scope == 0) && !c.believed()
	for at, failing := range d.errorAt {
		during, after := at >= c.from+halfWorkingCycle && at < c.until, at >= c.until+20*time.Minute
		switch {
		case c.alternating && !after, c.someSignIns() && at >= c.from && !after:
		case outage && during:
			require.True(t, failing, at)
		case !outage || after || at < c.from:
			require.False(t, failing, at)
		}
	}
	switch {
	case c.someSignIns(), c.alternating && c.fault == mixedFaults: // in the latter about one for each of fifteen outages
		require.LessOrEqual(t, len(d.statuses), 18, strings.Join(d.statuses, "\n"))
	case c.alternating:
		require.LessOrEqual(t, len(d.statuses), 10, strings.Join(d.statuses, "\n"))
	case outage:
		require.Len(t, d.statuses, 2, strings.Join(d.statuses, "\n"))
	default:
		require.Empty(t, d.statuses)
	}
}

// halfWorkingCells returns the whole matrix.
func halfWorkingCells() (cells []halfWorking) {
	phases := []halfWorking{{until: 24 * time.Hour}, {from: 6 * time.Hour, until: 12 * time.Hour}, {until: 6 * time.Hour}}
	for _, part := range []halfWorking{
		{part: incidentFails},
		{part: incidentFails, scope: 3},
		{part: incidentFails, scope: 1},
		{part: listFails},
		{part: signInFails},
		{part: signInFails, scope: 3},
	} {
		for _, fault := range halfWorkingFaults() {
			for _, c := range phases {
				c.part, c.scope, c.fault = part.part, part.scope, fault
				cells = append(cells, c)
			}
			cells = append(cells, part.alternate(fault, 0))
		}
		for seed := range uint64(3) {
			cells = append(cells, part.alternate(mixedFaults, seed))
		}
	}
	return cells
}

func (c halfWorking) alternate(fault string, seed uint64) halfWorking {
	c.fault, c.seed, c.from, c.until, c.alternating = fault, seed, time.Hour, 2*time.Hour, true
	return c
}

// fewHalfWorkingCells returns some of them, for a shorter time.
func fewHalfWorkingCells() []halfWorking {
	const from, until = time.Hour, 3 * time.Hour
	return []halfWorking{
		{part: incidentFails, fault: "403", from: from, until: until},
		{part: incidentFails, fault: "503", until: until},
		{part: incidentFails, fault: notFoundFault, from: from, until: until},
		{part: incidentFails, fault: "429", until: until},
		{part: incidentFails, scope: 3, fault: "500", from: from, until: until},
		{part: incidentFails, scope: 3, fault: "403", until: until},
		{part: incidentFails, scope: 1, fault: "429", from: from, until: until},
		{part: listFails, fault: "hang", from: from, until: until},
		{part: listFails, fault: "html", until: until},
		{part: signInFails, fault: "401", from: from, until: until},
		{part: signInFails, scope: 3, fault: "503", until: until},
		halfWorking{part: listFails}.alternate(mixedFaults, 0),
	}
}

// TestHalfOfTheAPIFails prints a row for each failure; the table of docs/half-working.md groups them.
func TestHalfOfTheAPIFails(t *testing.T) {
	cells, length := fewHalfWorkingCells(), 5*time.Hour
	if *simulate {
		cells, length = halfWorkingCells(), 26*time.Hour
	}
	t.Parallel()
	var normal *halfWorkingDay
	synctest.Test(t, func(t *testing.T) { normal = runHalfWorking(t, halfWorking{}, length) })
	require.Empty(t, normal.problems)
	var mu sync.Mutex
	var days []*halfWorkingDay
	t.Run("cells", func(t *testing.T) {
		for _, c := range cells {
			t.Run(c.String(), func(t *testing.T) {
				harness.Run(t, func(t *testing.T) {
					length := length
					if c.alternating {
						length = 5 * time.Hour
					}
					d := runHalfWorking(t, c, length)
					mu.Lock()
					days = append(days, d)
					mu.Unlock()
					d.require(t, normal)
				})
			})
		}
	})
	if *simulate {
		t.Log("\n" + halfWorkingTable(days, normal))
	}
}

// worstOf is a row of the table: the worst of several days.
type worstOf struct {
	name                      string
	warnings, lines, statuses int
	perHour, pace             float64
	catchUp                   time.Duration
}

// halfWorkingTable has a row for each endpoint, scope and fault.
func halfWorkingTable(days []*halfWorkingDay, normal *halfWorkingDay) string {
	rows := map[string]*worstOf{}
	for _, d := range days {
		name := fmt.Sprintf("%s | %s | %s", d.c.part, d.c.share(), d.c.fault)
		if d.c.alternating {
			name = fmt.Sprintf("%s | %s | %s", d.c.part, d.c.share(), "alternating")
			if d.c.fault == mixedFaults {
				name += ", of each kind"
			}
		}
		row := rows[name]
		if row == nil {
			row = &worstOf{name: name, pace: 1}
			rows[name] = row
		}
		row.warnings, row.lines, row.statuses = max(row.warnings, d.warnings), max(row.lines, d.lines), max(row.statuses, len(d.statuses))
		row.perHour = max(row.perHour, float64(d.own())/(d.c.until-d.c.from).Hours())
		row.pace, row.catchUp = min(row.pace, d.pace(normal)), max(row.catchUp, d.catchUp)
	}
	var table strings.Builder
	for _, row := range slices.SortedFunc(maps.Values(rows), func(a, b *worstOf) int { return cmp.Compare(a.name, b.name) }) {
		fmt.Fprintf(&table, "| %s | %d | %d | %d | %.0f | %+.0f %% | %v |\n", row.name, row.warnings, row.lines, row.statuses,
			row.perHour, 100*(row.pace-1), row.catchUp.Round(time.Minute))
	}
	return table.String()
}

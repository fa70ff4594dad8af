// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// reportSoak writes a report in Markdown to the log and to the file that
// -e2e.report names.
func (s *setup) reportSoak(v *vitals) {
	s.T.Helper()
	records := s.sink.Records()
	var text strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&text, format+"\n", values...) }

	line("| measure | value |\n|---|---|")
	line("| length | %v |", time.Since(v.began).Round(time.Second))
	line("| incidents | %d |", len(s.Sim.IDs()))
	line("| requests | %d, at most %d in a minute and %d in an hour |",
		len(s.requests()), s.Sim.MaxInWindow(time.Minute), s.Sim.MaxInWindow(time.Hour))
	line("| sign-ins | %d |", len(s.signIns(http.StatusOK)))
	line("| records expected | %d |", len(proof.Expected(s.Sim)))
	line("| records delivered | %d |", len(records))
	line("| of them repeats | %d |", proof.Repeats(records))
	line("| of them wrong or missing | %d |", len(proof.Exactly(s.Sim, records)))

	line("\n| the process | start | end | highest | may have grown by |\n|---|---|---|---|---|")
	for _, m := range v.measures() {
		start, end, highest := v.compare(m)
		line("| %s | %d | %d | %d | %d |", m.name, start, end, highest, m.growth)
	}

	byStatus, byFault := map[int]int{}, map[string]int{}
	for _, r := range s.requests() {
		byStatus[r.Status]++
		if r.Fault != "" {
			byFault[r.Fault]++
		}
	}
	line("\n| status | requests |\n|---|---|")
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		name := fmt.Sprint(status)
		if status == 0 {
			name = "no answer"
		}
		line("| %s | %d |", name, byStatus[status])
	}
	line("\n| fault | struck |\n|---|---|")
	for _, fault := range soakFaults(s.T) {
		line("| `%s` | %d |", fault, byFault[fault.String()])
	}

	s.T.Logf("\n%s", &text)
	if report != "" {
		require.NoError(s.T, os.WriteFile(report, []byte(text.String()), 0o600))
	}
}

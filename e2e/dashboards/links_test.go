// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository is the prefix of all links in alerts and dashboard.
const repository = "https://github.com/seed2514a141/defenderincidentsreceiver/blob/main/"

var (
	links    = regexp.MustCompile(regexp.QuoteMeta(repository) + `([\w/.-]+\.md)(?:#([\w-]+))?`)
	headings = regexp.MustCompile(`(?m)^#+ (.+)$`)
	unlinked = regexp.MustCompile(`[^\w\s-]`) // what GitHub leaves out of a heading's link
)

func TestLinksLeadToHeadings(t *testing.T) {
	for _, file := range []string{dashboardFile, rulesFile} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		found := links.FindAllStringSubmatch(string(text), -1)
		require.Len(t, found, strings.Count(string(text), "https://github.com/"), "%s: every link is looked at", file)
		for _, link := range found {
			page, err := os.ReadFile("../../" + link[1])
			require.NoError(t, err, file)
			var targets []string
			for _, heading := range headings.FindAllStringSubmatch(string(page), -1) {
				targets = append(targets, strings.ReplaceAll(strings.ToLower(unlinked.ReplaceAllString(heading[1], "")), " ", "-"))
			}
			if link[2] != "" {
				require.Contains(t, targets, link[2], "%s links to %s", file, link[1])
			}
		}
	}
}

func TestEveryAlertHasItsOwnRunbook(t *testing.T) {
	for _, r := range readRules(t).all() {
		require.Equal(t, repository+"docs/monitoring.md#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"])
	}
}

// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLinksBetweenDocumentsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, path := range files(t, ".md") {
		for _, match := range link.FindAllStringSubmatch(prose(t, path), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(match[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); assert.NoError(t, err, "%s links to %s", path, match[1]) && heading != "" {
				assert.Contains(t, headings(t, target), heading, "%s links to %s", path, match[1])
			}
		}
	}
}

func TestArchitecturePageNamesWhatExists(t *testing.T) {
	declaration := regexp.MustCompile(`(?m)^\t?(?:func (?:\([^)]*\) )?|type |var |const )?([A-Za-z]\w*)\b`)
	declared := map[string]bool{}
	for _, path := range files(t, ".go") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if !strings.HasSuffix(path, "_test.go") {
			for _, match := range declaration.FindAllStringSubmatch(string(text), -1) {
				declared[match[1]] = true
			}
		}
	}
	page := prose(t, "docs/architecture.md")
	names := regexp.MustCompile("`(?:\\w+\\.)?([A-Z]\\w*|[a-z]+[A-Z]\\w*)`").FindAllStringSubmatch(page, -1)
	for _, row := range regexp.MustCompile(`(?m)^\| .* \| (.*) \| .*_test\.go.* \|$`).FindAllStringSubmatch(page, -1) { // invariants: enforced in
		names = append(names, regexp.MustCompile("`(?:\\w+\\.)?(\\w+)`").FindAllStringSubmatch(row[1], -1)...)
	}
	require.Greater(t, len(names), 80)
	for _, match := range names {
		assert.True(t, declared[match[1]], "%s is not declared anywhere", match[0])
	}
	for _, match := range regexp.MustCompile("`((?:\\w+/)+\\w+\\.go)`").FindAllStringSubmatch(page, -1) {
		path := match[1]
		if _, err := os.Stat(path); err != nil {
			path = filepath.Join("internal", path)
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if strings.HasSuffix(path, "_test.go") {
			assert.Contains(t, string(text), "\nfunc Test", "%s has no test", path)
		}
	}
}

// files returns the paths of all files of the repository with this ending.
func files(t *testing.T, ending string) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == "build" || strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata"):
			return fs.SkipDir
		case strings.HasSuffix(path, ending):
			paths = append(paths, path)
		}
		return nil
	}))
	require.NotEmpty(t, paths)
	return paths
}

// prose is a document without its blocks of code.
func prose(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return regexp.MustCompile("(?ms)^ *```.*?^ *```").ReplaceAllString(string(text), "")
}

// headings returns the anchors of a document's headings, as GitHub makes them.
func headings(t *testing.T, path string) (anchors []string) {
	t.Helper()
	seen := map[string]int{}
	for _, match := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(prose(t, path), -1) {
		anchor := strings.ToLower(regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(match[1], ""))
		anchor = strings.ReplaceAll(anchor, " ", "-")
		if seen[anchor]++; seen[anchor] > 1 {
			anchor += "-" + string(rune('0'+seen[anchor]-1))
		}
		anchors = append(anchors, anchor)
	}
	return anchors
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const mit = `MIT License

Copyright (c) 2020 Contoso

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

// write writes files below a new directory and returns its path.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// linked returns packages of a module as licenseFiles takes them.
func linked(dir string, packages ...string) map[string]bool {
	dirs := map[string]bool{}
	for _, p := range packages {
		dirs[filepath.Join(dir, p)] = true
	}
	return dirs
}

func names(files []licenseFile) []string {
	all := make([]string, 0, len(files))
	for _, f := range files {
		all = append(all, f.name)
	}
	return all
}

func TestLicensesOfLinkedPackagesAndOfWhatIsAboveThemCount(t *testing.T) {
	dir := write(t, map[string]string{
		"LICENSE": mit, "NOTICE": "Contoso", "license.go": "package x", "README.md": "no license",
		"a/b/LICENSE.md": mit, "a/b/c/c.go": "package c", "unlinked/COPYING": "all rights reserved",
	})
	files, err := licenseFiles(dir, linked(dir, "a/b/c"))
	require.NoError(t, err)
	require.Equal(t, []string{"LICENSE", "NOTICE", "a/b/LICENSE.md"}, names(files))
	m := module{files: files}
	require.Equal(t, []string{"MIT"}, m.licenses())
}

func TestModuleWithoutALicenseIsAnError(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"none": {"x.go": "package x"}, "only a notice": {"NOTICE": "Contoso", "x.go": "package x"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, files)
			_, err := licenseFiles(dir, linked(dir, "."))
			require.ErrorContains(t, err, "no license file")
		})
	}
}

func TestLicenseThatIsNotRecognizedIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"none":                    "All rights reserved.",
		"with further conditions": mit + strings.Repeat("The Software must not be used for offering a service to third parties, except with the written consent of the holder. ", 10),
		"only a link":             "See https://opensource.org/licenses/MIT.",
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"LICENSE": text})
			_, err := licenseFiles(dir, linked(dir, "."))
			require.ErrorContains(t, err, "not recognized as a license")
		})
	}
}

func TestLicensesOfTheGPLAreNotAllowed(t *testing.T) {
	gpl := "GNU AFFERO GENERAL PUBLIC LICENSE"
	for _, id := range []string{"GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0", "SSPL-1.0", "BUSL-1.1"} {
		require.False(t, allowed(id))
		good := &module{path: "example.com/good", version: "v1.0.0", files: []licenseFile{{name: "LICENSE", text: mit, ids: []string{"MIT"}}}}
		bad := &module{path: "example.com/bad", version: "v1.2.3", files: []licenseFile{{name: "sub/COPYING", text: gpl, ids: []string{"Apache-2.0", id}}}}
		require.NoError(t, checkLicenses([]*module{good}))
		err := checkLicenses([]*module{good, bad})
		require.ErrorContains(t, err, "example.com/bad v1.2.3: "+id+" in sub/COPYING")
		require.NotContains(t, err.Error(), "good")
	}
}

func TestModulesComeFromTheGoCommand(t *testing.T) {
	modules, err := linkedModules(t.Context(), []string{"."})
	require.NoError(t, err)
	byPath := map[string]*module{}
	for _, m := range modules {
		byPath[m.path] = m
	}
	require.Equal(t, standardLibrary, modules[0].path)
	require.Equal(t, []string{"BSD-3-Clause"}, modules[0].licenses())
	require.Equal(t, []string{"BSD-3-Clause"}, byPath["github.com/google/licensecheck"].licenses())
	require.Contains(t, byPath["github.com/spdx/tools-golang"].licenses(), "Apache-2.0")
	require.NotContains(t, byPath, "github.com/rhysd/actionlint", "only in go.mod, not linked")
	require.NotContains(t, byPath, "github.com/seed2514a141/defenderincidentsreceiver/tools/release")
}

func TestModulesOfSeveralProgramsAreListedTogether(t *testing.T) {
	modules, err := linkedModules(t.Context(), []string{".", "../.."})
	require.NoError(t, err)
	var paths []string
	for _, m := range modules {
		paths = append(paths, m.path)
		require.NotEmpty(t, m.licenses(), m.path)
	}
	require.Contains(t, paths, "github.com/google/licensecheck", "only in the first")
	require.Contains(t, paths, "go.opentelemetry.io/collector/receiver", "only in the second")
	require.Equal(t, standardLibrary, paths[0])
	require.IsIncreasing(t, paths[1:])
}

func TestThirdPartyFileHasEachTextOnce(t *testing.T) {
	wrapped := strings.ReplaceAll(mit, "\nin the Software", " in the\nSoftware")
	file := string(thirdParty([]*module{
		{path: standardLibrary, files: []licenseFile{{"LICENSE", mit, []string{"MIT"}}}},
		{path: "example.com/a", version: "v1.0.0", files: []licenseFile{{"LICENSE", wrapped, []string{"MIT"}}, {"NOTICE", "Contoso\n", nil}}},
		{path: "example.com/b", version: "v2.0.0", files: []licenseFile{{"LICENSE", "Mozilla\n", []string{"MPL-2.0"}}}},
	}))
	require.Equal(t, 1, strings.Count(file, "Permission is hereby granted"))
	require.Contains(t, file, rule+standardLibrary+" (LICENSE)\nexample.com/a (LICENSE)\n"+rule+"\n"+mit)
	require.Contains(t, file, rule+"example.com/a (NOTICE)\n"+rule+"\nContoso\n")
	require.Regexp(t, `(?m)^example\.com/b v2\.0\.0 +MPL-2\.0$`, file)
	require.Contains(t, file, "\n  go mod download -json example.com/b@v2.0.0\n", "where the source is")
	require.NotContains(t, file, "download -json example.com/a")
}

func TestTextsAreNormalized(t *testing.T) {
	require.Equal(t, "a\n\n b\n", normalize("\uFEFF\n\na  \r\n\r\n b\t\n\n\n"))
}

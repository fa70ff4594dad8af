// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdxlib"
	"github.com/stretchr/testify/require"
)

// compile builds this very program for this machine.
func compile(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "otelcol-defender")
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-buildvcs=false", "-o", path}, flags...), ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return path
}

// published writes a release of a binary and returns what is in its files.
func published(t *testing.T, binary string) map[string]string {
	t.Helper()
	out := t.TempDir()
	require.NoError(t, run(t.Context(), []string{
		"package", "-sources", ".", "-version", "1.2.3", "-time", "1700000001", "-o", out, "-add", "../../LICENSE", binary,
	}))
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	files := map[string]string{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(out, entry.Name()))
		require.NoError(t, err)
		files[entry.Name()] = string(content)
	}
	return files
}

// releaseName is the name of the files for this machine. A distribution is named as
// the last element of its module's path: here that of this program.
const releaseName = "release_1.2.3_" + runtime.GOOS + "_" + runtime.GOARCH

func TestReleaseIsTheSameEachTimeAndComplete(t *testing.T) {
	path := compile(t, "-trimpath")
	first := published(t, path)
	require.Equal(t, first, published(t, path))

	document, archive := releaseName+".spdx.json", releaseName+".tar.gz"
	require.Len(t, first, 3)
	require.Equal(t, fmt.Sprintf("%x  %s\n%x  %s\n", sha256.Sum256([]byte(first[document])), document, sha256.Sum256([]byte(first[archive])), archive),
		first["SHA256SUMS"])
	license, err := os.ReadFile("../../LICENSE")
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		releaseName + "/otelcol-defender -rwxr-xr-x 1700000001": string(content),
		releaseName + "/LICENSE -rw-r--r-- 1700000001":          string(license),
	}, untar(t, first[archive]))
	requireSBOM(t, first[document], path, content)
}

func TestArchiveForWindowsIsAZip(t *testing.T) {
	r := release{time: time.Unix(1700000001, 0).UTC()}
	files := []file{{"otelcol-defender.exe", 0o755, []byte("binary")}, {"LICENSE", 0o644, []byte("license")}}
	first, err := r.zipped("name", files)
	require.NoError(t, err)
	second, err := r.zipped("name", files)
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Equal(t, map[string]string{
		"name/otelcol-defender.exe -rwxr-xr-x 1700000001": "binary", "name/LICENSE -rw-r--r-- 1700000001": "license",
	}, unzip(t, first))
}

// untar returns the contents of an archive by name, mode and time.
func untar(t *testing.T, content string) map[string]string {
	t.Helper()
	text, err := gzip.NewReader(strings.NewReader(content))
	require.NoError(t, err)
	files := map[string]string{}
	for archive := tar.NewReader(text); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		body, err := io.ReadAll(archive)
		require.NoError(t, err)
		files[fmt.Sprintf("%s %v %d", header.Name, header.FileInfo().Mode(), header.ModTime.Unix())] = string(body)
	}
}

func unzip(t *testing.T, content []byte) map[string]string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	files := map[string]string{}
	for _, f := range archive.File {
		r, err := f.Open()
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		files[fmt.Sprintf("%s %v %d", f.Name, f.Mode(), f.Modified.Unix())] = string(body)
	}
	return files
}

// requireSBOM checks that an SBOM lists what is in the binary.
func requireSBOM(t *testing.T, text, path string, content []byte) {
	t.Helper()
	document, err := json.Read(strings.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, spdxlib.ValidateDocument(document))
	require.Equal(t, "SPDX-2.3", document.SPDXVersion)
	require.Equal(t, "CC0-1.0", document.DataLicense)
	require.Equal(t, releaseName, document.DocumentName)
	require.Equal(t, time.Unix(1700000001, 0).UTC().Format(time.RFC3339), document.CreationInfo.Created)
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	require.Contains(t, document.DocumentNamespace, sum, "unique to this binary")

	packages := map[string]*spdx.Package{}
	for _, p := range document.Packages {
		require.NotEmpty(t, p.PackageLicenseConcluded, p.PackageName)
		require.Equal(t, "purl", p.PackageExternalReferences[0].RefType)
		packages[p.PackageName] = p
	}
	main := packages["release"]
	require.Equal(t, "1.2.3", main.PackageVersion)
	require.Equal(t, sum, main.PackageChecksums[0].Value)
	described, err := spdxlib.GetDescribedPackageIDs(document)
	require.NoError(t, err)
	require.Equal(t, []spdx.ElementID{main.PackageSPDXIdentifier}, described)

	require.Equal(t, "BSD-3-Clause", packages[standardLibrary].PackageLicenseConcluded)
	dep := packages["github.com/google/licensecheck"]
	require.Equal(t, "v0.3.1", dep.PackageVersion)
	require.Equal(t, "BSD-3-Clause", dep.PackageLicenseConcluded)
	require.Equal(t, "pkg:golang/github.com/google/licensecheck@v0.3.1", dep.PackageExternalReferences[0].Locator)
	require.Contains(t, dep.PackageSourceInfo, "h1:")
	b, err := open(path)
	require.NoError(t, err)
	require.Len(t, packages, len(b.info.Deps)+2, "all modules, the standard library, the collector")
	require.Len(t, document.Relationships, len(packages))
}

func TestModuleThatTheSourcesDoNotLinkIsAnError(t *testing.T) {
	b, err := open(compile(t, "-trimpath"))
	require.NoError(t, err)
	_, err = release{version: "1.2.3"}.sbom("name", b)
	require.ErrorContains(t, err, "is not among the modules")
}

func TestBinaryThatDependsOnItsDirectoryIsAnError(t *testing.T) {
	_, err := open(compile(t))
	require.ErrorContains(t, err, "without -trimpath")
}

func TestPlusSignsOfVersionsAreEscaped(t *testing.T) {
	require.Equal(t, "pkg:golang/example.com/a@v2.0.0%2Bincompatible", purl("example.com/a", "v2.0.0+incompatible"))
}

func TestMissingArgumentsAreAnError(t *testing.T) {
	for _, args := range [][]string{nil, {"licenses"}, {"-h"}, {"other", "-sources", ".", "-o", "x"}, {"package", "-sources", ".", "-o", "x"}} {
		require.ErrorIs(t, run(t.Context(), args), errUsage)
	}
}

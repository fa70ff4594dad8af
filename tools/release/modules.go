// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// targets returns the systems that releases are built for, as GOOS/GOARCH. Each
// links packages that the others do not.
func targets() []string {
	return []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}
}

// standardLibrary is the name under which the Go standard library and runtime
// appear among the modules.
const standardLibrary = "Go standard library"

// module is a module that is linked into a collector.
type module struct {
	path, version string // version is empty for the standard library
	dir           string
	files         []licenseFile // sorted by name
}

// licenseFile is a license or a notice in a module.
type licenseFile struct {
	name string // path in the module, with slashes
	text string
	ids  []string // SPDX identifiers, sorted; none for a notice
}

// name returns what identifies the module: its path and version.
func (m *module) name() string {
	return strings.TrimSpace(m.path + " " + m.version)
}

// licenses returns the SPDX identifiers of all license files of the module,
// sorted.
func (m *module) licenses() []string {
	ids := map[string]bool{}
	for _, f := range m.files {
		for _, id := range f.ids {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath, Dir string
	Standard        bool
	Module          *struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version string }
	}
}

// linkedModules returns the modules of all packages that are linked into one of the
// programs in dirs on any of the targets, sorted by path, and the standard library
// first. It leaves out the programs' own modules and modules that are replaced by
// a directory: those are this repository.
func linkedModules(ctx context.Context, dirs []string) ([]*module, error) {
	packages := map[string]map[string]bool{} // directories of linked packages by module
	byName := map[string]*module{}           // path and version, which two programs may have in different ones
	for _, dir := range dirs {
		for _, target := range targets() {
			all, err := list(ctx, dir, target)
			if err != nil {
				return nil, err
			}
			for _, p := range all {
				m, err := moduleOf(p)
				if err != nil {
					return nil, err
				}
				if m == nil {
					continue
				}
				if byName[m.name()] == nil {
					byName[m.name()], packages[m.name()] = m, map[string]bool{}
				}
				packages[m.name()][p.Dir] = true
			}
		}
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	goroot := strings.TrimSpace(string(root))
	standard := &module{path: standardLibrary, dir: goroot}
	modules := []*module{standard}
	packages[standard.name()] = map[string]bool{goroot: true}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		modules = append(modules, byName[name])
	}
	for _, m := range modules {
		if m.files, err = licenseFiles(m.dir, packages[m.name()]); err != nil {
			return nil, fmt.Errorf("%s: %w", m.path, err)
		}
	}
	return modules, nil
}

// moduleOf returns the module of a package; nil if its license is not of
// interest.
func moduleOf(p listed) (*module, error) {
	switch {
	case p.Standard:
		return nil, nil
	case p.Module == nil:
		return nil, fmt.Errorf("package %s has no module", p.ImportPath)
	case p.Module.Main:
		return nil, nil
	case p.Module.Replace == nil:
		return &module{path: p.Module.Path, version: p.Module.Version, dir: p.Module.Dir}, nil
	case p.Module.Replace.Version == "":
		return nil, nil
	default:
		return &module{path: p.Module.Replace.Path, version: p.Module.Replace.Version, dir: p.Module.Dir}, nil
	}
}

// list returns the packages that the program in dir consists of on a target.
func list(ctx context.Context, dir, target string) ([]listed, error) {
	system, architecture, found := strings.Cut(target, "/")
	if !found {
		return nil, fmt.Errorf("target %q is not GOOS/GOARCH", target)
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,Dir,Standard,Module", ".")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+architecture, "CGO_ENABLED=0")
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w", target, err)
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", target, err)
		}
		all = append(all, p)
	}
}

var (
	licenseName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-._].*)?$`)
	noticeName  = regexp.MustCompile(`(?i)^notice([-._].*)?$`)
	sourceName  = regexp.MustCompile(`(?i)\.(go|s|c|h|tmpl|sh|py|json|ya?ml|html)$`)
)

// licenseFiles returns the licenses and notices that apply to the packages of a
// module: those in a package's directory or above it, up to the module's.
func licenseFiles(moduleDir string, packageDirs map[string]bool) ([]licenseFile, error) {
	dirs := map[string]bool{}
	for dir := range packageDirs {
		for ; ; dir = filepath.Dir(dir) {
			if rel, err := filepath.Rel(moduleDir, dir); err != nil || strings.HasPrefix(rel, "..") {
				return nil, fmt.Errorf("package in %s is not below %s", dir, moduleDir)
			}
			dirs[dir] = true
			if dir == moduleDir {
				break
			}
		}
	}
	var files []licenseFile
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := entry.Name()
			license := licenseName.MatchString(name)
			if !entry.Type().IsRegular() || sourceName.MatchString(name) || !license && !noticeName.MatchString(name) {
				continue
			}
			file, err := readLicense(moduleDir, filepath.Join(dir, name), license)
			if err != nil {
				return nil, err
			}
			files = append(files, file)
		}
	}
	if !slices.ContainsFunc(files, func(f licenseFile) bool { return len(f.ids) > 0 }) {
		return nil, fmt.Errorf("no license file in %s", moduleDir)
	}
	return files, nil
}

// minCoverage is the share of a license file that must be known text, in
// percent. The rest are names, years and headings.
const minCoverage = 75

func readLicense(moduleDir, path string, classify bool) (licenseFile, error) {
	content, err := os.ReadFile(path) //nolint:gosec // a file of a module
	if err != nil {
		return licenseFile{}, err
	}
	rel, err := filepath.Rel(moduleDir, path)
	if err != nil {
		return licenseFile{}, err
	}
	file := licenseFile{name: filepath.ToSlash(rel), text: normalize(string(content))}
	if !classify {
		return file, nil
	}
	file.ids, err = identify(content)
	if err != nil {
		return licenseFile{}, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// identify returns the SPDX identifiers of the licenses in a text, sorted.
func identify(text []byte) ([]string, error) {
	coverage := licensecheck.Scan(text)
	ids := map[string]bool{}
	for _, match := range coverage.Match {
		if !match.IsURL {
			ids[match.ID] = true
		}
	}
	if len(ids) == 0 || coverage.Percent < minCoverage {
		return nil, fmt.Errorf("not recognized as a license: %.0f %% is known text, of %v", coverage.Percent, slices.Sorted(maps.Keys(ids)))
	}
	return slices.Sorted(maps.Keys(ids)), nil
}

// normalize makes equal texts equal that differ in line ends, trailing spaces or
// empty lines around them.
func normalize(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\f\uFEFF")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n\uFEFF") + "\n"
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// release is what one version of the collector is published as.
type release struct {
	version string
	time    time.Time // of the commit; the only time in what is written
	dir     string
	further []string // files that each archive has beside the binary
	modules []*module
}

// binary is a collector that was built for one target.
type binary struct {
	distribution string // otelcol-defender or otelcol-defender-kubernetes
	name         string // otelcol-defender, on Windows with .exe
	system, arch string
	content      []byte
	info         *debug.BuildInfo
}

// file is a file in an archive.
type file struct {
	name    string
	mode    os.FileMode
	content []byte
}

// write writes an archive and an SBOM of each binary, and SHA256SUMS, into the
// directory.
func (r release) write(binaries []string) error {
	further := make([]file, 0, len(r.further))
	for _, path := range r.further {
		content, err := os.ReadFile(path) //nolint:gosec // a file of this repository, from the command line
		if err != nil {
			return err
		}
		further = append(further, file{filepath.Base(path), 0o644, content})
	}
	var sums []string
	write := func(name string, content []byte) error {
		sums = append(sums, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name))
		return os.WriteFile(filepath.Join(r.dir, name), content, 0o644) //nolint:gosec // for everybody to read
	}
	for _, path := range binaries {
		b, err := open(path)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s_%s_%s_%s", b.distribution, r.version, b.system, b.arch)
		pack, suffix := r.tarball, ".tar.gz"
		if b.system == "windows" {
			pack, suffix = r.zipped, ".zip"
		}
		archive, err := pack(name, append([]file{{b.name, 0o755, b.content}}, further...))
		if err != nil {
			return err
		}
		if err := write(name+suffix, archive); err != nil {
			return err
		}
		document, err := r.sbom(name, b)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := write(name+".spdx.json", document); err != nil {
			return err
		}
	}
	slices.SortFunc(sums, func(a, b string) int { return strings.Compare(a[2*sha256.Size:], b[2*sha256.Size:]) })
	return os.WriteFile(filepath.Join(r.dir, "SHA256SUMS"), []byte(strings.Join(sums, "")), 0o644) //nolint:gosec // for everybody to read
}

// open reads a binary and what the go command recorded in it.
func open(filename string) (binary, error) {
	content, err := os.ReadFile(filename) //nolint:gosec // a file of this repository, from the command line
	if err != nil {
		return binary{}, err
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return binary{}, fmt.Errorf("%s: %w", filename, err)
	}
	b := binary{distribution: path.Base(info.Main.Path), name: filepath.Base(filename), content: content, info: info}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b.system, b.arch = settings["GOOS"], settings["GOARCH"]
	if b.system == "" || b.arch == "" {
		return binary{}, fmt.Errorf("%s has no build information about its system", filename)
	}
	if settings["-trimpath"] != "true" || settings["CGO_ENABLED"] != "0" {
		return binary{}, fmt.Errorf("%s was built without -trimpath or with cgo", filename)
	}
	return b, nil
}

func (r release) tarball(name string, files []file) ([]byte, error) {
	var out bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Name: name + "/" + f.name, Mode: int64(f.mode), Size: int64(len(f.content)), ModTime: r.time, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (r release) zipped(name string, files []file) ([]byte, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, f := range files {
		header := &zip.FileHeader{Name: name + "/" + f.name, Method: zip.Deflate, Modified: r.time}
		header.SetMode(f.mode)
		w, err := archive.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

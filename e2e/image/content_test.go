// SPDX-License-Identifier: Apache-2.0

//go:build linux

package image

import (
	"crypto/sha256"
	"crypto/x509"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// image is the part of an OCI image configuration that decides how it runs.
type image struct {
	Architecture string `json:"architecture"`
	Config       struct {
		User       string
		Env        []string
		Entrypoint []string
		Cmd        []string
		Volumes    map[string]any
		Labels     map[string]string
	} `json:"config"`
}

// describe returns the configuration of the image.
func describe(t *testing.T) image {
	t.Helper()
	text, err := os.ReadFile(description)
	require.NoError(t, err)
	var inspected struct{ OCIv1 image }
	require.NoError(t, json.Unmarshal(text, &inspected))
	return inspected.OCIv1
}

func TestImageHasOnlyWhatTheCollectorNeeds(t *testing.T) {
	modes := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		if path == root { // its mode is the container runtime's
			return nil
		}
		info, err := entry.Info()
		require.NoError(t, err)
		owner := info.Sys().(*syscall.Stat_t).Uid
		modes[strings.TrimPrefix(path, root)] = info.Mode().String() + " " + strconv.Itoa(int(owner))
		return nil
	}))
	const directory, file = "drwxr-xr-x 0", "-rw-r--r-- 0"
	require.Equal(t, map[string]string{
		"/etc": directory, "/etc/ssl": directory, "/etc/ssl/certs": directory, "/licenses": directory,
		"/var": directory, "/var/lib": directory,
		"/etc/ssl/certs/ca-certificates.crt": file, "/licenses/LICENSE": file, "/licenses/THIRD_PARTY_LICENSES.txt": file,
		"/otelcol-defender":         "-rwxr-xr-x 0",
		"/var/lib/otelcol-defender": "drwxr-xr-x 10001",
	}, modes, "no shell, no library, nothing that the user may write to but its storage")
}

func TestImageSaysWhatItIs(t *testing.T) {
	config := describe(t).Config
	require.Equal(t, "10001:10001", config.User, "Kubernetes recognizes only a number as not root")
	require.Equal(t, []string{"/otelcol-defender"}, config.Entrypoint)
	require.Equal(t, []string{"--config=/etc/otelcol-defender/config.yaml"}, config.Cmd)
	require.Empty(t, config.Volumes)
	for _, variable := range config.Env {
		require.True(t, strings.HasPrefix(variable, "PATH="), variable)
	}

	var manifest struct {
		Dist struct{ Version, Description string }
	}
	text, err := os.ReadFile("../../builder-config.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &manifest))
	label := func(name string) string { return config.Labels["org.opencontainers.image."+name] }
	require.Equal(t, distribution, label("title"))
	require.Equal(t, manifest.Dist.Version, label("version"))
	require.Equal(t, manifest.Dist.Description, label("description"))
	require.Equal(t, "Apache-2.0", label("licenses"))
	require.Regexp(t, "^https://", label("source"))
	require.Regexp(t, "^https://", label("documentation"))
	require.Regexp(t, "^[0-9a-f]{40}(-modified)?$", label("revision"))
	created, err := time.Parse(time.RFC3339, label("created"))
	require.NoError(t, err)
	require.Greater(t, created.Year(), 2000)
}

func TestBinaryIsStaticAndTheSameFromAnotherDirectory(t *testing.T) {
	path := filepath.Join(root, "otelcol-defender")
	inside, err := os.ReadFile(path)
	require.NoError(t, err)
	outside, err := os.ReadFile(collector)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(outside), sha256.Sum256(inside), "%s and the image's binary differ: the build is not reproducible", collector)

	binary, err := elf.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, binary.Close()) }()
	libraries, err := binary.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
	for _, program := range binary.Progs {
		require.NotEqual(t, elf.PT_INTERP, program.Type)
	}
}

func TestCertificatesAreThoseOfPublicAuthorities(t *testing.T) {
	bundle, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	require.NoError(t, err)
	names := map[string]bool{}
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		require.True(t, certificate.IsCA)
		names[certificate.Subject.CommonName] = true
	}
	// The roots of login.microsoftonline.com, api.security.microsoft.com and
	// graph.microsoft.com.
	require.Contains(t, names, "DigiCert Global Root G2")
	require.Contains(t, names, "Microsoft RSA Root Certificate Authority 2017")
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
)

const (
	repository  = "https://github.com/seed2514a141/defenderincidentsreceiver"
	ownLicense  = "Apache-2.0"
	noAssertion = "NOASSERTION"
)

// sbom returns an SPDX 2.3 document in JSON that lists what is linked into a
// binary: the modules that the go command recorded in it, with their licenses,
// and the standard library.
func (r release) sbom(name string, b binary) ([]byte, error) {
	licenses := map[string]string{} // by name
	for _, m := range r.modules {
		licenses[m.name()] = strings.Join(m.licenses(), " AND ")
	}
	sum := sha256.Sum256(b.content)
	checksum := hex.EncodeToString(sum[:])
	collector := newPackage(b.distribution, r.version, ownLicense, "pkg:golang/"+b.info.Main.Path+"@v"+r.version)
	collector.PackageFileName = b.name
	collector.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: checksum}}
	collector.PrimaryPackagePurpose = "APPLICATION"
	collector.PackageHomePage = repository
	packages := []*spdx.Package{collector}
	add := func(p *spdx.Package) {
		p.PrimaryPackagePurpose = "LIBRARY"
		packages = append(packages, p)
	}

	goVersion := strings.TrimPrefix(b.info.GoVersion, "go")
	add(newPackage(standardLibrary, goVersion, licenses[standardLibrary], "pkg:golang/stdlib@"+goVersion))
	for _, dep := range b.info.Deps {
		p, err := r.packageOf(dep, licenses)
		if err != nil {
			return nil, err
		}
		add(p)
	}

	document := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName:      name,
		DocumentNamespace: repository + "/spdx/" + name + "-" + checksum,
		CreationInfo: &spdx.CreationInfo{
			Created:  r.time.Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "defenderincidentsreceiver-release"}},
		},
		Packages: packages,
	}
	for i, p := range packages {
		p.PackageSPDXIdentifier = common.ElementID(fmt.Sprintf("Package-%d", i))
		from, relation := collector.PackageSPDXIdentifier, common.TypeRelationshipContains
		if p == collector {
			from, relation = document.SPDXIdentifier, common.TypeRelationshipDescribe
		}
		document.Relationships = append(document.Relationships, &spdx.Relationship{
			RefA: common.MakeDocElementID("", string(from)), Relationship: relation,
			RefB: common.MakeDocElementID("", string(p.PackageSPDXIdentifier)),
		})
	}
	var out bytes.Buffer
	if err := json.Write(document, &out, json.Indent("  "), json.EscapeHTML(false)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// packageOf returns the package of a module that is linked into a binary.
func (r release) packageOf(dep *debug.Module, licenses map[string]string) (*spdx.Package, error) {
	if dep.Replace != nil && dep.Replace.Sum == "" { // by a directory of this repository
		return newPackage(dep.Path, "v"+r.version, ownLicense, purl(dep.Path, "v"+r.version)), nil
	}
	if dep.Replace != nil {
		dep = dep.Replace
	}
	license, known := licenses[dep.Path+" "+dep.Version]
	if !known {
		return nil, fmt.Errorf("%s %s is linked, but is not among the modules of the collector's sources", dep.Path, dep.Version)
	}
	p := newPackage(dep.Path, dep.Version, license, purl(dep.Path, dep.Version))
	p.PackageSourceInfo = "go.sum: " + dep.Sum
	return p, nil
}

// purl returns the package URL of a module.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + url.QueryEscape(version)
}

func newPackage(name, version, license, locator string) *spdx.Package {
	return &spdx.Package{
		PackageName: name, PackageVersion: version,
		PackageSupplier:         &common.Supplier{Supplier: noAssertion},
		PackageDownloadLocation: noAssertion,
		PackageLicenseConcluded: license, PackageLicenseDeclared: license,
		PackageCopyrightText: noAssertion,
		PackageExternalReferences: []*spdx.PackageExternalReference{
			{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: locator},
		},
	}
}

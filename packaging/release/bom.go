package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bom returns the SBOM of the program: CycloneDX 1.6 in JSON. It lists the modules that the linker
// recorded in the program: only those that are compiled in.
func (r release) bom(modules []module) ([]byte, error) {
	program, err := os.ReadFile(r.binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(program)
	ref := packageURL(mainModule, r.version) + "?goarch=" + r.arch + "&goos=" + r.os
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.time.Format(time.RFC3339),
		Component: &cdx.Component{
			BOMRef: ref, PackageURL: ref, Type: cdx.ComponentTypeApplication, Name: mainModule, Version: r.version,
			Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
			Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
		},
	}
	var components []cdx.Component
	var refs []string
	dependencies := []cdx.Dependency{{Ref: ref, Dependencies: &refs}}
	for _, m := range modules {
		c := cdx.Component{
			BOMRef: packageURL(m.path, m.version), PackageURL: packageURL(m.path, m.version),
			Type: cdx.ComponentTypeLibrary, Name: m.path, Version: m.version, Scope: cdx.ScopeRequired,
		}
		var licenses cdx.Licenses
		for _, id := range m.licenses {
			licenses = append(licenses, cdx.LicenseChoice{License: &cdx.License{ID: id}})
		}
		c.Licenses = &licenses
		if m.sum != "" { // Go's own kind of hash, for which CycloneDX has no algorithm
			c.Properties = &[]cdx.Property{{Name: "weigate:go:sum", Value: m.sum}}
		}
		components = append(components, c)
		refs = append(refs, c.BOMRef)
		dependencies = append(dependencies, cdx.Dependency{Ref: c.BOMRef})
	}
	bom.Components, bom.Dependencies = &components, &dependencies
	var out bytes.Buffer
	err = cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
	return out.Bytes(), err
}

// packageURL returns the package URL (purl) of a Go module.
func packageURL(path, version string) string {
	return "pkg:golang/" + strings.ToLower(path) + "@" + url.PathEscape(version)
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const (
	mainModule  = "github.com/weigate/weigate"
	noAssertion = "NOASSERTION" // SPDX: nothing is said about it
)

// spdx returns the SBOM of the program as SPDX 2.3 in JSON, with the same modules as bom.
func (r release) spdx(modules []module) ([]byte, error) {
	program, err := os.ReadFile(r.binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(program)
	application := &v2_3.Package{
		PackageName: mainModule, PackageSPDXIdentifier: "weigate", PackageVersion: r.version,
		PackageDownloadLocation: noAssertion, PackageLicenseConcluded: "Apache-2.0", PackageLicenseDeclared: "Apache-2.0",
		PackageCopyrightText: noAssertion, PrimaryPackagePurpose: "APPLICATION",
		PackageSupplier:  &common.Supplier{SupplierType: "Organization", Supplier: "Weigate"},
		PackageChecksums: []common.Checksum{{Algorithm: common.SHA256, Value: hex.EncodeToString(sum[:])}},
		PackageExternalReferences: purl(packageURL(mainModule, r.version) + "?goarch=" + r.arch + "&goos=" +
			r.os),
	}
	document := &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: r.name(),
		// SPDX requires a name of its own for each document. Nothing is served there.
		DocumentNamespace: fmt.Sprintf("https://%s/spdx/%s-%x", mainModule, r.name(), sum[:8]),
		CreationInfo: &v2_3.CreationInfo{
			Created:  r.time.Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "weigate-packaging-release"}},
		},
		Packages:      []*v2_3.Package{application},
		Relationships: []*v2_3.Relationship{relationship("DOCUMENT", common.TypeRelationshipDescribe, "weigate")},
	}
	for i, m := range modules {
		id := common.ElementID(fmt.Sprintf("module-%d", i+1))
		expression := strings.Join(m.licenses, " AND ")
		p := &v2_3.Package{
			PackageName: m.path, PackageSPDXIdentifier: id, PackageVersion: m.version,
			PackageDownloadLocation: noAssertion, PackageLicenseConcluded: expression, PackageLicenseDeclared: expression,
			PackageCopyrightText: noAssertion, PrimaryPackagePurpose: "LIBRARY",
			PackageExternalReferences: purl(packageURL(m.path, m.version)),
		}
		if m.sum != "" { // Go's own kind of hash, for which SPDX has no algorithm
			p.PackageComment = "go.sum: " + m.sum
		}
		document.Packages = append(document.Packages, p)
		document.Relationships = append(document.Relationships,
			relationship("weigate", common.TypeRelationshipDependsOn, id))
	}
	var out bytes.Buffer
	err = spdxjson.Write(document, &out, spdxjson.Indent("  "), spdxjson.EscapeHTML(false))
	return out.Bytes(), err
}

func purl(url string) []*v2_3.PackageExternalReference {
	return []*v2_3.PackageExternalReference{{
		Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: url,
	}}
}

func relationship(from common.ElementID, kind string, to common.ElementID) *v2_3.Relationship {
	return &v2_3.Relationship{
		RefA: common.DocElementID{ElementRefID: from}, Relationship: kind, RefB: common.DocElementID{ElementRefID: to},
	}
}

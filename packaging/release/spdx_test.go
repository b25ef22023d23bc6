package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"
)

// checkSPDX reads an SBOM with SPDX's own library, and checks what SPDX 2.3 requires of each package: a
// unique id, and licences of SPDX's list. It has the same modules as the SBOM of CycloneDX.
func checkSPDX(t *testing.T, text, bom []byte) {
	t.Helper()
	document, err := spdxjson.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(document); err != nil {
		t.Error(err)
	}
	described, err := spdxlib.GetDescribedPackageIDs(document)
	if err != nil || len(described) != 1 || described[0] != "weigate" {
		t.Errorf("it describes %v, %v", described, err)
	}
	if document.SPDXVersion != "SPDX-2.3" || document.DataLicense != "CC0-1.0" ||
		!strings.HasPrefix(document.DocumentNamespace, "https://") || strings.Contains(document.DocumentNamespace, "#") ||
		document.CreationInfo.Created != "2027-01-15T08:00:00Z" || len(document.CreationInfo.Creators) == 0 {
		t.Errorf("the head of the document: %.600s", text)
	}
	known, ids := spdxLicenses(t), map[string]bool{}
	for _, p := range document.Packages {
		id := string(p.PackageSPDXIdentifier)
		if ids[id] || !regexp.MustCompile(`^[A-Za-z0-9.-]+$`).MatchString(id) {
			t.Errorf("the id %q occurs twice or is invalid", id)
		}
		ids[id] = true
		for license := range strings.SplitSeq(p.PackageLicenseConcluded, " AND ") {
			if !slices.Contains(known, license) {
				t.Errorf("%s has the licence %q, which SPDX does not know", p.PackageName, license)
			}
		}
		if len(p.PackageExternalReferences) != 1 ||
			!bytes.Contains(bom, []byte(`"`+p.PackageExternalReferences[0].Locator+`"`)) &&
				p.PackageName != mainModule {
			t.Errorf("the SBOM of CycloneDX has no %s", p.PackageName)
		}
	}
	var other struct {
		Components []json.RawMessage `json:"components"`
	}
	if err := json.Unmarshal(bom, &other); err != nil || len(other.Components)+1 != len(document.Packages) {
		t.Errorf("%d packages, and %d components in CycloneDX (%v)", len(document.Packages), len(other.Components), err)
	}
	if len(document.Packages[0].PackageChecksums) != 1 || !ids["module-1"] {
		t.Errorf("no hash of the program, or no modules:\n%.600s", text)
	}
}

// spdxLicenses returns SPDX's list of licences, which the module of CycloneDX contains.
func spdxLicenses(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "schema", "spdx.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Enum []string }
	if err := json.Unmarshal(text, &list); err != nil || len(list.Enum) == 0 {
		t.Fatalf("%d licences, %v", len(list.Enum), err)
	}
	return list.Enum
}

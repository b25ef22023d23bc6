package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var epoch = time.Unix(1_800_000_000, 0).UTC()

// program returns the path of a weigate. "make test" has built one; otherwise the test's own program
// takes its place, which has dependencies too.
func program(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("WEIGATE_PROGRAM"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "weigate")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// source returns the root of the module whose dependencies the program has.
func source() string {
	if os.Getenv("WEIGATE_PROGRAM") != "" {
		return "../.."
	}
	return ".."
}

// The same program gives the same bytes, whatever the folder, the time and the modes of the files
// are. "make release-check" builds the programs twice too.
func TestFilesAreReproducible(t *testing.T) {
	t.Parallel()
	binary := program(t)
	for _, system := range []string{"linux", "windows"} {
		var made [2]map[string][]byte
		for i := range made {
			r := release{source: source(), binary: binary, version: "v1.2.3", os: system, arch: "amd64", time: epoch,
				out: t.TempDir()}
			if err := r.write(filepath.Join(t.TempDir(), "notices")); err != nil {
				t.Fatal(err)
			}
			made[i] = map[string][]byte{}
			names, err := filepath.Glob(r.out + "/*")
			if err != nil || len(names) != 3 {
				t.Fatalf("%v, %v", names, err)
			}
			for _, name := range names {
				if made[i][filepath.Base(name)], err = os.ReadFile(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, content := range made[0] {
			if !bytes.Equal(content, made[1][name]) {
				t.Errorf("%s differs", name)
			}
		}
		if system == "linux" {
			checkTar(t, made[0]["weigate_1.2.3_linux_amd64.tar.gz"])
		} else {
			checkZip(t, made[0]["weigate_1.2.3_windows_amd64.zip"])
		}
		bom := made[0]["weigate_1.2.3_"+system+"_amd64.cdx.json"]
		checkBOM(t, bom)
		checkSPDX(t, made[0]["weigate_1.2.3_"+system+"_amd64.spdx.json"], bom)
	}
}

// checkTar checks the names, times and owners of an archive.
func checkTar(t *testing.T, archive []byte) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(epoch) || h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s: time %s, owner %d:%d", h.Name, h.ModTime, h.Uid, h.Gid)
		}
		if want := fs.FileMode(0o644); h.FileInfo().Mode() != want && !strings.HasSuffix(h.Name, "/weigate") {
			t.Errorf("%s: mode %s", h.Name, h.FileInfo().Mode())
		}
		names = append(names, h.Name)
	}
	for _, want := range []string{"weigate", "THIRD-PARTY-NOTICES.txt"} {
		if !slices.Contains(names, "weigate_1.2.3_linux_amd64/"+want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
}

func checkZip(t *testing.T, archive []byte) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		if !f.Modified.Equal(epoch) {
			t.Errorf("%s: time %s", f.Name, f.Modified)
		}
	}
}

// checkBOM validates an SBOM with the schema of CycloneDX.
func checkBOM(t *testing.T, bom []byte) {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	folder := filepath.Join(strings.TrimSpace(string(out)), "schema")
	for _, name := range []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json"} {
		file := name
		if name == "jsf-0.82.schema.json" {
			file = "jsf-0.82.schemax.json"
		}
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+name, document); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(bom))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(document); err != nil {
		t.Errorf("the SBOM is invalid: %v", err)
	}
	if !bytes.Contains(bom, []byte(`"pkg:golang/std@`)) || !bytes.Contains(bom, []byte(`"SHA-256"`)) {
		t.Errorf("the SBOM has no standard library, or no hash of the program:\n%.600s", bom)
	}
}

// A licence that nobody has read stops the release.
func TestUnknownLicence(t *testing.T) {
	t.Parallel()
	if id, err := identify("You may use this program on Tuesdays only."); err == nil {
		t.Errorf("it is %s", id)
	}
}

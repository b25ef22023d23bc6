package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestLinksOfACopy(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"docs/en/a.md":          "[b](b.md#part), [c](../../CHANGELOG.md), [d](../../packaging/prometheus/alerts.yaml)",
		"docs/en/b.md":          "[e](https://example.com/x), [f](#g), ![h](../images/h.jpg)",
		"docs/images/h.jpg":     "",
		"changelog.gz":          "",
		"examples/prometheus/a": "",
		"examples/README.md":    "[i](../wechat/doc.go), [j](../internal/cli)",
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := release{source: "../..", version: "v1.2.3"}
	err := rewriteDocuments(r, folder, []string{"CHANGELOG.md=changelog.gz", "packaging/=examples/"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"docs/en/a.md": "[b](b.md#part), [c](../../changelog.gz), [d](" +
			"https://github.com/weigate/weigate/blob/v1.2.3/packaging/prometheus/alerts.yaml)",
		"docs/en/b.md": "[e](https://example.com/x), [f](#g), ![h](../images/h.jpg)",
		"examples/README.md": "[i](https://github.com/weigate/weigate/blob/v1.2.3/wechat/doc.go), " +
			"[j](https://github.com/weigate/weigate/tree/v1.2.3/internal/cli)",
	} {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(got) != want {
			t.Errorf("%s: %s, want %s, %v", name, got, want, err)
		}
	}
}

// Every relative link of the documents in an archive leads to a file or folder of the archive.
func TestLinksOfTheArchive(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "weigate")
	if err := os.WriteFile(binary, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	r := release{source: "../..", binary: binary, version: "v1.2.3", os: "linux", arch: "amd64", time: epoch}
	files, err := r.files(nil)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "archive")
	if err := r.tarGz(archive, files); err != nil {
		t.Fatal(err)
	}
	pages, known := readArchive(t, archive)
	if len(pages) < 50 {
		t.Errorf("only %d pages", len(pages))
	}
	for page, text := range pages {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target != "" && !strings.Contains(target, "://") && !known[path.Join(path.Dir(page), target)] {
				t.Errorf("%s leads to %s, which the archive does not have", page, m[1])
			}
		}
	}
}

// readArchive returns the text of the pages, and the names of all files and folders.
func readArchive(t *testing.T, name string) (pages map[string]string, known map[string]bool) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	pages, known = map[string]string{}, map[string]bool{}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if err == io.EOF {
			return pages, known
		}
		if err != nil {
			t.Fatal(err)
		}
		for folder := h.Name; folder != "."; folder = path.Dir(folder) {
			known[folder] = true
		}
		if strings.HasSuffix(h.Name, ".md") {
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			pages[h.Name] = string(text)
		}
	}
}

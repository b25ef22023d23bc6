package weigate_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestIndexListsEveryPage checks that the list of documents has every page, and each once. The pages of
// apps are in clients.md (TestClientPagesAreLinked).
func TestIndexListsEveryPage(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"docs/en", "docs/zh-CN"} {
		text, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			listed = append(listed, m[1])
		}
		slices.Sort(listed)
		files, err := filepath.Glob(filepath.Join(dir, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		var pages []string
		for _, file := range files {
			if name := filepath.Base(file); !strings.HasPrefix(name, "README") {
				pages = append(pages, name)
			}
		}
		slices.Sort(pages)
		if !slices.Equal(listed, pages) {
			t.Errorf("%s/README.md lists\n%v\nand the pages are\n%v", dir, listed, pages)
		}
	}
}

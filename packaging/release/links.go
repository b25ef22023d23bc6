package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// repository is the address of the project. Links of shipped documents to files that are not shipped
// lead there.
const repository = "https://github.com/weigate/weigate"

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links changes the links of documents that a release ships. The release, called the copy here, has
// only some files of the repository.
type links struct {
	source  string                 // root of the repository
	version string                 // such as v1.2.3
	moved   [][2]string            // prefixes of paths in the repository, and what they are in the copy
	shipped func(name string) bool // reports whether the copy has a file or a folder
}

// rewrite returns the text of a page with links that work in the copy. A link to a file that the copy
// does not have leads to the file of this version in the repository.
func (l links) rewrite(page string, text []byte) []byte {
	return link.ReplaceAllFunc(text, func(found []byte) []byte {
		target := string(link.FindSubmatch(found)[1])
		if strings.Contains(target, "://") || strings.HasPrefix(target, "#") {
			return found
		}
		name, anchor, hasAnchor := strings.Cut(target, "#")
		name = path.Join(path.Dir(page), name)
		address := l.address(page, name)
		if hasAnchor {
			address += "#" + anchor
		}
		return []byte("](" + address + ")")
	})
}

// address returns the link from a page to a file or folder. page and name are paths in the
// repository. A page has the same path in the copy.
func (l links) address(page, name string) string {
	place := name // the path in the copy
	for _, each := range l.moved {
		if rest, found := strings.CutPrefix(name, each[0]); found {
			place = each[1] + rest
			break
		}
	}
	if l.shipped(place) {
		relative, err := filepath.Rel(path.Dir(page), place)
		if err == nil {
			return filepath.ToSlash(relative)
		}
	}
	kind := "blob"
	if info, err := os.Stat(filepath.Join(l.source, name)); err == nil && info.IsDir() {
		kind = "tree"
	}
	return fmt.Sprintf("%s/%s/%s/%s", repository, kind, l.version, name)
}

// rewriteFolder changes the documents below a folder, which is laid out like the repository. It keeps the
// modes of the files.
func (l links) rewriteFolder(folder string) error {
	l.shipped = func(name string) bool {
		_, err := os.Stat(filepath.Join(folder, name))
		return err == nil
	}
	return filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".md") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		page, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		return os.WriteFile(file, l.rewrite(filepath.ToSlash(page), text), 0o644) // an existing file keeps its mode
	})
}

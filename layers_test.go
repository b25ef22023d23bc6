package weigate_test

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/weigate/weigate"

// layers is the content of layers.txt.
type layers struct {
	imports map[string][]string // package -> allowed imports of its own files
	tests   map[string][]string // package -> further allowed imports of its tests
}

// parseLayers parses the format that the head of layers.txt describes. An invalid line is an
// error: a typing mistake must not disable an import rule.
func parseLayers(text string) (layers, error) {
	l := layers{imports: map[string][]string{}, tests: map[string][]string{}}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		head, what, ok := strings.Cut(line, ":")
		words := strings.Fields(head)
		if !ok || len(words) != 2 {
			return layers{}, fmt.Errorf(
				"layers.txt:%d: want \"import PACKAGE: …\" or \"tests PACKAGE: …\", have %q",
				i+1,
				line,
			)
		}
		into := map[string]map[string][]string{"import": l.imports, "tests": l.tests}[words[0]]
		if into == nil {
			return layers{}, fmt.Errorf(
				"layers.txt:%d: a line begins with \"import\" or \"tests\", not %q",
				i+1,
				words[0],
			)
		}
		if _, again := into[words[1]]; again {
			return layers{}, fmt.Errorf("layers.txt:%d: a second %q line for %s: join the two", i+1, words[0], words[1])
		}
		into[words[1]] = strings.Fields(what)
	}
	return l, nil
}

// goImport is one import of one file of a package.
type goImport struct {
	pkg, what, file string
	test            bool
}

// readImports returns the imports of every Go file of the module at fsys, whatever its build tags:
// an import on another operating system counts. Nested modules (examples, bench) are skipped.
func readImports(fsys fs.FS) ([]goImport, error) {
	var found []goImport
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			hidden := name != "." &&
				(strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "out")
			if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil && name != "." || hidden {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		test := strings.HasSuffix(base, "_test.go")
		found = append(found, goImport{pkg: pkg, file: name, test: test}) // the package exists
		for _, spec := range f.Imports {
			what, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if rel, ok := strings.CutPrefix(what, modulePath+"/"); ok {
				what = rel
			} else if first, _, _ := strings.Cut(what, "/"); !strings.Contains(first, ".") {
				continue // the standard library
			}
			found = append(found, goImport{pkg: pkg, what: what, file: name, test: test})
		}
		return nil
	})
	return found, err
}

// covers returns the allowed name that permits importing what.
func covers(allowed []string, what string) (string, bool) {
	for _, a := range allowed {
		// An external path also allows the packages below it; a folder of this module does not.
		if a == what || strings.Contains(strings.Split(a, "/")[0], ".") && strings.HasPrefix(what, a+"/") {
			return a, true
		}
	}
	return "", false
}

// problems checks the imports against the rules. It returns a sentence with a hint for each
// violation, and the set of allowances that an import has used.
func (l layers) problems(found []goImport) (out []string, used map[string]bool) {
	used = map[string]bool{}
	missing := map[string]bool{}
	for _, im := range found {
		own, known := l.imports[im.pkg]
		switch {
		case !known && !missing[im.pkg]:
			missing[im.pkg] = true
			out = append(
				out,
				fmt.Sprintf(
					"package %s has no line in layers.txt: add \"import %s:\" with what it may import",
					im.pkg,
					im.pkg,
				),
			)
			continue
		case !known, im.what == "", im.test && im.what == im.pkg:
			continue
		}
		if a, ok := covers(own, im.what); ok {
			used["import "+im.pkg+" "+a] = used["import "+im.pkg+" "+a] || !im.test
			continue
		}
		kind := "import"
		if im.test {
			kind = "tests"
			if a, ok := covers(l.tests[im.pkg], im.what); ok {
				used["tests "+im.pkg+" "+a] = true
				continue
			}
		}
		out = append(
			out,
			fmt.Sprintf(
				"%s: package %s may not import %s: do without it, or, if the rule should change, add %s "+
					"to the line \"%s %s:\" of layers.txt and say why in the commit",
				im.file,
				im.pkg,
				im.what,
				im.what,
				kind,
				im.pkg,
			),
		)
	}
	return out, used
}

// isPublic reports whether programs outside this module can import a package.
func isPublic(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return first != "." && first != "internal" && first != "cmd" && first != "build"
}

// foreign follows the imports of the public packages and returns a problem for each package of
// another module that they would compile into a program, directly or through internal packages.
func (l layers) foreign() (out []string) {
	for _, pkg := range slices.Sorted(maps.Keys(l.imports)) {
		if !isPublic(pkg) {
			continue
		}
		seen := map[string]bool{pkg: true}
		for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
			for _, what := range l.imports[queue[0]] {
				if strings.Contains(strings.Split(what, "/")[0], ".") {
					out = append(
						out,
						fmt.Sprintf(
							"layers.txt: the public package %s may not need %s (allowed for %s): "+
								"public packages compile the standard library only",
							pkg,
							what,
							queue[0],
						),
					)
				} else if !seen[what] {
					seen[what] = true
					queue = append(queue, what)
				}
			}
		}
	}
	return out
}

// idle returns a problem for each line and allowance of layers.txt that no import uses.
func (l layers) idle(found []goImport, used map[string]bool) []string {
	exists := map[string]bool{}
	for _, im := range found {
		exists[im.pkg] = true
	}
	var out []string
	for kind, lines := range map[string]map[string][]string{"import": l.imports, "tests": l.tests} {
		for _, pkg := range slices.Sorted(maps.Keys(lines)) {
			if !exists[pkg] {
				out = append(
					out,
					fmt.Sprintf(
						"layers.txt: \"%s %s:\" names a package that does not exist: remove the line",
						kind,
						pkg,
					),
				)
				continue
			}
			for _, a := range lines[pkg] {
				if !used[kind+" "+pkg+" "+a] {
					out = append(
						out,
						fmt.Sprintf(
							"layers.txt: \"%s %s:\" allows %s, which no file imports: remove the word",
							kind,
							pkg,
							a,
						),
					)
				}
			}
		}
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

func TestLayers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("layers.txt")
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseLayers(string(text))
	if err != nil {
		t.Fatal(err)
	}
	found, err := readImports(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("no Go file was found: the test looks at the wrong folder")
	}
	problems, used := l.problems(found)
	for _, p := range slices.Concat(problems, l.idle(found, used), l.foreign()) {
		t.Error(p)
	}
}

// TestPublicPackagesCompileTheStandardLibraryOnly checks the rule for public packages on import
// rules that break it.
func TestPublicPackagesCompileTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"in order", "import wechat: internal/seal\nimport internal/seal:\n" +
			"import internal/cli: example.com/x\nimport build/report: example.com/x\n", ""},
		{"direct", "import wechat: example.com/x\n",
			"the public package wechat may not need example.com/x (allowed for wechat)"},
		{"through an internal package", "import login: internal/flow\nimport internal/flow: internal/seal\n" +
			"import internal/seal: example.com/x/y\n",
			"the public package login may not need example.com/x/y (allowed for internal/seal)"},
		{"of packages that import each other",
			"import login: internal/a\nimport internal/a: internal/b\nimport internal/b: internal/a\n", ""},
	} {
		l, err := parseLayers(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(l.foreign(), "\n"); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: problems %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestArchitectureNamesEveryPackage checks that a reader finds each package in ARCHITECTURE.md.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("layers.txt")
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseLayers(string(rules))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range l.imports {
		if pkg != "." && !strings.Contains(string(text), "["+pkg+"]") && !strings.Contains(string(text), "`"+pkg+"`") {
			t.Errorf("ARCHITECTURE.md does not name %s", pkg)
		}
	}
}

package weigate_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// Limits for every Go file, tests included.
const (
	maxColumns  = 120 // a tab is one column
	maxFunction = 80  // lines of a function, from its first to its last
	maxFile     = 400 // lines
)

// Files and functions that may be longer, each with the reason. A function is named "FILE NAME".
var longFiles = map[string]string{}

var longFunctions = map[string]string{
	"internal/app/relay_differs_test.go TestOldCodeCannotTellTheGatewayFromWeChat": "a table of cases",
	"internal/gateway/join_test.go TestJoin":                                       "a table of cases",
	"login/returnto_test.go TestOpenRedirectIsRefused":                             "a table of cases",
	"wechat/authorize_test.go TestAddressesThatWouldFailOnThePhone":                "a table of cases",
	"wechat/exchange_test.go TestExchangeReadsEveryField":                          "a table of cases",
}

// generated matches the line by which tools recognize generated files (go help generate).
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// TestStyle keeps lines, functions and files short enough to be read on one screen.
func TestStyle(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	if len(files) < 100 {
		t.Fatalf("only %d Go files", len(files))
	}
	exceptions := map[string]bool{}
	for _, path := range files {
		src, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			t.Fatal(err)
		}
		if generated.Match(src) {
			continue
		}
		checkLines(t, path, src)
		if n := bytes.Count(src, []byte("\n")); n > maxFile {
			if longFiles[path] == "" {
				t.Errorf("%s has %d lines, more than %d", path, n, maxFile)
			}
			exceptions[path] = true
		}
		for _, f := range functions(t, path, src) {
			if f.lines <= maxFunction {
				continue
			}
			if longFunctions[path+" "+f.name] == "" {
				t.Errorf("%s:%d: %s has %d lines, more than %d", path, f.line, f.name, f.lines, maxFunction)
			}
			exceptions[path+" "+f.name] = true
		}
	}
	for _, list := range []map[string]string{longFiles, longFunctions} {
		for name := range list {
			if !exceptions[name] {
				t.Errorf("%s is listed as too long, but is not", name)
			}
		}
	}
}

// goFiles returns the Go files that are tracked, and new ones that are not ignored.
func goFiles(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.go").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var files []string
	for _, path := range strings.Fields(string(out)) {
		if _, err := os.Stat(filepath.FromSlash(path)); err == nil { // not deleted
			files = append(files, path)
		}
	}
	return files
}

// structTag matches a field with a tag. A tag cannot be broken.
var structTag = regexp.MustCompile("^\\t+\\w+ .*`[a-z]+:\".*`$")

// checkLines fails the test for lines of code that are too long. Lines that cannot be broken may be
// longer: a comment with an address, and a field with a tag.
func checkLines(t *testing.T, path string, src []byte) {
	t.Helper()
	for i, line := range strings.Split(string(src), "\n") {
		n := utf8.RuneCountInString(line)
		if n <= maxColumns || strings.HasPrefix(strings.TrimSpace(line), "//") && strings.Contains(line, "://") ||
			structTag.MatchString(line) {
			continue
		}
		t.Errorf("%s:%d has %d columns, more than %d", path, i+1, n, maxColumns)
	}
}

// function is a function with a name, or a function literal, which has the name of the function
// around it.
type function struct {
	name        string
	line, lines int
}

// functions returns all functions of a file. The lines of a literal count for the function around it too.
func functions(t *testing.T, path string, src []byte) (all []function) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name string, node ast.Node) {
		first, last := fset.Position(node.Pos()).Line, fset.Position(node.End()).Line
		all = append(all, function{name: name, line: first, lines: last - first + 1})
	}
	for _, d := range file.Decls {
		name := "a variable"
		if f, ok := d.(*ast.FuncDecl); ok {
			name = f.Name.Name
			add(name, f)
		}
		ast.Inspect(d, func(n ast.Node) bool {
			if f, ok := n.(*ast.FuncLit); ok {
				add("a function literal in "+name, f)
			}
			return true
		})
	}
	return all
}

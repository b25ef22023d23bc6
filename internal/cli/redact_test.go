package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestLogAttributesAreNotRedacted: redact replaces attributes that are named like secrets. An attribute
// must have another name if it is not a secret, or the log hides it: "problem found" had its error
// code in an attribute named code.
func TestLogAttributesAreNotRedacted(t *testing.T) {
	t.Parallel()
	logs := regexp.MustCompile(`^(Debug|Info|Warn|Error)(Context)?$`)
	found := 0
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !logs.MatchString(name.Sel.Name) {
				return true
			}
			for _, arg := range call.Args {
				literal, ok := arg.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					continue
				}
				found++
				key, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Error(err)
				}
				if redact(nil, slog.String(key, "x")).Value.String() == "[redacted]" {
					t.Errorf("%s: the attribute %q is redacted", files.Position(literal.Pos()), key)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 100 {
		t.Errorf("only %d texts in log calls: does the test still read them?", found)
	}
}

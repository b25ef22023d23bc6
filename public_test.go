package weigate_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// public are the packages that other programs import.
var public = []string{"wechat", "wechat/push", "wechat/wechattest", "login", "login/sqlstore", "login/storetest"}

// parseDir parses the Go files of a folder for whose names keep returns true.
func parseDir(t *testing.T, fset *token.FileSet, dir string, keep func(name string) bool) (files []*ast.File) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || !keep(e.Name()) {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		t.Fatalf("%s has no such Go files", dir)
	}
	return files
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// TestPublicNamesAreDocumented checks that every exported name has a comment, or is in a group that
// has one.
func TestPublicNamesAreDocumented(t *testing.T) {
	t.Parallel()
	for _, dir := range public {
		fset := token.NewFileSet()
		files := parseDir(t, fset, dir, func(name string) bool { return !isTest(name) })
		pkg, err := doc.NewFromFiles(fset, files, modulePath+"/"+dir)
		if err != nil {
			t.Fatal(err)
		}
		if pkg.Doc == "" {
			t.Errorf("package %s has no comment", dir)
		}
		lacks := func(what, comment string) {
			if strings.TrimSpace(comment) == "" {
				t.Errorf("%s: %s has no comment", dir, what)
			}
		}
		values := func(all []*doc.Value) {
			for _, v := range all {
				for _, spec := range v.Decl.Specs {
					s := spec.(*ast.ValueSpec)
					lacks(s.Names[0].Name, v.Doc+s.Doc.Text()+s.Comment.Text())
				}
			}
		}
		funcs := func(of string, all []*doc.Func) {
			for _, f := range all {
				lacks(of+f.Name, f.Doc)
			}
		}
		values(pkg.Consts)
		values(pkg.Vars)
		funcs("", pkg.Funcs)
		for _, typ := range pkg.Types {
			lacks(typ.Name, typ.Doc)
			values(typ.Consts)
			values(typ.Vars)
			funcs("", typ.Funcs)
			funcs(typ.Name+".", typ.Methods)
		}
	}
}

// TestPublicPackagesHaveExamples checks that each has an example whose output is compared.
func TestPublicPackagesHaveExamples(t *testing.T) {
	t.Parallel()
	for _, dir := range public[:5] { // the comment of storetest shows its only use
		files := parseDir(t, token.NewFileSet(), dir, isTest)
		checked := 0
		for _, ex := range doc.Examples(files...) {
			if ex.Output != "" || ex.EmptyOutput {
				checked++
			}
		}
		if checked == 0 {
			t.Errorf("package %s has no example with checked output", dir)
		}
	}
}

// TestFuzzTargetsHaveSeeds checks for seeds: without them a short run finds nothing.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	targets := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (name == "out" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if !isTest(name) {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			targets++
			seeds, err := filepath.Glob(filepath.Join(filepath.Dir(name), "testdata", "fuzz", fn.Name.Name, "*"))
			if err != nil {
				return err
			}
			if len(seeds) == 0 && !adds(fn) {
				t.Errorf("%s: %s has no seed, neither in testdata/fuzz nor by f.Add", name, fn.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if targets == 0 {
		t.Error("no fuzz target was found")
	}
}

// adds reports whether a fuzz target calls f.Add.
func adds(fn *ast.FuncDecl) (found bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Add" {
			found = true
		}
		return !found
	})
	return found
}

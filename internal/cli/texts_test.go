package cli

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// translated are the packages whose texts a terminal shows. Each of their texts has a translation.
var translated = []string{
	".", "../config", "../filemode", "../brand", "../keys/sealer.go", "../administration/errors.go",
	"../administration/kinds.go", "../outgoing", "../proxyconfig", "../lang/go_errors.go", "../store/sqlite/advice.go",
	"../store/postgres/advice.go",
}

// partly are packages of which some errors reach a terminal. Their texts may have a translation.
var partly = []string{
	"../gateway", "../administration", "../app", "../keys", "../store/archive", "../store/sqlstore", "../store/sqlite",
	"../store/postgres",
}

// textArguments are the functions with texts, and the positions of the texts among their arguments.
var textArguments = map[string][]int{
	"printf": {0}, "warnf": {0}, "hintf": {0}, "prompt": {0}, "withHint": {1}, "Errorf": {0}, "New": {0}, "Text": {0},
	"Count": {1, 2}, "printList": {3, 4}, "printTable": {0}, "printChecked": {1}, "report": {0}, "field": {0},
	"line": {0, 1}, "always": {0}, "reject": {0}, "warn": {0}, "fail": {0}, "Translate": {0}, "Sprintf": {0},
	"problem": {0}, "Description": {0}, "text": {0}, "newProgress": {1}, "newKind": {3},
}

// textFields are the fields of structs that have a text.
var textFields = []string{"text", "message", "reason", "advice", "required"}

// foreign are the texts of Go, of the system and of kong that a terminal can show.
func foreign() []string {
	texts := slices.Clone(kongTexts)
	for _, err := range []error{
		fs.ErrNotExist, fs.ErrPermission, fs.ErrExist, syscall.ENOENT, syscall.EACCES, syscall.EEXIST, syscall.ECONNREFUSED,
		syscall.EADDRINUSE, syscall.EISDIR, syscall.ENOTDIR, syscall.ENOSPC, syscall.EROFS, syscall.EADDRNOTAVAIL,
		syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EMFILE, syscall.EPERM,
		syscall.EIO, context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, http.ErrSchemeMismatch,
		io.ErrUnexpectedEOF,
	} {
		texts = append(texts, err.Error())
	}
	return append(texts, "no such host", "server misbehaving", // of net.DNSError
		"invalid port", "unknown port", "missing port in address", "too many colons in address") // of net.AddrError
}

// TestTextsAreTranslated compares the texts in the code with texts/zh-CN.json.
func TestTextsAreTranslated(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("texts/zh-CN.json")
	if err != nil {
		t.Fatal(err)
	}
	var chinese map[string]string
	if err := json.Unmarshal(raw, &chinese); err != nil {
		t.Fatal(err)
	}
	required := collect(t, translated)
	for text := range required {
		if _, found := chinese[text]; !found {
			t.Errorf("no Chinese text: %s", strconv.Quote(text))
		}
	}
	known := collect(t, partly)
	maps.Copy(known, required)
	for _, text := range foreign() {
		known[text] = true
	}
	for text, translation := range chinese {
		if !known[text] {
			t.Errorf("no source has this text: %s", strconv.Quote(text))
		}
		if want, got := verbs(text), verbs(translation); !slices.Equal(want, got) {
			t.Errorf("%s: verbs %v, in Chinese %v", strconv.Quote(text), want, got)
		}
		if (text[:1] == " ") != (translation[:1] == " ") && text != " by %s" {
			t.Errorf("%s: the Chinese text does not begin with the same spaces", strconv.Quote(text))
		}
	}
}

var (
	verb    = regexp.MustCompile(`%(\[(\d+)\])?[-+ 0-9.]*([a-zA-Z%])`)
	letters = regexp.MustCompile(`[A-Za-z]{2}`)
	help    = regexp.MustCompile(`\$\{[a-z]+\}`)
)

// verbs returns the verbs of a format, each with the argument that it formats, sorted. Variables of a
// help text count as verbs.
func verbs(format string) []string {
	found := help.FindAllString(format, -1)
	next := 1
	for _, m := range verb.FindAllStringSubmatch(format, -1) {
		if m[3] == "%" {
			continue
		}
		if m[2] != "" {
			next, _ = strconv.Atoi(m[2])
		}
		found = append(found, strconv.Itoa(next)+m[3])
		next++
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// collect returns the texts of packages or files.
func collect(t *testing.T, paths []string) map[string]bool {
	t.Helper()
	c := collector{texts: map[string]bool{}}
	for _, path := range paths {
		pattern := path
		if !strings.HasSuffix(path, ".go") {
			pattern = filepath.Join(path, "*.go")
		}
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files, %v", path, err)
		}
		c.constants = map[string]ast.Expr{}
		var parsed []*ast.File
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, f)
			c.addConstants(f)
		}
		for _, f := range parsed {
			ast.Inspect(f, c.visit)
		}
	}
	return c.texts
}

// collector collects the texts of a package.
type collector struct {
	constants map[string]ast.Expr
	texts     map[string]bool
}

func (c *collector) addConstants(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
			for _, s := range d.Specs {
				spec := s.(*ast.ValueSpec)
				for i, value := range spec.Values {
					c.constants[spec.Names[i].Name] = value
				}
			}
		}
		return true
	})
}

func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
			if x, ok := f.X.(*ast.Ident); ok && (name == "Sprintf" && x.Name != "formats" || x.Name == "template" ||
				x.Name == "kong" && name != "Description" || name == "New" && x.Name != "errors" || x.Name == "metrics") {
				return true
			}
		}
		for _, i := range textArguments[name] {
			if i < len(n.Args) {
				c.add(n.Args[i])
			}
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && slices.Contains(textFields, key.Name) {
			c.add(n.Value)
		}
	case *ast.Field:
		if n.Tag != nil {
			tag, _ := strconv.Unquote(n.Tag.Value)
			if text, found := reflect.StructTag(tag).Lookup("help"); found {
				c.texts[text] = true
			}
		}
	}
	return true
}

// add adds the value of a constant expression if it has words.
func (c *collector) add(e ast.Expr) {
	if text, ok := c.text(e); ok && letters.MatchString(verb.ReplaceAllString(text, "")) {
		c.texts[text] = true
	}
}

// text returns the value of a string constant. ok is false for other expressions.
func (c *collector) text(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			return constant.StringVal(constant.MakeFromLiteral(e.Value, e.Kind, 0)), true
		}
	case *ast.ParenExpr:
		return c.text(e.X)
	case *ast.BinaryExpr:
		left, ok := c.text(e.X)
		right, alsoOK := c.text(e.Y)
		return left + right, ok && alsoOK && e.Op == token.ADD
	case *ast.Ident:
		if value, found := c.constants[e.Name]; found {
			return c.text(value)
		}
	}
	return "", false
}

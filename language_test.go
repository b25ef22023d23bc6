package weigate_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// avoided is a phrase of language.txt.
type avoided struct {
	phrase   *regexp.Regexp
	literals []string // lower case; a text without any of them does not match, and needs no search
	instead  string
}

// literalsOf returns texts in lower case of which every match of an expression contains at least one;
// nil = unknown.
func literalsOf(e *syntax.Regexp) []string {
	switch e.Op {
	case syntax.OpLiteral:
		return []string{strings.ToLower(string(e.Rune))}
	case syntax.OpCapture, syntax.OpPlus:
		return literalsOf(e.Sub[0])
	case syntax.OpAlternate:
		var all []string
		for _, sub := range e.Sub {
			some := literalsOf(sub)
			if some == nil {
				return nil
			}
			all = append(all, some...)
		}
		return all
	case syntax.OpConcat: // the part whose shortest text is longest
		var best []string
		for _, sub := range e.Sub {
			some := literalsOf(sub)
			if some != nil && (best == nil || shortest(some) > shortest(best)) {
				best = some
			}
		}
		return best
	}
	return nil
}

func shortest(texts []string) int {
	return len(slices.MinFunc(texts, func(a, b string) int { return cmp.Compare(len(a), len(b)) }))
}

// exception is an "except" line of language.txt.
type exception struct {
	path   string
	phrase *regexp.Regexp
}

// wordList is the content of language.txt.
type wordList struct {
	avoid  []avoided // in English
	zh     []avoided // in Chinese
	allow  []*regexp.Regexp
	except []exception
}

// parseWordList parses the format that the head of language.txt describes.
func parseWordList(text string) (wordList, error) {
	var l wordList
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kind, value, _ := strings.Cut(line, ": ")
		where, instead := "", ""
		ok := true
		switch kind {
		case "avoid", "avoid-zh":
			value, instead, ok = strings.Cut(value, " => ")
		case "except":
			where, value, ok = strings.Cut(value, ": ")
		case "allow":
		default:
			ok = false
		}
		if !ok || value == "" {
			return wordList{}, fmt.Errorf("language.txt:%d: invalid line %q", i+1, line)
		}
		phrase, err := regexp.Compile("(?i)" + value)
		if err != nil {
			return wordList{}, fmt.Errorf("language.txt:%d: %w", i+1, err)
		}
		switch kind {
		case "avoid", "avoid-zh":
			parsed, err := syntax.Parse("(?i)"+value, syntax.Perl)
			if err != nil {
				return wordList{}, fmt.Errorf("language.txt:%d: %w", i+1, err)
			}
			a := avoided{phrase: phrase, literals: literalsOf(parsed), instead: instead}
			if kind == "avoid-zh" {
				l.zh = append(l.zh, a)
			} else {
				l.avoid = append(l.avoid, a)
			}
		case "except":
			l.except = append(l.except, exception{path: where, phrase: phrase})
		case "allow":
			l.allow = append(l.allow, phrase)
		}
	}
	return l, nil
}

// below reports whether a file is the file or in the folder named by dir.
func below(file, dir string) bool {
	return dir == "." || file == dir || strings.HasPrefix(file, dir+"/")
}

// passage is a text that is searched as a whole, so that a phrase is found across a line break.
type passage struct {
	text  string // line breaks are spaces
	lines []int  // for each byte of text, the line in the file
}

// add appends one line.
func (p *passage) add(line string, number int) {
	p.text += line + " "
	for range len(line) + 1 {
		p.lines = append(p.lines, number)
	}
}

// find returns each avoided phrase of a passage as "file:line: phrase: say instead".
func (l wordList) find(file string, p passage) (out []string) {
	lower := strings.ToLower(p.text)
	contains := func(literal string) bool { return strings.Contains(lower, literal) }
	phrases := l.avoid
	if strings.Contains(file, "zh-CN") {
		phrases = l.zh
	}
	for _, a := range phrases {
		if a.literals != nil && !slices.ContainsFunc(a.literals, contains) {
			continue
		}
		for _, at := range a.phrase.FindAllStringIndex(p.text, -1) {
			if l.isAllowed(file, p.text, at) {
				continue
			}
			found := strings.TrimSpace(p.text[at[0]:at[1]])
			out = append(out, fmt.Sprintf("%s:%d: %q: say %s", file, p.lines[at[0]], found, a.instead))
		}
	}
	return out
}

// isAllowed reports whether the match at is inside a phrase that is allowed in the file.
func (l wordList) isAllowed(file, text string, at []int) bool {
	allowed := slices.Clone(l.allow)
	for _, e := range l.except {
		if below(file, e.path) {
			allowed = append(allowed, e.phrase)
		}
	}
	return slices.ContainsFunc(allowed, func(phrase *regexp.Regexp) bool {
		return slices.ContainsFunc(phrase.FindAllStringIndex(text, -1),
			func(span []int) bool { return span[0] <= at[0] && at[1] <= span[1] })
	})
}

// goPassages returns the comments of a Go file and, unless it is a test, its string literals.
func goPassages(name string, src []byte) ([]passage, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var out []passage
	for _, group := range f.Comments {
		var p passage
		for _, c := range group.List {
			text := strings.TrimSuffix(strings.TrimPrefix(c.Text, "/*"), "*/")
			for i, line := range strings.Split(text, "\n") {
				p.add(strings.TrimSpace(strings.TrimPrefix(line, "//")), fset.Position(c.Pos()).Line+i)
			}
		}
		out = append(out, p)
	}
	if strings.HasSuffix(name, "_test.go") {
		return out, nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil || !strings.Contains(text, " ") {
			return true // not prose
		}
		// A line break in an interpreted literal is not one in the source, so the line is the
		// first.
		var p passage
		p.add(strings.ReplaceAll(text, "\n", " "), fset.Position(lit.Pos()).Line)
		out = append(out, p)
		return true
	})
	return out, nil
}

// textPassages returns the paragraphs of a document, a catalogue or a script.
func textPassages(src []byte) (out []passage) {
	var p passage
	for i, line := range strings.Split(string(src), "\n") {
		line = strings.TrimSpace(line)
		// A list item, a table row and a heading begin a passage: a phrase does not cross them.
		if line == "" || strings.ContainsAny(line[:1], `-|#">{`) && !strings.HasPrefix(line, "--") {
			out = append(out, p)
			p = passage{}
		}
		p.add(strings.TrimSpace(strings.TrimLeft(line, "#-")), i+1)
	}
	return append(out, p)
}

// searchable reports whether a file has prose. Recorded inputs of fuzzing and the word list itself
// have none. A name with zh-CN is a Chinese file.
func searchable(name string) bool {
	if strings.Contains(name, "testdata/fuzz/") || strings.Contains(name, "axe") {
		return false
	}
	return slices.Contains([]string{".go", ".md", ".json", ".yaml", ".sql", ".txtar", ".html"}, path.Ext(name))
}

// search returns the avoided phrases of all files of fsys.
func (l wordList) search(fsys fs.FS) (found []string, err error) {
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "out") {
				return fs.SkipDir
			}
			return nil
		}
		if !searchable(name) {
			return nil
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		passages := textPassages(src)
		if path.Ext(name) == ".go" {
			if passages, err = goPassages(name, src); err != nil {
				return err
			}
		}
		for _, p := range passages {
			found = append(found, l.find(name, p)...)
		}
		return nil
	})
	return found, err
}

// TestLanguage searches the repository for the phrases of language.txt.
func TestLanguage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("language.txt")
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseWordList(string(text))
	if err != nil {
		t.Fatal(err)
	}
	found, err := l.search(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// TestLanguageFindsPhrases puts avoided phrases into each kind of file and expects their position.
func TestLanguageFindsPhrases(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("language.txt")
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseWordList(string(text))
	if err != nil {
		t.Fatal(err)
	}
	l.except = append(l.except, exception{path: "docs/en/map.md", phrase: regexp.MustCompile("two rooms")})
	for _, tt := range []struct{ name, file, src, want string }{
		{"a comment", "a/a.go", "package a\n\n// F tells whether it is.\nfunc F() {}\n",
			`a/a.go:3: "tells whether": say "reports whether", "returns", "has"`},
		{"across a line break", "a/a.go", "package a\n\n// F begins\n// a sign-in by\n// itself.\nfunc F() {}\n",
			`a/a.go:4: "by itself": say "automatically"`},
		{"a message of the program", "a/a.go", "package a\n\nconst m = \"the store is away\"\n",
			`a/a.go:3: "is away": say "expired", "finished"; "unavailable"`},
		{"a string of a test", "a/a_test.go", "package a\n\nconst m = \"the store is away\"\n", ""},
		{"a comment of a test", "a/a_test.go", "package a\n\n// It is no error.\nconst m = 1\n",
			`a/a_test.go:3: "is no error": say "is not a …"`},
		{"a document", "docs/en/a.md", "# Title\n\nOne.\n\n- Sign in\n  anew.\n",
			`docs/en/a.md:6: "anew": say "again", "from the beginning"`},
		{"a Chinese document", "docs/zh-CN/a.md", "anew，拉黑用户。\n", `docs/zh-CN/a.md:1: "拉黑": say 停用`},
		{"a Chinese catalogue", "web/files/zh-CN.json", "{\n  \"a\": \"登出「Wiki」\"\n}\n",
			"web/files/zh-CN.json:2: \"登出\": say 退出登录\n" +
				"web/files/zh-CN.json:2: \"「\": say “”\nweb/files/zh-CN.json:2: \"」\": say “”"},
		{"Chinese in an English file", "docs/en/a.md", "In Chinese: 拉黑.\n", ""},
		{"a catalogue", "web/en.json", "{\n  \"a\": \"This request makes no sense\"\n}\n",
			`web/en.json:2: "makes no sense": say "is invalid"`},
		{"a migration", "store/1.sql", "-- one row\n-- for each door\n", `store/1.sql:2: "door": say sign-in method`},
		{"a script", "cli/a.txtar", "# a room\n", `cli/a.txtar:1: "room": say package`},
		{"the example configuration", "weigate.example.yaml", "a: 1 # goes on\n",
			`weigate.example.yaml:1: "goes on": say "continues"`},
		{"an allowed phrase", "docs/en/a.md", "It is no longer a third party. Wall time is not measured.\n", ""},
		{"an exception of this file", "docs/en/map.md", "It has two rooms.\n", ""},
		{"an exception of another file", "docs/en/a.md", "It has two rooms.\n", `docs/en/a.md:1: "rooms": say package`},
		{"good prose", "a/a.go", "package a\n\n// F reports whether the ticket is expired.\nfunc F() {}\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found, err := l.search(fstest.MapFS{tt.file: {Data: []byte(tt.src)}})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(found, "\n"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	for _, broken := range []string{"avoid: a", "avoid: ( => b", "avoid-zh: a", "forbid: a => b", "except: a",
		"allow: "} {
		if _, err := parseWordList(broken); err == nil {
			t.Errorf("the line %q is accepted", broken)
		}
	}
}

package cli

import (
	"encoding/json"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// messageColumns are the headings of table columns with messages of the program, in both languages. " / "
// separates two messages, and "…" stands for any text. Chinese pages may add the English text in （ ）.
var messageColumns = map[string]string{
	"message": "提示", "the message contains": "提示中包含", "`check` says": "`check` 的提示",
}

// otherMessages are messages in the documents that come from other programs, or from two texts.
var otherMessages = map[string]string{
	"table … already exists":            "SQLite and PostgreSQL",
	"no certificate for … unauthorized": "a certificate authority",
	"no certificate for … connection":   "a certificate authority",
	"no certificate for … tls":          "a certificate authority",
	"no certificate for … rateLimited":  "a certificate authority",
	"migration 2 (…): …":                "the version and name of a migration, and an error of the database",

	"the database needs the migrations of this version first: … in use": "two errors",
}

// messagesInText are messages that the text of a page quotes.
var messagesInText = []struct{ page, english, chinese string }{
	{"gateway.md", "no unionid", "没有 unionid"},
	{"administration.md", "The store has no users yet.", "数据库里还没有用户。"},
	{"notifications.md", "is not a public address", "不是公网地址"},
	{"notifications.md", "signed by an unknown authority", "证书由未知的颁发机构签发"},
	{"notifications.md", "no response in time", "没有及时响应"},
	{"notifications.md", "connection refused", "连接被拒绝"},
}

// TestMessagesInDocs checks that the messages in the tables of the documents exist: the English pages have
// the text of the code, and the Chinese pages its translation in texts/zh-CN.json. A reader searches the
// page for what the terminal shows.
func TestMessagesInDocs(t *testing.T) {
	t.Parallel()
	texts, literals, used := chinese(), stringLiterals(t), map[string]bool{}
	check := func(page, english, translation string) {
		translation = strings.TrimSuffix(translation, "（"+english+"）")
		used[english] = true
		translated := false
		for en, zh := range texts {
			if isOf(english, en) {
				translated = true
				if isOf(translation, zh) {
					return
				}
			}
		}
		inCode := func() bool { return slices.ContainsFunc(literals, func(l string) bool { return isOf(english, l) }) }
		if translated || otherMessages[english] == "" && !inCode() || translation != english {
			t.Errorf("%s: no text %q with the translation %q", page, english, translation)
		}
	}
	for _, page := range englishPages(t) {
		english, translations := messagesOf(t, "en", page), messagesOf(t, "zh-CN", page)
		if len(english) != len(translations) {
			t.Errorf("%s: %d messages in English, %d in Chinese: %q, %q", page, len(english), len(translations), english,
				translations)
			continue
		}
		for i, text := range english {
			check(page, text, translations[i])
		}
	}
	if len(used) < 25 {
		t.Errorf("only %d messages in tables", len(used))
	}
	for _, m := range messagesInText {
		check(m.page, m.english, m.chinese)
		for language, text := range map[string]string{"en": m.english, "zh-CN": m.chinese} {
			if !strings.Contains(readPage(t, language, m.page), text) {
				t.Errorf("%s in %s does not have %q", m.page, language, text)
			}
		}
	}
	for _, text := range slices.Sorted(maps.Keys(otherMessages)) {
		if !used[text] {
			t.Errorf("no page has %q", text)
		}
	}
}

// pageQuotes are the headings of columns with what a user sees, and their quotation marks.
var pageQuotes = map[string]*regexp.Regexp{
	"what you see": regexp.MustCompile(`[“"]([^”"]+)[”"]`), "看到什么": regexp.MustCompile(`“([^”]+)”`),
	"看到的情况": regexp.MustCompile(`“([^”]+)”`), "现象": regexp.MustCompile(`“([^”]+)”`),
}

// wechatTexts are texts of WeChat's own that the documents quote, in Chinese on the English pages too.
var wechatTexts = map[string]bool{"该公众号提供的服务出现故障，请稍后再试": true}

// TestPageTextsInDocs checks that the texts of pages that tables of the documents quote exist in the
// catalogues of the pages, in English and Chinese under the same key.
func TestPageTextsInDocs(t *testing.T) {
	t.Parallel()
	catalogues := map[string]map[string]string{"en": {}, "zh-CN": {}}
	for language, texts := range catalogues {
		files, err := filepath.Glob("../*/files/" + language + ".json")
		if err != nil || len(files) < 5 {
			t.Fatalf("%v, %v", files, err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string]any{}
			if err := json.Unmarshal(raw, &part); err != nil {
				t.Fatal(err)
			}
			for key, value := range part {
				if text, ok := value.(string); ok {
					texts[file[:strings.LastIndex(file, "/")]+" "+key] = text
				}
			}
		}
	}
	found := 0
	for _, page := range englishPages(t) {
		if strings.Contains(page, "/") { // pages about other apps quote these
			continue
		}
		english, translations := quotesOf(t, "en", page), quotesOf(t, "zh-CN", page)
		if len(english) != len(translations) {
			t.Errorf("%s: quotes %q in English, %q in Chinese", page, english, translations)
			continue
		}
		for i, text := range english {
			found++
			exists := wechatTexts[text]
			for key, en := range catalogues["en"] {
				exists = exists || isOf(text, en) && isOf(translations[i], catalogues["zh-CN"][key])
			}
			if !exists {
				t.Errorf("%s: no page has the text %q and in Chinese %q", page, text, translations[i])
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d quotes", found)
	}
}

var verbOrVariable = regexp.MustCompile(`%(\[\d+\])?[-+ 0-9.]*[a-zA-Z]|\{[^}]*\}`)

// isOf reports whether a message of a document is of a format: a part of it, in which "…" is any text, or
// the whole with values.
func isOf(message, format string) bool {
	rest := format
	for part := range strings.SplitSeq(message, "…") {
		_, after, found := strings.Cut(rest, strings.TrimSpace(part))
		if !found {
			return isFilled(message, format)
		}
		rest = after
	}
	return true
}

// isFilled reports whether a message is a format with values. A regular expression is compiled only for a
// message that contains the fixed texts of the format: there are thousands of formats.
func isFilled(message, format string) bool {
	i := strings.IndexAny(format, "%{")
	if i < 0 || !strings.HasPrefix(message, format[:i]) {
		return false
	}
	fixed, pattern, rest := verbOrVariable.Split(format, -1), "^", message
	for i, text := range fixed {
		_, after, found := strings.Cut(rest, text)
		if !found {
			return false
		}
		if rest = after; i > 0 {
			pattern += ".+"
		}
		pattern += regexp.QuoteMeta(text)
	}
	whole, err := regexp.MatchString(pattern+"$", message)
	return err == nil && whole && len(strings.Join(fixed, "")) > 5
}

func englishPages(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "*/*.md"} {
		found, err := fs.Glob(os.DirFS("../../docs/en"), pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		names = append(names, found...)
	}
	return names
}

func readPage(t *testing.T, language, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", language, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// firstCells returns the first cells of the rows of tables whose first column has the heading.
func firstCells(text string, isHeading func(heading string) bool) (cells []string) {
	inside, wanted := false, false
	for line := range strings.Lines(text) {
		first, isRow := strings.CutPrefix(line, "| ")
		first, _, _ = strings.Cut(first, " | ")
		switch {
		case isRow && !inside:
			wanted = isHeading(first)
		case isRow && wanted:
			cells = append(cells, first)
		}
		inside = strings.HasPrefix(line, "|")
	}
	return cells
}

func messagesOf(t *testing.T, language, page string) (messages []string) {
	t.Helper()
	cells := firstCells(readPage(t, language, page), func(heading string) bool {
		for en, zh := range messageColumns {
			if heading == map[string]string{"en": en, "zh-CN": zh}[language] {
				return true
			}
		}
		return false
	})
	for _, cell := range cells {
		messages = append(messages, strings.Split(cell, " / ")...)
	}
	return messages
}

func quotesOf(t *testing.T, language, page string) (quotes []string) {
	t.Helper()
	for heading, quote := range pageQuotes {
		cells := firstCells(readPage(t, language, page), func(h string) bool { return h == heading })
		for _, m := range quote.FindAllStringSubmatch(strings.Join(cells, "\n"), -1) {
			quotes = append(quotes, m[1])
		}
	}
	return quotes
}

// stringLiterals returns the string literals of the code of the gateway.
func stringLiterals(t *testing.T) (literals []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				literals = append(literals, constant.StringVal(constant.MakeFromLiteral(l.Value, l.Kind, 0)))
			}
			return true
		})
		return nil
	})
	if err != nil || len(literals) < 5000 {
		t.Fatalf("%d literals, %v", len(literals), err)
	}
	return literals
}

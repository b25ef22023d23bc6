package web_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/web"
)

// listData is the data of testdata/views/list.html, which contains every part.
type listData struct {
	Users                      []string
	Text                       string
	At                         time.Time
	Note, Agree, Choice, Group web.Field
	Chart                      web.Chart
}

// listDocument returns a document with every part filled with text.
func listDocument(text string) web.Document {
	var nav []web.NavItem
	for range 7 {
		nav = append(nav, web.NavItem{Label: text, URL: text, Icon: "users", Count: 3})
	}
	options := []web.Option{{Value: text, Label: text, Selected: true}}
	return web.Document{
		View: "list", Title: text, Wide: true, Nav: nav, User: &web.User{Nickname: text, Picture: text},
		Trail:   []web.Step{{Label: text, URL: text}},
		Notices: []web.Notice{{Tone: web.Bad, Text: text, URL: text, Label: text}},
		Data: listData{
			Users: []string{text, ""}, Text: text, At: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC),
			Note:   web.Field{Name: "note", Type: "textarea", Label: text, Value: text, Hint: text, Error: text},
			Agree:  web.Field{Name: "agree", Type: "checkbox", Label: text, Checked: true, Error: text},
			Choice: web.Field{Name: "choice", Type: "select", Label: text, Options: options},
			Group:  web.Field{Name: "group", Type: "radio", Label: text, Options: options},
			Chart: web.Chart{ID: "c", Title: text, Column: text, Series: []string{text, text},
				Labels: []string{text}, Values: [][]int{{3, 4}}},
		},
	}
}

func write(t testing.TB, s *web.Site, language string, d web.Document) *httptest.ResponseRecorder {
	t.Helper()
	views, err := web.LoadViews(os.DirFS("testdata"), "views")
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/admin", nil)
	r.Header.Set("Accept-Language", language)
	w := httptest.NewRecorder()
	s.Write(w, r, views, d)
	if w.Code >= 500 {
		t.Fatal(w.Body)
	}
	return w
}

// Names of users, texts of the configuration and addresses are shown as text in every part
// (Gogs CVE-2026-26195, MCP Registry CVE-2026-44429).
func TestHostileTextInEveryPartOfADocument(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) {
		c.Texts = hostileTexts()
	})
	for _, wide := range []bool{true, false} {
		for _, text := range []string{hostile, "javascript:alert(1)", "data:text/html,<script>"} {
			d := listDocument(text)
			d.Wide = wide
			body := write(t, s, lang.Chinese, d).Body.String()
			if n := strings.Count(body, "<script"); n != 2 {
				t.Errorf("%d scripts, want the two of the page", n)
			}
			body = ownIcon.ReplaceAllString(body, "")
			for _, not := range []string{"<img src=x", `href="javascript:`, `src="javascript:`, `href="data:`, `src="data:t`} {
				if strings.Contains(body, not) {
					t.Errorf("%q came through as %s", text, not)
				}
			}
		}
	}
}

func TestDocumentHasTheHeadersOfAllPages(t *testing.T) {
	t.Parallel()
	w := write(t, newSite(t), lang.English, listDocument("text"))
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		"Content-Language": "en", "Content-Type": "text/html; charset=utf-8", "Vary": "Accept-Language",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	if strings.Contains(policy, "unsafe") || strings.Count(policy, "'sha256-") != 3 {
		t.Errorf("policy: %s", policy)
	}
}

// A page in one language has no text of the other (casdoor/casdoor#956).
func TestDocumentInBothLanguages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := listDocument("1")
	if body := write(t, s, lang.English, d).Body.String(); han.MatchString(body) {
		t.Errorf("Chinese in the English page: %s", han.FindString(body))
	}
	body := write(t, s, lang.Chinese, d).Body.String()
	_, body, _ = strings.Cut(body, "</head>")
	body = regexp.MustCompile(`(?s)<script>.*?</script>|<[^>]*>`).ReplaceAllString(body, " ")
	if word := regexp.MustCompile(`[A-Za-z]{2,}`).FindAllString(body, -1); strings.Join(word, "") != "WeigateUTC" {
		t.Errorf("English in the Chinese page: %q", word)
	}
}

// The name of a user keeps to itself: marks that change the direction of text, control characters
// and 10,000 characters do not reach the text around it.
func TestNamesAreShownHarmlessly(t *testing.T) {
	t.Parallel()
	for _, k := range []struct{ name, want string }{
		{"小明", "小明"},
		{"", ""},
		{" \u0000 ", ""},
		{"a\u202egnp.exe", "agnp.exe"},
		{"a\x1b[2Jb\r\nc\u2028d", "a [2Jb  c d"},
		{"\xff\xfe", ""},
		{strings.Repeat("长", 10_000), strings.Repeat("长", 60) + "…"},
		{"👩‍👩‍👧", "👩‍👩‍👧"},
	} {
		if got := web.Shown(k.name, 60); got != k.want {
			t.Errorf("%.40q is shown as %q, want %q", k.name, got, k.want)
		}
	}
}

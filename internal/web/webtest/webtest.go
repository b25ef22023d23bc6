// Package webtest parses the pages of package web in tests of other packages.
package webtest

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/web"
)

// Page is the content of a page. The field of a link or form that the page does not have is "".
type Page struct {
	Kind    web.Kind
	Text    string            // heading and text, without markup
	Go      string            // where the main button leads
	Back    string            // where the button back to the app leads
	Home    string            // where the button to the home page leads
	Refresh string            // where the page leads automatically
	Action  string            // where its first form is sent
	Fields  map[string]string // the hidden fields of its first form
}

var (
	kindOf    = regexp.MustCompile(`<main [^>]*id="([^"]+)"`)
	goOf      = regexp.MustCompile(`<a class="button" id="go" href="([^"]*)"`)
	backOf    = regexp.MustCompile(`id="back" href="([^"]*)"`)
	homeOf    = regexp.MustCompile(`id="home" href="([^"]*)"`)
	refreshOf = regexp.MustCompile(`<meta http-equiv="refresh" content="\d+;url=([^"]*)">`)
	formOf    = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)">(.*?)</form>`)
	fieldOf   = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	// tags, and elements whose content is not text
	markup = regexp.MustCompile(`(?s)<(style|script|svg).*?</(style|script|svg)>|<[^>]*>`)
)

// Read parses the HTML of a page. If body is not a page, the test fails.
func Read(t testing.TB, body string) Page {
	t.Helper()
	p := Page{
		Kind: web.Kind(first(kindOf, body)), Go: first(goOf, body), Back: first(backOf, body),
		Home:    first(homeOf, body),
		Refresh: first(refreshOf, body), Action: first(formOf, body), Fields: map[string]string{},
	}
	if p.Kind == "" {
		t.Fatalf("no page: %.300s", body)
	}
	_, main, _ := strings.Cut(body, "<main")
	p.Text = html.UnescapeString(markup.ReplaceAllString("<main"+main, " "))
	if form := formOf.FindStringSubmatch(body); form != nil {
		for _, field := range fieldOf.FindAllStringSubmatch(form[2], -1) {
			p.Fields[html.UnescapeString(field[1])] = html.UnescapeString(field[2])
		}
	}
	return p
}

// Kind returns the kind of a page, or "" when body is not a page.
func Kind(body string) web.Kind { return web.Kind(first(kindOf, body)) }

// first returns the text of the first group of pattern at its first match, or "" without a match.
func first(pattern *regexp.Regexp, body string) string {
	found := pattern.FindStringSubmatch(body)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

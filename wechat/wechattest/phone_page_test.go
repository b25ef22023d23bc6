package wechattest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestTokenizerFollowsTheHTMLStandard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{"plain", `<p class=a>x</p>`, []string{"<p class=[a]>", "x", "</p>"}},
		{"case, quotes and blanks", "<A\nHREF = 'x y' ID=\"z\" b>", []string{"<a href=[x y] id=[z] b=[]>"}},
		{"first of two counts", `<a href=1 href=2>`, []string{"<a href=[1]>"}},
		{"slash is a blank", `<br/><img/src=x>`, []string{"<br>", "<img src=[x]>"}},
		{"comment forms", `a<!-- <b> -->c<!--> d<!--->e<!-- f --!>g`, []string{"a", "c", " d", "e", "g"}},
		{"open comment swallows", `a<!-- <b>`, []string{"a"}},
		{"doctype and bogus", `<!doctype html><?x?></1>y`, []string{"y"}},
		{"stray less-than", `1 < 2 <3`, []string{"1 ", "<", " 2 ", "<", "3"}},
		{"script is not markup", `<script>if (a<b) "<p>"</SCRIPT ><p>`,
			[]string{"<script>", `script{if (a<b) "<p>"}`, "</script>", "<p>"}},
		{"style ends at its own tag only", `<style></styles></style>`,
			[]string{"<style>", "style{</styles>}", "</style>"}},
		{"unended title", `<title>a<b>`, []string{"<title>", "title{a<b>}"}},
		{"tag cut off by the end", `x<a href="`, []string{"x"}},
		{"references in attributes", `<a href="?a=1&copy=2&amp;b=3&#x26;c&lt" title=&copy>`,
			[]string{"<a href=[?a=1&copy=2&b=3&c<] title=[©]>"}},
		{"equals sign in a name", `<a =x=1>`, []string{"<a =x=[1]>"}},
	} {
		if got := wechattest.Tokens(c.src); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q\n got %q\nwant %q", c.name, c.src, got, c.want)
		}
	}
}

func TestPhoneParsesThePage(t *testing.T) {
	t.Parallel()
	p := wechattest.Read("https://app.test/dir/page", "text/html; charset=utf-8",
		"<!doctype html><title> A\n &amp; B </title><meta http-equiv=Refresh content=\"3; URL='/next'\">"+
			"<p>See <a id=l1 href=../x>the <b>link</b></a>,<a href=mailto:x>no</a>\n"+
			`<form id=f action=go method=post><input name=h type=hidden value=1><input name=t value="a b">`+
			"<input type=checkbox name=c><input type=checkbox name=d checked>\n"+
			`<input type=radio name=r value=1><input type=radio name=r value=2 checked>`+
			"<select name=s><option value=x>X<option selected>Y</select><textarea name=a>\nx &lt; y</textarea>"+
			`<input name=off disabled><button name=b value=1>One</button><button type=button>No</button>`+
			`<input type=submit name=b value=Two formaction=/two formmethod=get></form>`)
	if p.Title != "A & B" || p.RefreshURL != "https://app.test/next" || p.RefreshAfter.Seconds() != 3 {
		t.Errorf("title %q, refresh %q after %v", p.Title, p.RefreshURL, p.RefreshAfter)
	}
	if len(p.Links) != 1 || p.Links[0] != (wechattest.Element{ID: "l1", Text: "the link", URL: "https://app.test/x"}) {
		t.Errorf("links %+v", p.Links)
	}
	if p.Link("the link") == nil || p.Link("l1") == nil || p.Link("") != nil {
		t.Error("a link is found by its id and text, and not by nothing")
	}
	if n, target := wechattest.FormTarget(p); n != 1 || target != "POST https://app.test/dir/go" {
		t.Errorf("%d forms, the first %s", n, target)
	}
	if got, want := wechattest.FormFields(p), "h=1;t=a b;c=on(not sent);d=on;r=2;s=Y;a=x < y;"; got != want {
		t.Errorf("fields\n got %s\nwant %s", got, want)
	}
	if want := []wechattest.Element{
		{Name: "b", Value: "1", Text: "One", URL: "https://app.test/dir/go"},
		{Name: "b", Value: "Two", Text: "Two", URL: "https://app.test/two"},
	}; !slices.Equal(p.Buttons, want) {
		t.Errorf("buttons %+v", p.Buttons)
	}
	if s := p.Text(); !strings.Contains(s, "See the link,no X Y x < y One") {
		t.Errorf("text %q", s)
	}
}

func FuzzReadPage(f *testing.F) {
	for _, s := range []string{`<form><input name=a><select name=b><option>c`, `<a href=//x>`,
		`<meta http-equiv=refresh content="1;url=x">`, `<form><button>a<button>b</form><form id=x>`,
		`<input form=x><form id=x><textarea name=t>`, `<select><option></select><option>`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		p := wechattest.Read("https://app.test/dir/page", "text/html", src)
		for _, l := range p.Links {
			if !strings.HasPrefix(l.URL, "http://") && !strings.HasPrefix(l.URL, "https://") {
				t.Fatalf("link %q", l.URL)
			}
		}
		p.Text()
	})
}

// Secure cookies and the headers Sec-Fetch-* depend on it.
func TestPotentiallyTrustworthy(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://b.example/x": true, "http://b.example/": false, "http://127.0.0.1:1/": true, "http://[::1]:1/": true,
		"http://app.localhost:1/": true, "http://127.0.0.1.evil.test/": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := wechattest.PotentiallyTrustworthy(u); got != want {
			t.Errorf("%s: %t, want %t", address, got, want)
		}
	}
}

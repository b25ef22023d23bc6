package wechattest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestTagsAreCutAsBrowsersCutThem(t *testing.T) {
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
		{"script is not markup", `<script>if (a<b) "<p>"</SCRIPT ><p>`, []string{"<script>", `script{if (a<b) "<p>"}`, "</script>", "<p>"}},
		{"style ends at its own tag only", `<style></styles></style>`, []string{"<style>", "style{</styles>}", "</style>"}},
		{"unended title", `<title>a<b>`, []string{"<title>", "title{a<b>}"}},
		{"tag cut off by the end", `x<a href="`, []string{"x"}},
		{"references in attributes", `<a href="?a=1&copy=2&amp;b=3&#x26;c&lt" title=&copy>`, []string{"<a href=[?a=1&copy=2&b=3&c<] title=[©]>"}},
		{"equals sign in a name", `<a =x=1>`, []string{"<a =x=[1]>"}},
	} {
		if got := wechattest.Tokens(c.src); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q\n got %q\nwant %q", c.name, c.src, got, c.want)
		}
	}
}

// Each of these would reach somebody, run something or leave the frame if it came through.
func TestHostilePageStaysInTheFrame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, src string }{
		{"script", `<script>evil()</script>`},
		{"script in SVG", `<svg><script>evil()</script></svg>`},
		{"event attribute", `<img src=x onerror=evil()><body onload="evil()">`},
		{"event attribute behind a slash", `<img/onerror=evil()/src=x>`},
		{"javascript link", `<a href="javascript:evil()">x</a>`},
		{"javascript link with blanks", "<a href=' java\nscript:evil()'>x</a>"},
		{"javascript link in references", `<a href="&#106;avascript:evil()">x</a>`},
		{"javascript form", `<form action=javascript:evil()><button formaction=javascript:evil()>`},
		{"data page", `<a href="data:text/html,evil()">x</a><iframe src="data:text/html,evil()"></iframe>`},
		{"srcdoc", `<iframe srcdoc="<script>evil()</script>"></iframe>`},
		{"object, embed, applet", `<object data=evil()></object><embed src=evil()><applet code=evil()></applet>`},
		{"meta refresh", `<meta http-equiv=refresh content="0;url=evil()">`},
		{"meta policy", `<meta http-equiv=content-security-policy content="evil()">`},
		{"base", `<base href="evil()" target="evil()">`},
		{"target", `<a target="evil()" href=/x>x</a><form target=evil()>`},
		{"ping and download", `<a ping="evil()" download="evil()" href=/x>x</a>`},
		{"style that becomes a tag in SVG", `<svg><style><img src=x onerror=evil()></style></svg>`},
		{"title that becomes a tag in SVG", `<svg><title><img src=x onerror=evil()></title></svg>`},
		{"textarea", `<svg><textarea><img src=x onerror=evil()></textarea></svg>`},
		{"comment in noscript", `<noscript><!-- </noscript><img src=x onerror=evil()> --></noscript>`},
		{"name breaks out", `<p "onclick=evil()>`},
		{"shadow root", `<div><template shadowrootmode=open><script>evil()</script></template></div>`},
		{"xlink", `<svg><a xlink:href="javascript:evil()"><text>x</text></a><use href="http://h/evil()"></use></svg>`},
		{"animation", `<svg><a><animate attributeName=href values="javascript:evil()"/></a></svg>`},
		{"frame set", `<frameset onload=evil()><frame src="javascript:evil()"></frameset>`},
		{"css in an attribute", `<p style="background:url(javascript:evil())">`},
	} {
		got := wechattest.Rewrite("https://app.test/dir/page", c.src)
		shown := strings.Join(slices.DeleteFunc(wechattest.Tokens(got), func(s string) bool { return !strings.HasPrefix(s, "<") }), "")
		if strings.Contains(shown, "evil") {
			t.Errorf("%s: %s\nbecame %s", c.name, c.src, got)
		}
	}
}

func TestAddressesLeadBackThroughThePhone(t *testing.T) {
	t.Parallel()
	const page = "https://app.test/dir/page?q=1"
	for _, c := range []struct{ name, src, want string }{
		{"link", `<a href="../x?a=1&amp;b=2#f">`, `<a href="/f/TOKEN/go?u=https%3A%2F%2Fapp.test%2Fx%3Fa%3D1%26b%3D2%23f">`},
		{"link within the page", `<a href="#f">`, `<a href="#f">`},
		{"base", `<base href="/other/"><base href="/no/"><a href=x>`, `<a href="/f/TOKEN/go?u=https%3A%2F%2Fapp.test%2Fother%2Fx">`},
		{"backslashes", `<a href="\\evil.test\x">`, `<a href="/f/TOKEN/go?u=https%3A%2F%2Fevil.test%2Fx">`},
		{"picture", `<img src=a.png alt="&quot;">`, `<img src="/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fdir%2Fa.png" alt="&#34;">`},
		{"picture in the page", `<img src="data:image/png;base64,AA">`, `<img src="data:image/png;base64,AA">`},
		{"srcset", `<img srcset="a.png 1x, b.png 2x">`, `<img srcset="/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fdir%2Fa.png 1x, /f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fdir%2Fb.png 2x">`},
		{"style sheet", `<link rel=stylesheet href=/s.css><link rel=preload href=/x>`, `<link rel="stylesheet" href="/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fs.css" media="">`},
		{"style element", `<style>a{background:url(b.png)}</style>`, `<style>a{background:url("/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fdir%2Fb.png")}</style>`},
		{"form", `<form action=/s method=GET>`, `<form method="post" enctype="application/x-www-form-urlencoded" action="/f/TOKEN/submit?m=get&amp;u=https%3A%2F%2Fapp.test%2Fs">`},
		{"form to itself ignores base", `<base href=/o/><form method=post>`, `<form method="post" enctype="application/x-www-form-urlencoded" action="/f/TOKEN/submit?m=post&amp;u=https%3A%2F%2Fapp.test%2Fdir%2Fpage%3Fq%3D1">`},
		{"text keeps its references", `a &amp; b &lt;i&gt;`, `a &amp; b &lt;i&gt;`},
		{"no attribute breaks out", `<p title='"><img src=x onerror=e()>'>`, `<p title="&#34;&gt;&lt;img src=x onerror=e()&gt;">`},
		{"drawing", `<svg><path d="M0 0"/><path d=M0/><circle r=1 /></svg>`, `<svg><path d="M0 0"></path><path d="M0/"><circle r="1"></circle></svg>`},
		{"other elements do not end so", `<p/>x<b/>`, `<p>x<b>`},
		{"noscript is shown", `<noscript><p>x</p></noscript>`, `<p>x</p>`},
	} {
		got := strings.TrimPrefix(wechattest.Rewrite(page, c.src), "<!doctype html>\n")
		if got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.name, c.src, got, c.want)
		}
	}
}

func TestStyleSheetsAreRewritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, src, want string }{
		{"bare", `a{b:url(x.png)}`, `a{b:url("[x.png]")}`},
		{"quoted, blanks, case", `a{b:URL( 'x y' )}`, `a{b:url("[x y]")}`},
		{"escape", `a{b:url(x\29 y)}`, `a{b:url("[x)y]")}`},
		{"import by string", `@import "a.css" screen; b{c:"d"}`, `@import url("[a.css]") screen; b{c:"d"}`},
		{"import by url", `@import url(a.css);b{c:"d"}`, `@import url("[a.css]");b{c:"d"}`},
		{"a name that ends in url", `a{b:curl(x)}`, `a{b:curl(x)}`},
		{"comment", `a/* url(x) */b`, `a b`},
		{"open comment", `a/* url(x)`, `a`},
		{"string is left alone", `a::after{content:"url(x)"}`, `a::after{content:"url(x)"}`},
		{"no way out of the element", `a{b:"</style><script>"}</style>`, `a{b:"\3C /style>\3C script>"}\3C /style>`},
		{"no way out of the address", `a{b:url("\"</style>")}`, `a{b:url("[\22 \3c /style>]")}`},
		{"media range", `@media (width < 600px){}`, `@media (width < 600px){}`},
		{"ends in a backslash", `a\`, `a\`},
	} {
		if got := wechattest.RewriteCSS(c.src); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.name, c.src, got, c.want)
		}
	}
}

func TestPhoneReadsThePage(t *testing.T) {
	t.Parallel()
	p := wechattest.Read("https://app.test/dir/page", "text/html; charset=utf-8", `<!doctype html><title> A
 &amp; B </title><meta http-equiv=Refresh content="3; URL='/next'"><p>See <a id=l1 href=../x>the <b>link</b></a>,<a href=mailto:x>no</a>
<form id=f action=go method=post><input name=h type=hidden value=1><input name=t value="a b"><input type=checkbox name=c><input type=checkbox name=d checked>
<input type=radio name=r value=1><input type=radio name=r value=2 checked><select name=s><option value=x>X<option selected>Y</select><textarea name=a>
x &lt; y</textarea><input name=off disabled><button name=b value=1>One</button><button type=button>No</button><input type=submit name=b value=Two formaction=/two formmethod=get></form>`)
	if p.Title != "A & B" || p.Refresh == nil || p.Refresh.URL != "https://app.test/next" || p.Refresh.After.Seconds() != 3 {
		t.Errorf("title %q, refresh %+v", p.Title, p.Refresh)
	}
	if len(p.Links) != 1 || p.Links[0] != (wechattest.Link{ID: "l1", Text: "the link", URL: "https://app.test/x"}) {
		t.Errorf("links %+v", p.Links)
	}
	if p.Link("the link") == nil || p.Link("l1") == nil || p.Link("") != nil {
		t.Error("a link is found by its id and text, and not by nothing")
	}
	if len(p.Forms) != 1 {
		t.Fatalf("%d forms, want 1", len(p.Forms))
	}
	f := p.Forms[0]
	if f.Action != "https://app.test/dir/go" || f.Method != "POST" {
		t.Errorf("form %s %s", f.Method, f.Action)
	}
	got := ""
	for _, d := range f.Fields {
		got += d.Name + "=" + d.Value
		if !d.Sent {
			got += "(not sent)"
		}
		got += ";"
	}
	if want := "h=1;t=a b;c=on(not sent);d=on;r=2;s=Y;a=x < y;"; got != want {
		t.Errorf("fields\n got %s\nwant %s", got, want)
	}
	if len(f.Buttons) != 2 || f.Buttons[0].Text != "One" || f.Buttons[1].Text != "Two" {
		t.Errorf("buttons %+v", f.Buttons)
	}
	if s := p.Text(); !strings.Contains(s, "See the link,no X Y x < y One") {
		t.Errorf("text %q", s)
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{`<a href=x>`, `<style>a{b:url(x)}</style>`, `<svg><style><img onerror=x></style>`, `<!--><script>`, `<form action="&quot;">`,
		`<p title='"onclick=x'>`, `<textarea></textarea><title>`, "<a\x00href=x>", `<img srcset="a 1x,b">`, `<xmp><script>x</script></xmp>`, `<plaintext><p onclick=x>`,
		`<a href="javascript:x">`, `<style><!--</style><script>-->`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		out := wechattest.Rewrite("https://app.test/dir/page", src)
		for _, tag := range wechattest.Tags(out) {
			switch tag.Name {
			case "script", "base", "iframe", "object", "embed", "frame", "frameset", "applet":
				t.Fatalf("%q came through: %q", tag.Name, out)
			}
			for name, v := range tag.Attrs {
				if strings.HasPrefix(name, "on") || name == "srcdoc" || name == "target" || name == "ping" {
					t.Fatalf("attribute %q came through: %q", name, out)
				}
				if name == "href" && tag.Name == "a" && !strings.HasPrefix(v, "/f/TOKEN/go?u=http") && !strings.HasPrefix(v, "#") {
					t.Fatalf("a link leads elsewhere: %q", v)
				}
			}
		}
		if again := wechattest.Rewrite("https://app.test/dir/page", out); strings.Contains(strings.ToLower(again), "<script") {
			t.Fatalf("second reading finds a script: %q", again)
		}
	})
}

func FuzzRewriteCSS(f *testing.F) {
	for _, s := range []string{`a{b:url(x)}`, `@import "x";`, `/* </style> */`, `"\</style>"`, `url(\`, `\3c /style`, `@import'<`, "url('a\nb)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		out := wechattest.RewriteCSS(src)
		for i := range len(out) {
			if out[i] == '<' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '!' || out[i+1]|0x20 >= 'a' && out[i+1]|0x20 <= 'z') {
				t.Fatalf("a tag can open in %q from %q", out, src)
			}
		}
	})
}

func FuzzReadPage(f *testing.F) {
	for _, s := range []string{`<form><input name=a><select name=b><option>c`, `<a href=//x>`, `<meta http-equiv=refresh content="1;url=x">`, `<form><button>a<button>b</form><form id=x>`,
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

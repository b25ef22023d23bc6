package phoneview_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/weigate/weigate/internal/simulator/phoneview"
)

// startTags returns the start tags of a page twice: from the tokenizer, and from the parsed tree.
// The two can differ, because a parser has other rules for the content of SVG.
func startTags(t *testing.T, src string) (out []html.Token) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(src))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		if kind == html.StartTagToken || kind == html.SelfClosingTagToken {
			out = append(out, z.Token())
		}
	}
	tree, err := html.Parse(strings.NewReader(src))
	if err != nil {
		return out // nested deeper than the parser supports
	}
	for n := range tree.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, html.Token{Type: html.StartTagToken, Data: n.Data, Attr: n.Attr})
		}
	}
	return out
}

// Each page is hostile: without the rewriting it would run a script, load from another host or
// leave the frame.
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
		got := phoneview.Rewrite("https://app.test/dir/page", c.src)
		for _, tag := range startTags(t, got) {
			if strings.Contains(tag.String(), "evil") {
				t.Errorf("%s: %s\nbecame %s", c.name, c.src, got)
			}
		}
	}
}

func TestAddressesLeadThroughThePhone(t *testing.T) {
	t.Parallel()
	const page = "https://app.test/dir/page?q=1"
	for _, c := range []struct{ name, src, want string }{
		{"link", `<a href="../x?a=1&amp;b=2#f">`,
			`<a href="/f/TOKEN/go?u=https%3A%2F%2Fapp.test%2Fx%3Fa%3D1%26b%3D2%23f">`},
		{"link within the page", `<a href="#f">`, `<a href="#f">`},
		{"base", `<base href="/other/"><base href="/no/"><a href=x>`,
			`<a href="/f/TOKEN/go?u=https%3A%2F%2Fapp.test%2Fother%2Fx">`},
		{"backslashes", `<a href="\\evil.test\x">`, `<a href="/f/TOKEN/go?u=https%3A%2F%2Fevil.test%2Fx">`},
		{"picture", `<img src=a.png alt="&quot;">`,
			`<img src="/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fdir%2Fa.png" alt="&#34;">`},
		{"picture in the page", `<img src="data:image/png;base64,AA">`, `<img src="data:image/png;base64,AA">`},
		{"srcset", `<img srcset="a.png 1x, b.png 2x">`,
			`<img srcset="/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fdir%2Fa.png 1x, ` +
				`/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fdir%2Fb.png 2x">`},
		{"style sheet", `<link rel=stylesheet href=/s.css><link rel=preload href=/x>`,
			`<link rel="stylesheet" href="/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fs.css" media="">`},
		{"style element", `<style>a{background:url(b.png)}</style>`,
			`<style>a{background:url("/f/TOKEN/load?u=https%3A%2F%2Fapp.test%2Fdir%2Fb.png")}</style>`},
		{"form", `<form action=/s method=GET>`,
			`<form method="post" enctype="application/x-www-form-urlencoded" ` +
				`action="/f/TOKEN/submit?m=get&amp;u=https%3A%2F%2Fapp.test%2Fs">`},
		{"form to itself ignores base", `<base href=/o/><form method=post>`,
			`<form method="post" enctype="application/x-www-form-urlencoded" ` +
				`action="/f/TOKEN/submit?m=post&amp;u=https%3A%2F%2Fapp.test%2Fdir%2Fpage%3Fq%3D1">`},
		{"text keeps its references", `a &amp; b &lt;i&gt;`, `a &amp; b &lt;i&gt;`},
		{"no attribute breaks out", `<p title='"><img src=x onerror=e()>'>`,
			`<p title="&#34;&gt;&lt;img src=x onerror=e()&gt;">`},
		{"SVG shapes get end tags", `<svg><path d="M0 0"/><path d=M0/><circle r=1 /></svg>`,
			`<svg><path d="M0 0"></path><path d="M0/"><circle r="1"></circle></svg>`},
		{"slash ends no other element", `<p/>x<b/>`, `<p>x<b>`},
		{"noscript is shown", `<noscript><p>x</p></noscript>`, `<p>x</p>`},
	} {
		got := strings.TrimPrefix(phoneview.Rewrite(page, c.src), "<!doctype html>\n")
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
		if got := phoneview.RewriteCSS(c.src); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.name, c.src, got, c.want)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{`<a href=x>`, `<style>a{b:url(x)}</style>`, `<svg><style><img onerror=x></style>`,
		`<!--><script>`, `<form action="&quot;">`,
		`<p title='"onclick=x'>`, `<textarea></textarea><title>`, "<a\x00href=x>", `<img srcset="a 1x,b">`,
		`<xmp><script>x</script></xmp>`, `<plaintext><p onclick=x>`,
		`<a href="javascript:x">`, `<style><!--</style><script>-->`, `<sCript0>`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		out := phoneview.Rewrite("https://app.test/dir/page", src)
		for _, tag := range startTags(t, out) {
			switch tag.Data {
			case "script", "base", "iframe", "object", "embed", "frame", "frameset", "applet":
				t.Fatalf("the element %q was not removed: %q", tag.Data, out)
			}
			for _, a := range tag.Attr {
				name, v := a.Key, a.Val
				if strings.HasPrefix(name, "on") || name == "srcdoc" || name == "target" || name == "ping" {
					t.Fatalf("the attribute %q was not removed: %q", name, out)
				}
				if name == "href" && tag.Data == "a" && !strings.HasPrefix(v, "/f/TOKEN/go?u=http") &&
					!strings.HasPrefix(v, "#") {
					t.Fatalf("the address of a link was not replaced: %q", v)
				}
			}
		}
		again := phoneview.Rewrite("https://app.test/dir/page", out)
		for _, tag := range startTags(t, again) {
			if tag.Data == "script" {
				t.Fatalf("a script after a second rewriting: %q", again)
			}
		}
	})
}

func FuzzRewriteCSS(f *testing.F) {
	for _, s := range []string{`a{b:url(x)}`, `@import "x";`, `/* </style> */`, `"\</style>"`, `url(\`, `\3c /style`,
		`@import'<`, "url('a\nb)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		out := phoneview.RewriteCSS(src)
		for i := range len(out) {
			if out[i] == '<' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '!' || out[i+1]|0x20 >= 'a' &&
				out[i+1]|0x20 <= 'z') {
				t.Fatalf("a tag can begin in the result %q of %q", out, src)
			}
		}
	})
}

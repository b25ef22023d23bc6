package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/store/sqlite"
)

func unlisted() []string {
	return []string{
		"https://evil.example.net/", "https://evil.example.net/?https://shop.example.com/",
		"https://evil.example.net#https://shop.example.com/",
		"https://shop.example.com.evil.example.net/", "https://evilshop.example.com/", "https://example.com/",
		"https://a.shop.example.com/", "https://shop.example.com./",
		"https://shop.example.com@evil.example.net/", "https://shop.example.com:x@evil.example.net/",
		"https://shop.example.com%40evil.example.net/", "https://evil@shop.example.com/",
		"https://shop.example.com:443@evil.example.net/", "https://shop.example.com%2eevil.example.net/",
		"https://shop.example.com%00.evil.example.net/",
		"https://evil.example.net\\@shop.example.com/", "https://shop.example.com\\.evil.example.net/",
		"https:\\\\shop.example.com/", "https:/\\shop.example.com/", "https://shop.example.com\\@evil.example.net",
		"//shop.example.com/", "///shop.example.com/", "/callback", "callback", "shop.example.com/",
		"https:shop.example.com/", "https:///shop.example.com/", "https:////evil.example.net/", "https://",
		"://shop.example.com/",
		"javascript:alert(1)", "javascript://shop.example.com/%0aalert(1)", "JAVASCRIPT://shop.example.com/%0aalert(1)",
		" https://shop.example.com/", "java\tscript://shop.example.com/", "data:text/html,x",
		"data://shop.example.com/,x",
		"vbscript://shop.example.com/", "file://shop.example.com/", "ftp://shop.example.com/",
		"weixin://shop.example.com/", "ws://shop.example.com/", "blob:https://shop.example.com/x",
		"view-source:https://shop.example.com/",
		"http://shop.example.com/callback", "https://127.0.0.1:8080/", "http://shop.example.com:80/",
		"https://shop.example.com:8443/", "https://shop.example.com:80/", "http://shop.example.com:443/",
		"https://shop.example.com:/", "https://shop.example.com:443x/", "https://dev.example.com/",
		"http://127.0.0.1/", "http://[::1]:1/", "http://[::1/",
		"https://ｓhop.example.com/", "https://shop.example。com/", "https://shop.example.com\u200b/",
		"https://[shop.example.com]/",
		"https://shop.example.com/\r\nSet-Cookie: a=b", "https://shop.example.com/\x00", "https://shop.exam\tple.com/",
		"https://shop.example.com\n.evil.example.net/", "https://shop.example.com/\x7f", "",
	}
}

// A code is sent to a listed host or not at all, and for a rejected address no sign-in starts.
func TestCodeIsNotSentToAnUnlistedHost(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	for _, path := range []string{"/connect/oauth2/authorize", "/connect/qrconnect"} {
		scope := map[string]string{"/connect/oauth2/authorize": "snsapi_base",
			"/connect/qrconnect": "snsapi_login"}[path]
		for _, to := range unlisted() {
			w := g.get(path, "appid", appID, "redirect_uri", to, "response_type", "code", "scope", scope, "state", "s")
			if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" || len(g.begun) > 0 {
				t.Errorf("%s, %q: %d, to %q", path, to, w.Code, w.Header().Get("Location"))
			}
		}
	}
	if _, err := g.store.Grant(t.Context(), "none"); err == nil {
		t.Error("a family was made")
	}
}

// FuzzReturnAddress: what is let through leads to a listed host in Go's reading too, and the header
// holds one line of ASCII.
func FuzzReturnAddress(f *testing.F) {
	for _, seed := range append(unlisted(), callback, "https://shop.example.com/?a=b#c", "http://127.0.0.1:8080/x",
		"HTTPS://SHOP.example.com/%zz") {
		f.Add(seed, "s")
	}
	f.Add(callback, "a\r\nb")
	f.Add(callback, "&code=x#")
	g := newFixture(f, func(c *relay.Config) { c.Logger = nil })
	f.Fuzz(func(t *testing.T, to, state string) {
		if len(to) > 400 || len(state) > 128 {
			return
		}
		g.t = t
		location := g.authorize("snsapi_base", "redirect_uri", to, "state", state).Header().Get("Location")
		if location == "" {
			return
		}
		for _, c := range []byte(location) {
			if c <= ' ' || c >= 0x7f || c == '\\' {
				t.Fatalf("the byte %#02x in %q", c, location)
			}
		}
		u, err := url.Parse(location)
		if err != nil {
			return // an app whose own address is not well encoded gets it back so
		}
		port := u.Port()
		if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
			port = ""
		}
		switch strings.ToLower(u.Hostname()) + " " + port {
		case "shop.example.com ", "dev.example.com 8443", "127.0.0.1 8080", "::1 ":
		default:
			t.Fatalf("%q leads to %q", to, location)
		}
		if u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			t.Fatalf("%q leads to %q", to, location)
		}
	})
}

// FuzzCalls: whatever an app, or somebody else, sends, the answer is JSON with status 200, and
// nobody without a code gets a token.
func FuzzCalls(f *testing.F) {
	good := query("appid", appID, "secret", secret, "code", "x", "grant_type", "authorization_code")
	for _, seed := range []string{good, good + "&code=y", "appid=%zz&secret=;",
		"access_token=61_AAAAAAAAAAAAAAAAAAAAAAAA&openid=o", strings.Repeat("a=b&", 5000), "\x00\xff", "%00=%ff",
		query("appid", appID, "grant_type", "refresh_token", "refresh_token", "61_"+strings.Repeat("A", 107))} {
		f.Add(seed, "")
		f.Add("", seed)
	}
	g := newFixture(f, func(c *relay.Config) { c.Logger = nil })
	f.Fuzz(func(t *testing.T, inQuery, inBody string) {
		g.t = t
		for _, path := range []string{"/sns/oauth2/access_token", "/sns/oauth2/refresh_token", "/sns/userinfo",
			"/sns/auth"} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(inBody))
			r.URL.RawQuery = inQuery
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			g.mux.ServeHTTP(w, r)
			if a := g.read(w); a.code() == 0 || a.AccessToken != "" {
				t.Errorf("%s answered %s", path, a.raw)
			}
		}
	})
}

// With WeChat, an "&" in the state of a link adds parameters to the app's callback, such as a
// second code.
func TestStateAddsNoParameterAndNoHeader(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	for _, state := range []string{"x&code=STOLEN", "x#&code=STOLEN", "x;code=STOLEN", "x\r\nSet-Cookie: a=b",
		"x\nLocation: https://evil.example.net", "x\x00", "\"><script>"} {
		h := g.authorize("snsapi_base", "state", state).Header()
		u, err := url.Parse(h.Get("Location"))
		if err != nil || strings.ContainsAny(h.Get("Location"), "\r\n\x00\"<>") || len(h["Location"]) != 1 ||
			h.Get("Set-Cookie") != "" {
			t.Fatalf("state %q: %q, %v", state, h, err)
		}
		if q := u.Query(); len(q["code"]) != 1 || q.Get("code") == "STOLEN" || u.Fragment != "" {
			t.Errorf("state %q: %q", state, u)
		}
	}
}

// An attacker's link is completed in the browser that opens it, for the user of that browser, and
// the code is sent to the app only.
func TestAttackersLinkSignsNoOtherUserIn(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	mallory := g.session
	g.session = nil
	g.authorize("snsapi_base") // Mallory's browser begins
	link := g.begun[0].ReturnURL
	g.user = g.recordSignIn("main", realAppID, "oBob", "")
	bob := g.in("main", realAppID, "oBob")
	g.session = bob // and Bob opens the link
	to, err := url.Parse(g.do(http.MethodGet, link, nil).Header().Get("Location"))
	if err != nil || to.Host != "shop.example.com" {
		t.Fatalf("%v, %v", to, err)
	}
	if a := g.redeem(to.Query().Get("code")); a.OpenID != "oBob" {
		t.Errorf("Bob's browser: %s", a.raw)
	}
	g.session = mallory
	if a := g.redeem(g.code("snsapi_base")); a.OpenID != openID {
		t.Errorf("Mallory's browser: %s", a.raw)
	}
}

func TestSecretGuessing(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	code := g.code("snsapi_base")
	for i := range 20 {
		if a := g.redeem(code, "secret", fmt.Sprint("guess ", i)); a.code() != 40125 {
			t.Fatalf("guess %d: %s", i, a.raw)
		}
	}
	if a := g.redeem(code); a.code() != 45011 {
		t.Errorf("the right one, after twenty guesses from there: %s", a.raw)
	}
	// The app's own machine is not locked out, and the code is not burnt.
	g.address = netip.MustParseAddr("198.51.100.9")
	if a := g.redeem(code); a.OpenID != openID {
		t.Errorf("from elsewhere: %s", a.raw)
	}
	// What succeeds is not counted.
	for range 50 {
		if a := g.redeem(g.code("snsapi_base")); a.code() != 0 {
			t.Fatalf("a busy app: %s", a.raw)
		}
	}
	// Unknown appids count together.
	g.address = netip.MustParseAddr("192.0.2.1")
	for i := range 20 {
		g.redeem(code, "appid", fmt.Sprint("wx", i))
	}
	if a := g.redeem(code, "appid", "wx77"); a.code() != 45011 {
		t.Errorf("after twenty made-up appids: %s", a.raw)
	}
	g.advance(4 * time.Second)
	if a := g.redeem(code, "appid", "wx77"); a.code() != 40013 {
		t.Errorf("a while later: %s", a.raw)
	}
}

// An attacker who knows the format of refresh tokens and the id of a grant can neither make a valid
// token nor revoke the grant.
func TestMadeUpRefreshTokenEndsNothing(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	in := g.redeem(g.code("snsapi_userinfo"))
	for i := range len(in.RefreshToken) {
		b := []byte(in.RefreshToken)
		if b[i]++; b[i] == '`' || b[i] == '{' || b[i] == '[' {
			b[i] = 'A'
		}
		if a := g.refresh(string(b)); a.code() != 40030 {
			t.Fatalf("byte %d changed: %s", i, a.raw)
		}
	}
	if a := g.refresh(in.RefreshToken); a.code() != 0 {
		t.Errorf("afterwards: %s", a.raw)
	}
}

func TestRefreshTokenOfAnotherAppEndsNothing(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	in := g.redeem(g.code("snsapi_userinfo"))
	if a := g.refresh(in.RefreshToken, "appid", "wx00000000000000bb"); a.code() != 40013 {
		t.Error(a.raw)
	}
	if a := g.refresh(in.RefreshToken); a.code() != 0 {
		t.Error(a.raw)
	}
}

// counted counts the rows that refreshes make.
type counted struct {
	gateway.Grants
	made *atomic.Int64
}

func (c counted) Rotate(ctx context.Context, r gateway.Rotation) (gateway.RotatedGrant, error) {
	out, err := c.Grants.Rotate(ctx, r)
	if err == nil {
		c.made.Add(1)
	}
	return out, err
}

// A refresh requires no secret, and each access token is a row for two hours: an attacker with one
// refresh token, or a program that refreshes at every page, must not fill the store.
func TestFloodOfRefreshesMakesFewRows(t *testing.T) {
	t.Parallel()
	var made atomic.Int64
	g := newFixture(t, func(c *relay.Config) { c.Grants = counted{c.Grants, &made} })
	first := g.redeem(g.code("snsapi_base"))
	for range 20 {
		for range 20 {
			again := g.refresh(first.RefreshToken)
			if again.code() != 0 || again.ExpiresIn != 7200 {
				t.Fatal(again.raw)
			}
			g.advance(15 * time.Second)
			if a := g.bearer("/sns/auth", again.AccessToken); a.code() != 0 {
				t.Fatal(a.raw)
			}
		}
	}
	if n := made.Load(); n < 10 || n > 11 {
		t.Errorf("400 refreshes in 100 minutes made %d access tokens", n)
	}
	// Each token is valid for the two hours that its response contained, even if it was issued
	// before.
	last := g.refresh(first.RefreshToken)
	g.advance(2*time.Hour - time.Second)
	if a := g.bearer("/sns/auth", last.AccessToken); a.code() != 0 {
		t.Errorf("before the two hours are over: %s", a.raw)
	}
	other := g.redeem(g.code("snsapi_base"))
	if g.refresh(other.RefreshToken).AccessToken == g.refresh(first.RefreshToken).AccessToken {
		t.Error("two families have one access token")
	}
}

func TestRefreshesAtOnceAllWork(t *testing.T) {
	t.Parallel()
	g := newFixture(t, func(c *relay.Config) { c.Observe = nil })
	first := g.redeem(g.code("snsapi_base"))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			w := g.get("/sns/oauth2/refresh_token", "appid", appID, "grant_type", "refresh_token",
				"refresh_token", first.RefreshToken)
			if a := g.read(w); a.code() != 0 || a.AccessToken == "" {
				t.Error(a.raw)
			}
		})
	}
	all.Wait()
}

// Who steals the database has hashes of what opens something, and nothing that opens it.
func TestStolenDatabaseHoldsNoCodeAndNoToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "weigate.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := newFixture(t, func(c *relay.Config) { c.Grants = store })
	g.store = store
	g.user = g.recordSignIn("main", realAppID, openID, "uAlice")
	g.session = g.in("main", realAppID, openID)
	used, unused := g.code("snsapi_base"), g.code("snsapi_userinfo")
	in := g.redeem(used)
	again := g.refresh(in.RefreshToken)
	if err := store.Close(); err != nil || again.code() != 0 {
		t.Fatalf("%v, %s", err, again.raw)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(b, []byte(openID))
		for what, secret := range map[string]string{
			"a code that was used": used, "a code that was not": unused, "an access token": in.AccessToken,
			"another": again.AccessToken, "the refresh token": in.RefreshToken, "the secret": secret} {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s is in %s", what, f.Name())
			}
		}
	}
	if !found {
		t.Error("the openid is in no file: this looked in the wrong place")
	}
}

// What crawlers, previews and anonymous visitors fetch leaves no row behind.
func TestAnonymousVisitorsStoreNothing(t *testing.T) {
	t.Parallel()
	g := newFixture(t, func(c *relay.Config) { c.Grants = noCodes{t: t} })
	g.session = nil
	g.authorize("snsapi_base")
	g.get("/connect/qrconnect", "appid", appID, "redirect_uri", callback, "response_type", "code",
		"scope", "snsapi_login", "state", "s")
	if len(g.begun) != 2 {
		t.Errorf("%+v", g.shown)
	}
}

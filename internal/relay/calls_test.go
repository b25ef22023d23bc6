package relay_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

func TestWireForm(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	token := `[0-9]{1,3}_[A-Za-z0-9_-]{107}`
	code := g.code("snsapi_userinfo")
	in := g.redeem(code)
	for name, k := range map[string]struct{ got, want string }{
		"code": {code, `0[0-9][A-Za-z0-9]{30}`},
		"exchange": {in.raw, `\{"access_token":"` + token + `","expires_in":7200,"refresh_token":"` + token +
			`","openid":"` + openID +
			`","scope":"snsapi_userinfo","unionid":"uAlice"\}`},
		"exchange of base": {g.redeem(g.code("snsapi_base")).raw, `\{"access_token":"` + token +
			`","expires_in":7200,"refresh_token":"` + token +
			`","openid":"` + openID + `","scope":"snsapi_base"\}`},
		"refresh": {g.refresh(in.RefreshToken).raw, `\{"openid":"` + openID + `","access_token":"` + token +
			`","expires_in":7200,"refresh_token":"` +
			regexp.QuoteMeta(in.RefreshToken) + `","scope":"snsapi_base,snsapi_userinfo,"\}`},
		"user info": {g.bearer("/sns/userinfo", in.AccessToken).raw, `\{"openid":"` + openID +
			`","nickname":"Alice\\/爱丽丝","sex":0,"language":"","city":"",` +
			`"province":"","country":"","headimgurl":` +
			`"https:\\/\\/thirdwx\.qlogo\.cn\\/mmopen\\/a\\/132","privilege":\[\],"unionid":"uAlice"\}`},
		"auth": {g.bearer("/sns/auth", in.AccessToken).raw, `\{"errcode":0,"errmsg":"ok"\}`},
		"error": {g.redeem("made-up").raw,
			`\{"errcode":40029,"errmsg":"invalid code, rid: 6b49d200-[0-9a-f]{8}-[0-9a-f]{8}"\}`},
	} {
		if !regexp.MustCompile(`^` + k.want + `$`).MatchString(k.got) {
			t.Errorf("%s: %s\nwant %s", name, k.got, k.want)
		}
	}
}

func TestErrcodes(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	base, profile := g.redeem(g.code("snsapi_base")), g.redeem(g.code("snsapi_userinfo"))
	for _, k := range []struct {
		name string
		got  answer
		want int
		text string
	}{
		{"no appid", g.redeem("x", "appid", "-"), 41002, "appid missing"},
		{"no secret", g.redeem("x", "secret", ""), 41004, "appsecret missing"},
		{"no code", g.redeem(""), 41008, "missing code"},
		{"no grant_type", g.redeem("x", "grant_type", "-"), 40002, "invalid grant_type"},
		{"missing comes before wrong", g.redeem("", "appid", "wx0", "secret", "x"), 41008, "missing code"},
		{"unknown appid", g.redeem("x", "appid", "wx0"), 40013, "invalid appid"},
		{"the real appid is not for old code", g.redeem("x", "appid", realAppID), 40013, "invalid appid"},
		{"wrong secret", g.redeem("x", "secret", "x"), 40125, "invalid appsecret"},
		{"another app's secret", g.redeem("x", "secret", "old"), 40125, "invalid appsecret"},
		{"made-up code", g.redeem("x"), 40029, "invalid code"},
		{"refresh without appid", g.refresh("x", "appid", ""), 41002, "appid missing"},
		{"no refresh_token", g.refresh(""), 41003, "refresh_token missing"},
		{"refresh grant_type", g.refresh("x", "grant_type", "authorization_code"), 40002, "invalid grant_type"},
		{"refresh, unknown appid", g.refresh("x", "appid", "wx0"), 40013, "invalid appid"},
		{"made-up refresh_token", g.refresh("61_" + strings.Repeat("A", 107)), 40030, "invalid refresh_token"},
		{"an access token is no refresh token", g.refresh(base.AccessToken), 40030, "invalid refresh_token"},
		{"another app's refresh_token", g.refresh(base.RefreshToken, "appid", "wx00000000000000bb"), 40013,
			"invalid appid"},
		{"no access_token", g.bearer("/sns/userinfo", ""), 41001, "access_token missing"},
		{"no openid", g.bearer("/sns/userinfo", profile.AccessToken, "openid", ""), 41009, "missing openid"},
		{"foreign openid", g.bearer("/sns/userinfo", profile.AccessToken, "openid", "oMallory"), 40003,
			"invalid openid"},
		{"malformed access_token", g.bearer("/sns/userinfo", "x"), 40014, "invalid access_token"},
		{"made-up access_token", g.bearer("/sns/userinfo", "61_"+strings.Repeat("A", 107)), 40001,
			"invalid credential, access_token is invalid or not latest"},
		{"a refresh token is no access token", g.bearer("/sns/userinfo", profile.RefreshToken), 40001,
			"invalid credential, access_token is invalid or not latest"},
		{"base opens no profile", g.bearer("/sns/userinfo", base.AccessToken), 48001, "api unauthorized"},
		{"auth, foreign openid", g.bearer("/sns/auth", base.AccessToken, "openid", "oMallory"), 40003,
			"invalid openid"},
		{"auth, base", g.bearer("/sns/auth", base.AccessToken), 0, "ok"},
		{"unknown path", g.read(g.get("/sns/jscode2session")), 40066, "invalid url"},
		{"PUT", g.read(g.do(http.MethodPut, "/sns/userinfo?access_token=x", nil)), 43001, "require GET method"},
	} {
		if text, _, _ := strings.Cut(k.got.Errmsg, ", rid: "); k.got.code() != k.want || text != k.text {
			t.Errorf("%s: %s, want %d %s", k.name, k.got.raw, k.want, k.text)
		}
	}
}

// Calls with the global access token get WeChat's form and errcode: old code reads an errcode, and
// no page or other JSON.
func TestGlobalTokenCallsGetAnErrcode(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	for _, path := range []string{"/cgi-bin/token", "/cgi-bin/user/info", "/cgi-bin/ticket/getticket",
		"/cgi-bin/message/template/send", "/cgi-bin/", "/card/create", "/customservice/kfaccount/add",
		"/datacube/getusersummary", "/semantic/semproxy/search", "/wxa/getwxacode", "/wxaapi/newtmpl/gettemplate"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			w := g.do(method, path+"?grant_type=client_credential&appid="+appID+"&secret="+url.QueryEscape(secret), nil)
			if a := g.read(w); a.code() != 40066 || !strings.HasPrefix(a.Errmsg, "invalid url, rid: ") {
				t.Errorf("%s %s: %s", method, path, a.raw)
			}
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/cgi-bin/menu/create?access_token=T", strings.NewReader(`{"button":[]}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if g.mux.ServeHTTP(w, r); g.read(w).code() != 40066 {
		t.Errorf("JSON: %s", w.Body)
	}
	if o := g.seen[len(g.seen)-1]; o != (relay.Observation{Endpoint: "global", Outcome: "40066"}) {
		t.Errorf("observed %+v", o)
	}
	if strings.Contains(g.log.String(), secret) || !strings.Contains(g.log.String(), "reason=not_served") {
		t.Errorf("log: %s", g.log)
	}
}

func TestGetPostAndForm(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	pairs := func(code string) string {
		return query("appid", appID, "secret", secret, "code", code, "grant_type", "authorization_code")
	}
	if a := g.read(g.do(http.MethodPost, "/sns/oauth2/access_token?"+pairs(g.code("snsapi_base")),
		nil)); a.OpenID != openID {
		t.Errorf("POST with a query: %s", a.raw)
	}
	form, err := url.ParseQuery(pairs(g.code("snsapi_base")))
	if err != nil {
		t.Fatal(err)
	}
	if a := g.read(g.do(http.MethodPost, "/sns/oauth2/access_token", form)); a.OpenID != openID {
		t.Errorf("POST with a form: %s", a.raw)
	}
	code := g.code("snsapi_base")
	if w := g.do(http.MethodHead, "/sns/oauth2/access_token?"+pairs(code), nil); w.Body.Len() != 0 {
		t.Errorf("HEAD: %s", w.Body)
	}
	if a := g.redeem(code); a.OpenID != openID {
		t.Errorf("after a HEAD: %s", a.raw)
	}
}

// WeChat's browser often sends a callback twice at the same time: one of the two requests gets the
// tokens, and they stay valid.
func TestCallbackTwiceAtOnceLeavesGoodTokens(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	code := g.code("snsapi_userinfo")
	answers := make([]answer, 8)
	var together sync.WaitGroup
	for i := range answers {
		together.Go(func() { answers[i] = g.redeem(code) })
	}
	together.Wait()
	good := 0
	for _, a := range answers {
		switch a.code() {
		case 0:
			good++
			if info := g.bearer("/sns/userinfo", a.AccessToken); info.Nickname == "" {
				t.Errorf("the tokens are dead: %s", info.raw)
			}
		case 40163:
		default:
			t.Errorf("one of eight: %s", a.raw)
		}
	}
	if good != 1 {
		t.Errorf("%d of eight got tokens", good)
	}
}

func TestCodeReplay(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	code := g.code("snsapi_base")
	if a := g.redeem(code); a.code() != 0 {
		t.Fatal(a.raw)
	}
	if a := g.redeem(code); a.code() != 40163 {
		t.Errorf("second use: %s", a.raw)
	}
	g.advance(5 * time.Minute)
	if a := g.redeem(code); a.code() != 40029 {
		t.Errorf("second use, hours later: %s", a.raw)
	}
}

func TestCodeExpires(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	early, late := g.code("snsapi_base"), g.code("snsapi_base")
	g.advance(5*time.Minute - time.Second)
	if a := g.redeem(early); a.code() != 0 {
		t.Errorf("in time: %s", a.raw)
	}
	g.advance(time.Second)
	if a := g.redeem(late); a.code() != 40029 {
		t.Errorf("too late: %s", a.raw)
	}
}

// A code that another app sends is nobody's to it, and is still good for its owner afterwards.
func TestCodeOfAnotherAppIsRefusedAndNotBurnt(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	code := g.code("snsapi_base")
	if a := g.redeem(code, "appid", "wx00000000000000bb", "secret", "new"); a.code() != 40029 {
		t.Errorf("another app: %s", a.raw)
	}
	if a := g.redeem(code, "secret", "guessed"); a.code() != 40125 {
		t.Errorf("wrong secret: %s", a.raw)
	}
	if a := g.redeem(code); a.OpenID != openID {
		t.Errorf("its owner, afterwards: %s", a.raw)
	}
}

// The same table has the codes of other protocols, possibly of an app that had this id before its
// kind was changed.
func TestCodeOfOpenIDConnectIsRefused(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	hash := route.HashSecret("a code of OpenID Connect")
	now := g.clock()
	if err := g.store.PutCode(t.Context(), gateway.Code{Hash: hash, ExpiresAt: now.Add(time.Minute),
		Grant: gateway.Grant{ID: gateway.NewID(), App: "shop",
			UserID: g.user.ID, Subject: "s", Scopes: []string{"openid"}, CreatedAt: now,
			ExpiresAt: now.Add(time.Minute)}}); err != nil {
		t.Fatal(err)
	}
	if a := g.redeem("a code of OpenID Connect"); a.code() != 40029 {
		t.Error(a.raw)
	}
	if c, err := g.store.Code(t.Context(), hash); err != nil || !c.RedeemedAt.IsZero() {
		t.Errorf("it was burnt: %+v, %v", c, err)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	first := g.redeem(g.code("snsapi_userinfo"))
	g.advance(2 * time.Hour)
	if a := g.bearer("/sns/userinfo", first.AccessToken); a.code() != 42001 {
		t.Errorf("after two hours: %s", a.raw)
	}
	// Twice with the same token, which does not change.
	for range 2 {
		again := g.refresh(first.RefreshToken)
		if again.RefreshToken != first.RefreshToken || again.AccessToken == first.AccessToken {
			t.Fatal(again.raw)
		}
		if a := g.bearer("/sns/userinfo", again.AccessToken); a.Nickname == "" {
			t.Errorf("after a refresh: %s", a.raw)
		}
	}
	// The 30 days do not move, not even by a refresh in their last hour.
	g.advance(30*24*time.Hour - 3*time.Hour)
	last := g.refresh(first.RefreshToken)
	if last.code() != 0 {
		t.Fatal(last.raw)
	}
	g.advance(time.Hour + time.Minute)
	if a := g.refresh(first.RefreshToken); a.code() != 40030 {
		t.Errorf("after 30 days: %s", a.raw)
	}
	if a := g.bearer("/sns/auth", last.AccessToken); a.code() != 0 {
		t.Errorf("the last access token, in its lifetime: %s", a.raw)
	}
}

func TestTokensDie(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		end                    func(*fixture)
		info, refresh, another int
	}{
		"a blocked person's token": {func(g *fixture) {
			if _, err := g.store.UpdateUser(t.Context(), g.user.ID, g.clock(),
				func(a *gateway.User) error { a.Status = gateway.Blocked; return nil }); err != nil {
				t.Error(err)
			}
		}, 42001, 40030, 40029},
		"sign-out everywhere": {func(g *fixture) {
			if _, err := g.store.Revoke(t.Context(), gateway.Revocation{UserID: g.user.ID}, g.clock()); err != nil {
				t.Error(err)
			}
		}, 42001, 40030, 40029},
		"a person who may not use the app any more": {func(g *fixture) { g.allow = access.Denied }, 42001, 40030, 40029},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newFixture(t)
			in, code := g.redeem(g.code("snsapi_userinfo")), g.code("snsapi_base")
			k.end(g)
			info, auth, refresh := g.bearer("/sns/userinfo", in.AccessToken), g.bearer("/sns/auth", in.AccessToken),
				g.refresh(in.RefreshToken)
			if info.code() != k.info || auth.code() != k.info || refresh.code() != k.refresh {
				t.Errorf("user info %s, auth %s, refresh %s", info.raw, auth.raw, refresh.raw)
			}
			if a := g.redeem(code); a.code() != k.another {
				t.Errorf("a code that was not redeemed: %s", a.raw)
			}
		})
	}
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	code := g.code("snsapi_base")
	g.down = true
	if a := g.redeem(code); a.code() != -1 || !strings.HasPrefix(a.Errmsg, "system error") {
		t.Errorf("store away: %s", a.raw)
	}
	if w := g.authorize("snsapi_base"); w.Code != http.StatusServiceUnavailable ||
		w.Header().Get("Retry-After") == "" || g.problem().Kind != web.Busy {
		t.Errorf("store away: %d, %+v", w.Code, g.shown)
	}
	g.down = false
	if a := g.redeem(code); a.OpenID != openID {
		t.Errorf("afterwards: %s", a.raw)
	}
}

// Two secrets are good during a roll-over.
func TestTwoSecrets(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	for _, s := range []string{"old", "new"} {
		code := g.code("snsapi_base", "appid", "wx00000000000000bb", "redirect_uri", "https://bank.example.com/")
		if a := g.redeem(code, "appid", "wx00000000000000bb", "secret", s); a.OpenID != openID {
			t.Errorf("%s: %s", s, a.raw)
		}
	}
}

func TestObservations(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.redeem(g.code("snsapi_base"))
	g.redeem("x")
	g.authorize("snsapi_base", "appid", "wx0")
	want := fmt.Sprint([]relay.Observation{{"authorize", "shop", "ok"}, {"access_token", "shop", "ok"},
		{"access_token", "shop", "40029"}, {"authorize", "", "unknown_app"}})
	if got := fmt.Sprint(g.seen); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// oldWorld is WeChat as old code sees it: the simulated one, or the gateway.
type oldWorld struct {
	w             *gatewayFixture
	name, base    string
	appID, secret string
	phone         phone
	advance       func(time.Duration)
}

// worlds are the two between which old code must not be able to tell.
func (w *gatewayFixture) worlds() []oldWorld {
	real := w.config.WeChat[0]
	return []oldWorld{
		{w, "wechat", w.wechat.URL, real.AppID, string(real.Secret), w.phone("alice"), func(d time.Duration) {
			w.wechat.Advance(d)
		}},
		{w, "relay", w.url, shopAppID, appSecret, w.phone("alice"), func(d time.Duration) {
			w.clock.Advance(d)
		}},
	}
}

// code sends alice to the authorize address, and returns the code that her browser brings back.
func (o oldWorld) code(scope wechat.Scope) string {
	o.w.t.Helper()
	o.open(scope, o.w.app.URL+"/shop")
	return o.w.app.LastQuery().Get("code")
}

// open sends alice to the authorize address until she is back at the app.
func (o oldWorld) open(scope wechat.Scope, to string) *wechattest.Page {
	o.w.t.Helper()
	client := &wechat.Client{AppID: o.appID, Secret: wechat.Secret(o.secret), APIURL: o.base, OpenURL: o.base}
	address, err := client.AuthorizeURL(wechat.AuthorizeRequest{RedirectURI: to, Scope: scope, State: "s1"})
	if err != nil {
		o.w.t.Fatal(err)
	}
	page := o.phone.Must(o.phone.Open(o.w.t.Context(), address))
	if fixture.PageName(page) == "profile" {
		page = o.phone.Press()
	}
	if !strings.HasPrefix(page.URL, o.w.app.URL) {
		page = o.phone.Must(o.phone.Allow(o.w.t.Context()))
	}
	return page
}

// call is a request of old code. The value "-" removes a parameter.
func (o oldWorld) call(method, path string, pairs []string, change ...string) *wireAnswer {
	o.w.t.Helper()
	q, form := url.Values{}, ""
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	for i := 0; i+1 < len(change); i += 2 {
		if q.Set(change[i], change[i+1]); change[i+1] == "-" {
			q.Del(change[i])
		}
	}
	address := o.base + path + "?" + q.Encode()
	if method == "FORM" {
		method, address, form = http.MethodPost, o.base+path, q.Encode()
	}
	r, err := http.NewRequestWithContext(o.w.t.Context(), method, address, strings.NewReader(form))
	if err != nil {
		o.w.t.Fatal(err)
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		o.w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		o.w.t.Fatal(err)
	}
	return &wireAnswer{status: res.StatusCode, contentType: res.Header.Get("Content-Type"), body: string(body)}
}

func (o oldWorld) exchange(code string, change ...string) *wireAnswer {
	return o.call(http.MethodGet, "/sns/oauth2/access_token",
		[]string{"appid", o.appID, "secret", o.secret, "code", code, "grant_type", "authorization_code"}, change...)
}

func (o oldWorld) refresh(token string, change ...string) *wireAnswer {
	return o.call(http.MethodGet, "/sns/oauth2/refresh_token",
		[]string{"appid", o.appID, "grant_type", "refresh_token", "refresh_token", token}, change...)
}

func (o oldWorld) bearer(path, token string, change ...string) *wireAnswer {
	return o.call(http.MethodGet, path,
		[]string{"access_token", token, "openid", o.w.wechat.OpenID(o.w.config.WeChat[0].AppID, "alice"), "lang", "zh_CN"},
		change...)
}

type wireAnswer struct {
	status            int
	contentType, body string
}

func (a *wireAnswer) get(name string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(a.body), &fields) != nil {
		return ""
	}
	return fmt.Sprint(fields[name])
}

// shape returns the parts of a response that must be the same from WeChat and from the gateway: the
// status, the type, the keys in their order, the types of the values, and all values that are not
// one-time secrets. Both use the simulator's pictures.
func (a *wireAnswer) shape() string {
	out := fmt.Sprintf("%d %s ", a.status, a.contentType)
	if strings.Contains(a.body, `": `) || strings.Contains(a.body, `, "`) {
		out += "spaced "
	}
	text := a.body
	for form, name := range map[string]string{
		`"[0-9]{1,3}_[A-Za-z0-9_-]{107}"`:             "TOKEN",
		`, rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"`: `, RID"`,
	} {
		text = regexp.MustCompile(form).ReplaceAllString(text, name)
	}
	return out + text
}

// Every call in both worlds: what works, and each kind of input that is wrong.
func TestOldCodeCannotTellTheGatewayFromWeChat(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	w.wechat.UpdateQuirks(func(s *wechattest.Quirks) { s.KeepOldTokens = true })
	made := "61_" + strings.Repeat("A", 107)
	type step struct {
		name string
		do   func(o oldWorld) *wireAnswer
	}
	base := func(o oldWorld) string { return o.exchange(o.code(wechat.ScopeBase)).get("access_token") }
	full := func(o oldWorld) *wireAnswer { return o.exchange(o.code(wechat.ScopeUserInfo)) }
	steps := []step{
		{"base", func(o oldWorld) *wireAnswer { return o.exchange(o.code(wechat.ScopeBase)) }},
		{"profile", full},
		{"exchange by POST", func(o oldWorld) *wireAnswer {
			return o.call(http.MethodPost, "/sns/oauth2/access_token",
				[]string{"appid", o.appID, "secret", o.secret, "code", o.code(wechat.ScopeBase), "grant_type",
					"authorization_code"})
		}},
		{"exchange by a form", func(o oldWorld) *wireAnswer {
			return o.call("FORM", "/sns/oauth2/access_token",
				[]string{"appid", o.appID, "secret", o.secret, "code", o.code(wechat.ScopeBase), "grant_type",
					"authorization_code"})
		}},
		{"refresh of a profile", func(o oldWorld) *wireAnswer { return o.refresh(full(o).get("refresh_token")) }},
		{"refresh of base", func(o oldWorld) *wireAnswer {
			return o.refresh(o.exchange(o.code(wechat.ScopeBase)).get("refresh_token"))
		}},
		{"user info", func(o oldWorld) *wireAnswer { return o.bearer("/sns/userinfo", full(o).get("access_token")) }},
		{"user info without lang", func(o oldWorld) *wireAnswer {
			return o.bearer("/sns/userinfo", full(o).get("access_token"), "lang", "-")
		}},
		{"user info after a refresh", func(o oldWorld) *wireAnswer {
			return o.bearer("/sns/userinfo", o.refresh(full(o).get("refresh_token")).get("access_token"))
		}},
		{"check", func(o oldWorld) *wireAnswer { return o.bearer("/sns/auth", base(o)) }},
		{"no code", func(o oldWorld) *wireAnswer { return o.exchange("") }},
		{"no parameter at all", func(o oldWorld) *wireAnswer {
			return o.call(http.MethodGet, "/sns/oauth2/access_token", nil)
		}},
		{"secret under another name", func(o oldWorld) *wireAnswer {
			return o.exchange("x", "secret", "-", "appsecret", o.secret)
		}},
		{"exchange grant_type", func(o oldWorld) *wireAnswer { return o.exchange("x", "grant_type", "refresh_token") }},
		{"unknown appid", func(o oldWorld) *wireAnswer { return o.exchange("x", "appid", "wx0000000000000000") }},
		{"wrong secret", func(o oldWorld) *wireAnswer { return o.exchange(o.code(wechat.ScopeBase), "secret", "wrong") }},
		{"made-up code", func(o oldWorld) *wireAnswer { return o.exchange("011111111111111111111111111111aa") }},
		{"code used twice", func(o oldWorld) *wireAnswer {
			code := o.code(wechat.ScopeBase)
			o.exchange(code)
			return o.exchange(code)
		}},
		{"code after a wrong secret", func(o oldWorld) *wireAnswer {
			code := o.code(wechat.ScopeBase)
			o.exchange(code, "secret", "wrong")
			return o.exchange(code)
		}},
		{"tokens after the code was used twice", func(o oldWorld) *wireAnswer {
			code := o.code(wechat.ScopeUserInfo)
			token := o.exchange(code).get("access_token")
			o.exchange(code)
			return o.bearer("/sns/userinfo", token)
		}},
		{"refresh without appid", func(o oldWorld) *wireAnswer { return o.refresh(made, "appid", "-") }},
		{"refresh without a token", func(o oldWorld) *wireAnswer { return o.refresh("") }},
		{"refresh grant_type", func(o oldWorld) *wireAnswer { return o.refresh(made, "grant_type", "-") }},
		{"refresh, unknown appid", func(o oldWorld) *wireAnswer { return o.refresh(made, "appid", "wx0000000000000000") }},
		{"made-up refresh token", func(o oldWorld) *wireAnswer { return o.refresh(made) }},
		{"access token as refresh token", func(o oldWorld) *wireAnswer { return o.refresh(base(o)) }},
		{"user info of base", func(o oldWorld) *wireAnswer { return o.bearer("/sns/userinfo", base(o)) }},
		{"user info without a token", func(o oldWorld) *wireAnswer { return o.bearer("/sns/userinfo", "") }},
		{"user info without openid", func(o oldWorld) *wireAnswer { return o.bearer("/sns/userinfo", made, "openid", "-") }},
		{"user info of a foreign openid", func(o oldWorld) *wireAnswer {
			return o.bearer("/sns/userinfo", full(o).get("access_token"), "openid", "oMallory0000000000000000000")
		}},
		{"user info, made-up token", func(o oldWorld) *wireAnswer { return o.bearer("/sns/userinfo", made) }},
		{"user info, malformed token", func(o oldWorld) *wireAnswer { return o.bearer("/sns/userinfo", "x") }},
		{"user info, refresh token", func(o oldWorld) *wireAnswer {
			return o.bearer("/sns/userinfo", full(o).get("refresh_token"))
		}},
		{"check of a foreign openid", func(o oldWorld) *wireAnswer {
			return o.bearer("/sns/auth", base(o), "openid", "oMallory0000000000000000000")
		}},
		{"check, made-up token", func(o oldWorld) *wireAnswer { return o.bearer("/sns/auth", made) }},
		{"check without a token", func(o oldWorld) *wireAnswer { return o.bearer("/sns/auth", "") }},
		{"unknown path", func(o oldWorld) *wireAnswer { return o.call(http.MethodGet, "/sns/nothing", nil) }},
		{"PUT", func(o oldWorld) *wireAnswer { return o.call(http.MethodPut, "/sns/userinfo", nil) }},
		// These move the clock, so they come last.
		{"code after five minutes", func(o oldWorld) *wireAnswer {
			code := o.code(wechat.ScopeBase)
			o.advance(5 * time.Minute)
			return o.exchange(code)
		}},
		{"used code after five minutes", func(o oldWorld) *wireAnswer {
			code := o.code(wechat.ScopeBase)
			o.exchange(code)
			o.advance(5 * time.Minute)
			return o.exchange(code)
		}},
		{"user info after two hours", func(o oldWorld) *wireAnswer {
			token := full(o).get("access_token")
			o.advance(2 * time.Hour)
			return o.bearer("/sns/userinfo", token)
		}},
		{"refresh after three hours", func(o oldWorld) *wireAnswer {
			token := full(o).get("refresh_token")
			o.advance(3 * time.Hour)
			return o.refresh(token)
		}},
		{"refresh after 30 days", func(o oldWorld) *wireAnswer {
			token := o.exchange(o.code(wechat.ScopeBase)).get("refresh_token")
			o.advance(15 * 24 * time.Hour)
			o.refresh(token)
			o.advance(15 * 24 * time.Hour)
			return o.refresh(token)
		}},
	}
	worlds := w.worlds()
	for _, s := range steps {
		real, ours := s.do(worlds[0]).shape(), s.do(worlds[1]).shape()
		if real != ours {
			t.Errorf("%s\nWeChat  %s\ngateway %s", s.name, real, ours)
		}
	}
}

// The address that the browser comes back with, byte for byte but for the code.
func TestOldCodeComesBackAsFromWeChat(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	worlds := w.worlds()
	for _, rest := range []string{"", "/", "/cb", "/cb?a=b", "/cb?a=%2F&c", "/cb#/route", "/cb?x=1#/route?y=2",
		"/a;b/c//d"} {
		var got [2]string
		for i, o := range worlds {
			page := o.open(wechat.ScopeBase, w.app.URL+rest)
			last := page.Hops[len(page.Hops)-1]
			got[i] = fmt.Sprint(last.Status, " ",
				regexp.MustCompile(`code=[0-9A-Za-z]{32}&`).ReplaceAllString(last.To, "code=CODE&"))
		}
		if got[0] != got[1] {
			t.Errorf("%q\nWeChat  %s\ngateway %s", rest, got[0], got[1])
		}
	}
}

// Where WeChat shows a page and sends nothing to the app, the gateway does the same.
func TestOldCodeHearsNothingOfWrongRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	for _, o := range w.worlds() {
		good := o.base + "/connect/oauth2/authorize?appid=" + o.appID + "&redirect_uri=" +
			url.QueryEscape(w.app.URL+"/shop") + "&response_type=code&scope=snsapi_base&state=s1"
		for _, k := range [][2]string{
			{o.appID, "wx0000000000000000"}, {"appid=", "app_id="},
			{url.QueryEscape(w.app.URL), "https%3A%2F%2Fevil.example.net"}, {"redirect_uri=", "redirect="},
			{url.QueryEscape(w.app.URL), "javascript%3Aalert(1)%2F%2F"}, {"response_type=code", "response_type=token"},
			{"snsapi_base", "snsapi_login"}, {"snsapi_base", ""},
			{"state=s1", "state=" + strings.Repeat("s", 129)},
		} {
			page := o.phone.Must(o.phone.Open(t.Context(), strings.Replace(good, k[0], k[1], 1)))
			if len(page.Hops) > 0 || w.app.LastQuery() != nil {
				t.Errorf("%s, %q for %q: by %v the app received %v", o.name, k[1], k[0], page.Hops, w.app.LastQuery())
			}
		}
	}
}

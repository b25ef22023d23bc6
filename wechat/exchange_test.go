package wechat_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

func TestExchangeReadsEveryField(t *testing.T) {
	t.Parallel()
	full := wechat.Token{
		AccessToken: access, RefreshToken: fresh, ExpiresIn: 2 * time.Hour, OpenID: openID,
		UnionID: "oTpR9xAIiebFOc6p04tMTaLhviCQ",
		Scopes:  []wechat.Scope{wechat.ScopeUserInfo},
	}
	change := func(f func(*wechat.Token)) wechat.Token { c := full; f(&c); return c }
	flag := func(v string) string { return strings.TrimSuffix(tokenJSON, "}") + `,"is_snapshotuser":` + v + "}" }
	snapshot := change(func(t *wechat.Token) { t.SnapshotUser = true })
	cases := map[string]struct {
		body string
		want wechat.Token
	}{
		"as documented":              {tokenJSON, full},
		"snapshot user 1":            {flag(`1`), snapshot},
		"snapshot user as string":    {flag(`"1"`), snapshot},
		"snapshot user true":         {flag(`true`), snapshot},
		"snapshot user, unreadable":  {flag(`"yes"`), snapshot},
		"snapshot user, an object":   {flag(`{}`), snapshot},
		"snapshot user 0":            {flag(`0`), full},
		"snapshot user \"0\"":        {flag(`"0"`), full},
		"snapshot user false":        {flag(`false`), full},
		"snapshot user null":         {flag(`null`), full},
		"errcode 0 beside a success": {strings.Replace(tokenJSON, "{", `{"errcode":0,"errmsg":"ok",`, 1), full},
		"errcode \"0\" as string":    {strings.Replace(tokenJSON, "{", `{"errcode":"0",`, 1), full},
		"errcode null":               {strings.Replace(tokenJSON, "{", `{"errcode":null,`, 1), full},
		"unknown fields":             {strings.Replace(tokenJSON, "{", `{"new":{"a":[1]},"x":null,`, 1), full},
		"spaces and lines":           {" \r\n" + strings.ReplaceAll(tokenJSON, ",", ",\n\t") + "\n\x00", full},
		"byte order mark":            {"\xef\xbb\xbf" + tokenJSON, full},
		"expires_in as string":       {strings.Replace(tokenJSON, "7200", `"7200"`, 1), full},
		"expires_in as fraction":     {strings.Replace(tokenJSON, "7200", `7200.0`, 1), full},
		"expires_in missing": {
			strings.Replace(tokenJSON, `"expires_in":7200,`, "", 1),
			change(func(t *wechat.Token) { t.ExpiresIn = 0 }),
		},
		"expires_in not a number": {
			strings.Replace(tokenJSON, "7200", `"soon"`, 1),
			change(func(t *wechat.Token) { t.ExpiresIn = 0 }),
		},
		"expires_in below zero": {
			strings.Replace(tokenJSON, "7200", `-1`, 1),
			change(func(t *wechat.Token) { t.ExpiresIn = 0 }),
		},
		"expires_in cannot overflow": {
			strings.Replace(tokenJSON, "7200", `9000000000000000000`, 1),
			change(func(t *wechat.Token) { t.ExpiresIn = 1 << 31 * time.Second }),
		},
		"expires_in of sixty or less": {
			strings.Replace(tokenJSON, "7200", `60`, 1),
			change(func(t *wechat.Token) { t.ExpiresIn = time.Minute }),
		},
		"scope list, trailing comma": {
			strings.Replace(tokenJSON, `"snsapi_userinfo"`, `"snsapi_base,snsapi_userinfo,"`, 1),
			change(func(t *wechat.Token) { t.Scopes = []wechat.Scope{wechat.ScopeBase, wechat.ScopeUserInfo} }),
		},
		"scope missing": {
			strings.Replace(tokenJSON, `"scope":"snsapi_userinfo",`, "", 1),
			change(func(t *wechat.Token) { t.Scopes = nil }),
		},
		"scope of the wrong type": {
			strings.Replace(tokenJSON, `"snsapi_userinfo"`, `["snsapi_userinfo"]`, 1),
			change(func(t *wechat.Token) { t.Scopes = nil }),
		},
		"unionid missing": {
			strings.Replace(tokenJSON, `,"unionid":"oTpR9xAIiebFOc6p04tMTaLhviCQ"`, "", 1),
			change(func(t *wechat.Token) { t.UnionID = "" }),
		},
		"unionid with damaged bytes": {
			strings.Replace(tokenJSON, `"oTpR9x`, "\"o\xffTpR9x", 1),
			change(func(t *wechat.Token) { t.UnionID = "" }),
		},
		"refresh token missing": {
			strings.Replace(tokenJSON, `"refresh_token"`, `"other"`, 1),
			change(func(t *wechat.Token) { t.RefreshToken = "" }),
		},
		"escaped slashes and non-ASCII": {strings.Replace(tokenJSON, "{", `{"note":"a\/b 归零 \u0007",`, 1), full},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := answering(200, c.body).Exchange(t.Context(), code)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got  %+v\nwant %+v", *got, c.want)
			}
			leaktest.Check(t, "a token", got, *got, []*wechat.Token{got})
		})
	}
}

func TestHasScope(t *testing.T) {
	t.Parallel()
	token := &wechat.Token{Scopes: []wechat.Scope{wechat.ScopeBase}}
	if !token.HasScope(wechat.ScopeBase) || token.HasScope(wechat.ScopeUserInfo) || (&wechat.Token{}).HasScope("") {
		t.Error("HasScope is wrong")
	}
}

func TestExchangeSendsWhatIsDocumented(t *testing.T) {
	t.Parallel()
	var got *http.Request
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(r.Context())
		_, _ = w.Write([]byte(tokenJSON))
	})
	if _, err := c.Exchange(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	want := "appid=" + appID + "&secret=" + leaktest.Secret + "&code=" + code + "&grant_type=authorization_code"
	if got.Method != "GET" || got.URL.Path != "/sns/oauth2/access_token" || got.URL.RawQuery != want {
		t.Errorf("sent %s %s?%s", got.Method, got.URL.Path, got.URL.RawQuery)
	}
	if len(got.TransferEncoding) != 0 || got.ContentLength != 0 {
		t.Errorf("a GET went out with a body: %v, %d bytes", got.TransferEncoding, got.ContentLength)
	}
}

// An attacker controls the code of a callback. Another library put it into the URL unescaped.
func TestCodeCannotAddParameters(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"x&appid=wxEVIL0000000000&code=y", "x#", "x&secret=", "a b", "a+b", "%0a", "\n", "\x00", "x;code=y", "x=y",
		"归零", "\xff", "../../", "?",
	} {
		c := clientOf(func(r *http.Request) (*http.Response, error) {
			q := r.URL.Query()
			if len(q) != 4 || len(q["appid"]) != 1 || q.Get("appid") != appID || q.Get("secret") != leaktest.Secret ||
				q.Get("grant_type") != "authorization_code" || len(q["code"]) != 1 || q.Get("code") != code {
				t.Errorf("code %q arrived as %v", code, q)
			}
			if r.URL.Path != "/sns/oauth2/access_token" || r.URL.Host != "api.weixin.qq.com" {
				t.Errorf("code %q changed the address to %s%s", code, r.URL.Host, r.URL.Path)
			}
			return respond(r, 200, tokenJSON), nil
		})
		if _, err := c.Exchange(t.Context(), code); err != nil {
			t.Errorf("code %q: %v", code, err)
		}
	}
}

func TestCodesThatAreNotSent(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"empty": "", "longer than any code": strings.Repeat("x", 513)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := silent(t).Exchange(t.Context(), code)
			if !errors.Is(err, wechat.ErrInvalidCode) || !errors.Is(err, wechat.ErrReauthorize) {
				t.Errorf("error: %v", err)
			}
		})
	}
}

// silent returns a client that fails the test when it sends a request.
func silent(t *testing.T) *wechat.Client {
	return clientOf(func(r *http.Request) (*http.Response, error) {
		t.Errorf("something was sent to %s", r.URL.Path)
		return respond(r, 200, `{}`), nil
	})
}

// A shared client of another library returned the unionid, and even the openid, of the previous
// user.
func TestPeopleAreNotMixedUp(t *testing.T) {
	t.Parallel()
	c := clientOf(func(r *http.Request) (*http.Response, error) {
		switch q := r.URL.Query(); q.Get("code") {
		case "alice":
			return respond(r, 200, tokenJSON), nil
		case "bob":
			return respond(
				r,
				200,
				`{"access_token":"83_bob","expires_in":7200,"openid":"oBob","scope":"snsapi_base"}`,
			), nil
		default:
			return respond(r, 200, `{"access_token":"83_nobody","expires_in":7200}`), nil
		}
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			alice, err := c.Exchange(t.Context(), "alice")
			if err != nil {
				t.Error(err)
				return
			}
			bob, err := c.Exchange(t.Context(), "bob")
			if err != nil || bob.OpenID != "oBob" || bob.UnionID != "" || bob.RefreshToken != "" {
				t.Errorf("bob is %+v, %v", bob, err)
			}
			if _, err := c.Exchange(t.Context(), "nobody"); !errors.Is(err, wechat.ErrNoOpenID) {
				t.Errorf("an answer without an openid gave %v", err)
			}
			if alice.OpenID != openID || alice.UnionID == "" {
				t.Errorf("alice became %+v", alice)
			}
		})
	}
	all.Wait()
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	t.Run("the captured answer of 2018", func(t *testing.T) {
		t.Parallel()
		c := clientOf(func(r *http.Request) (*http.Response, error) {
			want := "appid=" + appID + "&grant_type=refresh_token&refresh_token=" + string(fresh)
			if r.URL.RawQuery != want {
				t.Errorf("sent %s", r.URL.RawQuery)
			}
			return respond(
				r,
				200,
				`{"openid":"`+openID+`","access_token":"83_new","expires_in":7200,`+
					`"refresh_token":"83_next","scope":"snsapi_base,snsapi_userinfo,"}`,
			), nil
		})
		got, err := c.Refresh(t.Context(), fresh)
		if err != nil {
			t.Fatal(err)
		}
		want := wechat.Token{AccessToken: "83_new", RefreshToken: "83_next", ExpiresIn: 2 * time.Hour, OpenID: openID,
			Scopes: []wechat.Scope{wechat.ScopeBase, wechat.ScopeUserInfo}}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("got %+v", *got)
		}
	})
	t.Run("keeps the refresh token when none comes", func(t *testing.T) {
		t.Parallel()
		got, err := answering(200, `{"openid":"o1","access_token":"83_new"}`).Refresh(t.Context(), fresh)
		if err != nil || got.RefreshToken != fresh {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("sends nothing without a refresh token", func(t *testing.T) {
		t.Parallel()
		_, err := silent(t).Refresh(t.Context(), "")
		if !errors.Is(err, wechat.ErrNoToken) || !errors.Is(err, wechat.ErrConfiguration) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("needs no app secret", func(t *testing.T) {
		t.Parallel()
		c := answering(200, tokenJSON)
		c.Secret = ""
		if _, err := c.Refresh(t.Context(), fresh); err != nil {
			t.Error(err)
		}
	})
}

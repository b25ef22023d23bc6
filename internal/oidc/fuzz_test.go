package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzAuthorize sends any query, with and without a session. Whatever it says, the browser stays here or goes to the app's own address.
func FuzzAuthorize(f *testing.F) {
	e := newEnv(f, newMemory(), "ES256")
	mux := http.NewServeMux()
	e.handler.Mount(mux)
	signedIn := e.browser()
	signedIn.code()
	at, _ := url.Parse(e.issuer)
	cookies := signedIn.client.Jar.Cookies(at)
	for _, pairs := range [][]string{
		{}, {"prompt", "login"}, {"prompt", "none"}, {"max_age", "0"}, {"scope", "openid \x00"}, {"state", "\r\nSet-Cookie: a=b"}, {"redirect_uri", "https://evil.example.com"},
		{"redirect_uri", redirectURI + "\n"}, {"response_mode", "form_post"}, {"weigate_demand", "x"}, {"weigate_go", "1", "prompt", "login"}, {"weigate_cancel", "1"},
		{"id_token_hint", "a.b.c"}, {"code_challenge", challenge, "code_challenge_method", "S256"}, {"client_id", "nobody"}, {"nonce", strings.Repeat("n", 2000)},
		{"redirect_uri", redirectURI + "?own=1"}, {"ui_locales", "zh-CN"}, {"weigate_sub", "x"},
	} {
		f.Add(e.request(pairs...).Encode())
	}
	for _, raw := range []string{"", "&&&", "client_id=%zz", "a;b", "client_id=a&client_id=b", "response_type=code&response_type=code"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, query string) {
		// The id is not the same in every process, so the corpus writes it as app-1.
		query = strings.ReplaceAll(query, "app-1", e.app)
		for _, withSession := range []bool{false, true} {
			r := httptest.NewRequest("GET", "/oauth2/authorize", nil)
			r.URL.RawQuery = query
			if withSession {
				for _, c := range cookies {
					r.AddCookie(c)
				}
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			location := w.Header().Get("Location")
			switch {
			case w.Code >= 500:
				t.Errorf("%d", w.Code)
			case location == "":
			case strings.ContainsFunc(location, func(r rune) bool { return r < ' ' }):
				t.Errorf("Location holds a control byte: %q", location)
			case !strings.HasPrefix(location, redirectURI+"?") && !strings.HasPrefix(location, "/oauth2/authorize?"):
				t.Errorf("Location %q", location)
			}
		}
	})
}

// FuzzToken sends any body with any Authorization header. Nothing that it says is a token, and every answer is one that a client understands.
func FuzzToken(f *testing.F) {
	e := newEnv(f, newMemory(), "ES256")
	mux := http.NewServeMux()
	e.handler.Mount(mux)
	good := basic(e.app, secret)
	for _, body := range []string{
		"", "grant_type=authorization_code", "grant_type=authorization_code&code=x&redirect_uri=y", "grant_type=refresh_token&refresh_token=a.1.b",
		"grant_type=refresh_token&refresh_token=a.99999999999999999999.b", "grant_type=%00", "a=%zz", "grant_type=x&grant_type=y", "client_id=app-1&client_secret=x",
		"grant_type=password&username=a&password=b", "grant_type=client_credentials", "token=x", "access_token=x",
	} {
		f.Add(body, good)
		f.Add(body, "")
	}
	for _, auth := range []string{"Basic", "Basic !", "basic " + good[6:], "Bearer x", "Basic Og==", "\x00", good + "=="} {
		f.Add("grant_type=authorization_code&code=x&redirect_uri=y", auth)
	}
	f.Fuzz(func(t *testing.T, body, auth string) {
		for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/userinfo"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header["Authorization"] = []string{auth}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code >= 500 || path == "/oauth2/token" && w.Code == http.StatusOK || path == "/oauth2/userinfo" && w.Code == http.StatusOK {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: not JSON: %q", path, w.Body)
			}
			if strings.Contains(w.Body.String(), `"active":true`) {
				t.Errorf("a text that somebody made up is an active token")
			}
		}
	})
}

package demo_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/weigate/weigate/internal/demo"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

// provider is an OpenID Connect provider whose responses a test can make invalid.
type provider struct {
	t      *testing.T
	server *httptest.Server
	key    *ecdsa.PrivateKey

	mu       sync.Mutex
	nonce    string // of the attempt under way
	claims   map[string]any
	stranger bool // signs with a key of its own
	unsigned bool
	userinfo map[string]any
	over     bool // knows no access token any more
	form     url.Values
	user     string
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{t: t, key: newKey(t), claims: map[string]any{},
		userinfo: map[string]any{"sub": "person", "name": "<b>Alice</b>"}}
	mux := http.NewServeMux()
	answer := func(path string, value func(*http.Request) any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			v := value(r)
			if v == nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			if err := json.NewEncoder(w).Encode(v); err != nil {
				t.Error(err)
			}
		})
	}
	answer("/.well-known/openid-configuration", func(*http.Request) any {
		u := p.server.URL
		return map[string]string{"issuer": u, "authorization_endpoint": u + "/authorize", "token_endpoint": u + "/token",
			"userinfo_endpoint": u + "/userinfo",
			"jwks_uri":          u + "/keys", "end_session_endpoint": u + "/logout"}
	})
	answer("/keys", func(*http.Request) any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}}
	})
	answer("/token", func(r *http.Request) any {
		if err := r.ParseForm(); err != nil {
			return nil
		}
		p.form = r.PostForm
		p.user, _, _ = r.BasicAuth()
		return map[string]string{"access_token": leaktest.Secret + "-access", "id_token": p.idToken()}
	})
	answer("/userinfo", func(r *http.Request) any {
		if p.over || r.Header.Get("Authorization") != "Bearer "+leaktest.Secret+"-access" {
			return nil
		}
		return p.userinfo
	})
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)
	return p
}

// idToken returns a signed ID token with valid claims, changed as the test sets.
func (p *provider) idToken() string {
	claims := map[string]any{"iss": p.server.URL, "aud": demo.NotesID, "sub": "person", "nonce": p.nonce,
		"auth_time": time.Now().Unix(),
		"iat":       time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	maps.Copy(claims, p.claims)
	key := p.key
	if p.stranger {
		key = newKey(p.t)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Error(err)
	}
	if p.unsigned {
		parts := strings.Split(token, ".")
		return "eyJhbGciOiJub25lIn0." + parts[1] + "."
	}
	return token
}

// visitor is a browser that uses the sample apps.
type visitor struct {
	t    *testing.T
	http *http.Client
	site string
	p    *provider
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	p := newProvider(t)
	site := httptest.NewUnstartedServer(nil)
	t.Cleanup(site.Close)
	v := &visitor{t: t, site: "http://" + site.Listener.Addr().String(), p: p}
	app, err := demo.New(demo.Config{URL: v.site, SimulatorURL: "http://127.0.0.1:9", ControlURL: controlURL,
		Logger: leaktest.Logger(t),
		Gateway: &demo.GatewayConfig{Issuer: p.server.URL, NotesSecret: leaktest.Secret,
			PhotosSecret: leaktest.Secret, BoardSecret: leaktest.Secret, ShopSecret: leaktest.Secret},
		OfficialAccount: &wechat.Client{AppID: "wx00000000000000d1", Secret: leaktest.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	site.Config.Handler = leaktest.Watch(t, app)
	site.Start()
	v.http = v.browser()
	return v
}

// browser returns a new browser without cookies.
func (v *visitor) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// ask requests a page of the apps and returns its status, its text and its redirect.
func (v *visitor) ask(method, path string, header ...string) (status int, body string, location *url.URL) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.site+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.http.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	location, _ = res.Location()
	return res.StatusCode, string(text), location
}

// begin begins a sign-in and returns the callback URL of a valid response.
func (v *visitor) begin() string {
	v.t.Helper()
	status, body, to := v.ask(http.MethodGet, "/notes/sign-in")
	if status != http.StatusSeeOther || !strings.HasPrefix(to.String(), v.p.server.URL+"/authorize?") {
		v.t.Fatalf("sign-in: %d %v %s", status, to, body)
	}
	q := to.Query()
	if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 ||
		q.Get("redirect_uri") != demo.RedirectURI(v.site, demo.NotesID) {
		v.t.Fatalf("the request: %v", q)
	}
	v.p.mu.Lock()
	v.p.nonce = q.Get("nonce")
	v.p.mu.Unlock()
	return "/notes/callback?" + url.Values{"code": {"a-code"}, "state": {q.Get("state")}, "iss": {v.p.server.URL}}.Encode()
}

// in reports whether Notes shows a user.
func (v *visitor) in() bool {
	v.t.Helper()
	_, body, _ := v.ask(http.MethodGet, "/notes/")
	return strings.Contains(body, `id="sub"`)
}

func TestOpenIDConnectSignInAndOut(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	if status, _, to := v.ask(http.MethodGet, v.begin()); status != http.StatusSeeOther ||
		to.String() != v.site+"/notes/" {
		t.Fatalf("callback: %d %v", status, to)
	}
	if v.p.user != demo.NotesID || v.p.form.Get("code") != "a-code" || len(v.p.form.Get("code_verifier")) < 43 {
		t.Errorf("the token request: %s %v", v.p.user, v.p.form)
	}
	status, body, _ := v.ask(http.MethodGet, "/notes/")
	if status != http.StatusOK || !strings.Contains(body, ">person<") || !strings.Contains(body, "&lt;b&gt;Alice") ||
		strings.Contains(body, "<b>Alice") {
		t.Errorf("signed in: %d %s", status, body)
	}

	// A form of another site does not end the session.
	if status, _, _ := v.ask(http.MethodPost, "/notes/sign-out", "Sec-Fetch-Site",
		"cross-site"); status != http.StatusForbidden || !v.in() {
		t.Errorf("a foreign form: %d", status)
	}
	// After "sign out everywhere" the next request of the app ends its session.
	v.p.mu.Lock()
	v.p.over = true
	v.p.mu.Unlock()
	if _, body, _ := v.ask(http.MethodGet, "/notes/"); !strings.Contains(body, `id="ended"`) {
		t.Errorf("after a sign-out everywhere: %s", body)
	}
	v.p.mu.Lock()
	v.p.over = false
	v.p.mu.Unlock()
	if v.in() {
		t.Error("the session lives on")
	}

	v.ask(http.MethodGet, v.begin())
	status, _, to := v.ask(http.MethodPost, "/notes/sign-out-of-weigate")
	if status != http.StatusSeeOther || to.Path != "/logout" ||
		to.Query().Get("post_logout_redirect_uri") != demo.PostLogoutRedirectURI(v.site, demo.NotesID) || v.in() {
		t.Errorf("sign-out of the gateway too: %d %v", status, to)
	}
}

// TestInvalidIDTokens checks that a token of another issuer, for another app, with another nonce or
// for another user creates no session.
func TestInvalidIDTokens(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*provider){
		"a good one":              nil,
		"signed by a stranger":    func(p *provider) { p.stranger = true },
		"not signed":              func(p *provider) { p.unsigned = true },
		"of another issuer":       func(p *provider) { p.claims["iss"] = "https://evil.example" },
		"for another app":         func(p *provider) { p.claims["aud"] = demo.PhotosID },
		"of another attempt":      func(p *provider) { p.claims["nonce"] = "replayed" },
		"over":                    func(p *provider) { p.claims["exp"] = time.Now().Add(-time.Hour).Unix() },
		"without an end":          func(p *provider) { p.claims["exp"] = nil },
		"of nobody":               func(p *provider) { p.claims["sub"] = "" },
		"userinfo of another one": func(p *provider) { p.userinfo["sub"] = "somebody else" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVisitor(t)
			if spoil != nil {
				spoil(v.p)
			}
			v.ask(http.MethodGet, v.begin())
			if in := v.in(); in != (spoil == nil) {
				t.Errorf("signed in: %v", in)
			}
		})
	}
}

// TestCallbackIsBoundToBrowser checks that a callback is rejected if another browser began the
// sign-in, if it names another issuer, or if it is repeated.
func TestCallbackIsBoundToBrowser(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	callback := v.begin()
	owner := v.http
	wrong := func(what, address string) {
		t.Helper()
		if status, _, _ := v.ask(http.MethodGet, address); status != http.StatusBadRequest || v.in() {
			t.Errorf("%s: %d", what, status)
		}
	}
	v.http = v.browser()
	wrong("another browser", callback)
	v.http = owner
	wrong("another issuer", strings.Replace(callback, url.QueryEscape(v.p.server.URL), "https%3A%2F%2Fevil.example", 1))
	wrong("no state", "/notes/callback?code=a-code&iss="+url.QueryEscape(v.p.server.URL))
	v.p.mu.Lock()
	if v.p.form != nil {
		t.Errorf("a code was sent to the provider: %v", v.p.form)
	}
	v.p.mu.Unlock()
	if v.ask(http.MethodGet, callback); !v.in() {
		t.Error("the browser that began is not in")
	}
	if status, _, _ := v.ask(http.MethodGet, callback); status != http.StatusBadRequest {
		t.Errorf("the second time: %d", status)
	}
	refused := strings.Replace(v.begin(), "code=a-code", "error=access_denied", 1)
	if status, body, _ := v.ask(http.MethodGet, refused); status != http.StatusOK ||
		!strings.Contains(body, "You were not signed in") {
		t.Errorf("refused: %d %s", status, body)
	}
}

package oidc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

// browser keeps cookies and follows redirects as long as they stay with the provider.
type browser struct {
	e      *fixture
	client *http.Client
}

func (e *fixture) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		e.t.Fatal(err)
	}
	c := *e.server.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{e, &c}
}

// answer is an answer, read.
type answer struct {
	t        testing.TB
	status   int
	header   http.Header
	body     string
	location *url.URL // nil = no redirect
}

// page returns the kind of the page in the answer: "problem" for every error page, "" when there is
// no page.
func (a answer) page() string {
	switch kind := webtest.Kind(a.body); kind {
	case web.ConfirmSignIn:
		return "confirm"
	case web.Consent:
		return "consent"
	case web.Waiting:
		return "waiting"
	case web.AppSignOut:
		return "sign-out"
	case web.AppSignedOut:
		return "signed-out"
	case "":
		return ""
	default:
		if a.status < http.StatusBadRequest || a.status != kind.Status() {
			return "unexpected: " + string(kind)
		}
		return "problem"
	}
}

// shown reads the page.
func (a answer) shown() webtest.Page { return webtest.Read(a.t, a.body) }

// param is a parameter of the address to which the answer leads.
func (a answer) param(name string) string {
	if a.location == nil {
		return ""
	}
	return a.location.Query().Get(name)
}

func (b *browser) do(r *http.Request) answer {
	b.e.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.e.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.e.t.Fatal(err)
	}
	out := answer{t: b.e.t, status: res.StatusCode, header: res.Header, body: string(body)}
	if l, err := res.Location(); err == nil {
		out.location = l
	}
	return out
}

func (b *browser) get(address string) answer {
	b.e.t.Helper()
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		b.e.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) post(address string, form url.Values) answer {
	b.e.t.Helper()
	r, err := http.NewRequest("POST", address, strings.NewReader(form.Encode()))
	if err != nil {
		b.e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

// follow follows redirects that stay at the provider.
func (b *browser) follow(a answer) answer {
	b.e.t.Helper()
	for range 10 {
		if a.location == nil || "https://"+a.location.Host != b.e.server.URL {
			return a
		}
		a = b.get(a.location.String())
	}
	b.e.t.Fatal("the provider redirects in a circle")
	return a
}

const (
	verifier  = "a-verifier-that-is-long-enough-to-be-one-0123456789"
	challenge = "IdFsue1MJJJtybEPX0invmHHuW1I7Ai5LXVlXpENjsk"
)

// request returns an authorize request; pairs change parameters, and the value "-" removes one.
func (e *fixture) request(pairs ...string) url.Values {
	q := url.Values{"response_type": {"code"}, "client_id": {e.app}, "redirect_uri": {redirectURI}, "scope": {"openid"},
		"state": {"the state"}, "nonce": {"the nonce"}}
	return changed(q, pairs...)
}

func changed(q url.Values, pairs ...string) url.Values {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "-" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func (b *browser) authorize(q url.Values) answer {
	b.e.t.Helper()
	return b.follow(b.get(b.e.issuer + "/oauth2/authorize?" + q.Encode()))
}

// code gets a code, signing in as alice when nobody is signed in.
func (b *browser) code(pairs ...string) string {
	b.e.t.Helper()
	b.e.signIn.as(&b.e.alice)
	a := b.authorize(b.e.request(pairs...))
	code := a.param("code")
	if code == "" {
		b.e.t.Fatalf("no code: %d %v %s", a.status, a.location, a.body)
	}
	return code
}

// tokens is an answer of the token endpoint.
type tokens struct {
	status  int
	header  http.Header
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
	ID      string `json:"id_token"`
	Error   string `json:"error"`
	Words   string `json:"error_description"`
}

// String leaves the tokens out of what a failing test prints.
func (t tokens) String() string {
	return fmt.Sprintf("%d %s %s, scope %q, expires in %d", t.status, t.Error, t.Words, t.Scope, t.Expires)
}

// post sends a form as an app would, with client_secret_basic when id is not empty.
func (e *fixture) post(path, id, secret string, form url.Values) answer {
	e.t.Helper()
	r, err := http.NewRequest("POST", e.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	return e.browser().do(r)
}

func (e *fixture) tokenAnswer(a answer) tokens {
	e.t.Helper()
	out := tokens{status: a.status, header: a.header}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		e.t.Fatalf("the token endpoint answered %d %q", a.status, a.body)
	}
	return out
}

func (e *fixture) redeem(code string, pairs ...string) tokens {
	e.t.Helper()
	form := changed(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}},
		pairs...)
	return e.tokenAnswer(e.post("/oauth2/token", e.app, secret, form))
}

func (e *fixture) refresh(token string, pairs ...string) tokens {
	e.t.Helper()
	form := changed(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, pairs...)
	return e.tokenAnswer(e.post("/oauth2/token", e.app, secret, form))
}

// login is a whole sign-in.
func (b *browser) login(pairs ...string) tokens {
	b.e.t.Helper()
	tok := b.e.redeem(b.code(pairs...))
	if tok.status != http.StatusOK {
		b.e.t.Fatalf("the code was not redeemed: %d %s %s", tok.status, tok.Error, tok.Words)
	}
	return tok
}

func (e *fixture) userinfo(token string) answer {
	e.t.Helper()
	r, err := http.NewRequest("GET", e.issuer+"/oauth2/userinfo", nil)
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return e.browser().do(r)
}

func (e *fixture) claims(token string) map[string]any {
	e.t.Helper()
	a := e.userinfo(token)
	if a.status != http.StatusOK {
		e.t.Fatalf("userinfo answered %d %s", a.status, a.body)
	}
	return object(e.t, a.body)
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("not JSON: %q", text)
	}
	return out
}

func (e *fixture) keySet() jose.JSONWebKeySet {
	e.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(e.browser().get(e.issuer+"/oauth2/jwks").body), &set); err != nil {
		e.t.Fatal(err)
	}
	return set
}

// idToken checks an ID token as a relying party does and gives its header and claims.
func (e *fixture) idToken(token string) (jose.Header, map[string]any) {
	e.t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		e.t.Fatalf("ID token: %v", err)
	}
	header := jws.Signatures[0].Header
	set := e.keySet()
	keys := set.Key(header.KeyID)
	if len(keys) != 1 {
		e.t.Fatalf("kid %q is in the key set %d times", header.KeyID, len(keys))
	}
	payload, err := jws.Verify(keys[0])
	if err != nil {
		e.t.Fatalf("ID token: %v", err)
	}
	claims := object(e.t, string(payload))
	now := float64(e.clock.now().Unix())
	if claims["iss"] != e.issuer || claims["exp"].(float64) <= now || claims["iat"].(float64) > now {
		e.t.Errorf("ID token: iss %v, iat %v, exp %v at %v", claims["iss"], claims["iat"], claims["exp"], now)
	}
	return header, claims
}

// events lists the events of this env's app of a kind.
func (e *fixture) events(kind string) []gateway.Event {
	e.t.Helper()
	out, err := e.store.Events(context.Background(), gateway.EventQuery{Kind: kind, App: e.app})
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

var errBoom = errors.New("a fault that nobody foresaw")

package e2e_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
)

// relyingParty is an app that signs users in by OpenID Connect, and that signs them out when it
// receives a logout token. It verifies ID tokens and logout tokens with go-jose.
type relyingParty struct {
	*httptest.Server
	t     *testing.T
	id    string
	g     *gatewayFixture
	ended chan string // claim sub of each accepted logout token

	mu       sync.Mutex
	states   map[string]bool
	sessions map[string]claims // by the value of the cookie
}

// claims are those of an ID token or a logout token.
type claims struct {
	Issuer    string                     `json:"iss"`
	Audience  string                     `json:"aud"`
	Subject   string                     `json:"sub"`
	SessionID string                     `json:"sid"`
	ID        string                     `json:"jti"`
	Nonce     string                     `json:"nonce"`
	Expires   int64                      `json:"exp"`
	Events    map[string]json.RawMessage `json:"events"`
}

func newRelyingParty(t *testing.T, g *gatewayFixture, id string) *relyingParty {
	t.Helper()
	a := &relyingParty{t: t, id: id, g: g, ended: make(chan string, 10), states: map[string]bool{},
		sessions: map[string]claims{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /sign-in", a.signIn)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /logout", a.logout)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

// yaml is the app in the configuration of the gateway.
func (a *relyingParty) yaml() string {
	return fmt.Sprintf("{id: %s, kind: oidc, name: Notes, access: approved, secret: %q, redirect_uris: [%s/callback], "+
		"backchannel_logout_uri: %s/logout, home_url: %s/}", a.id, leaktest.Secret, a.URL, a.URL, a.URL)
}

func (a *relyingParty) home(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	page := `<p><a id="sign-in" href="/sign-in">Sign in</a></p>`
	if c, err := r.Cookie("app"); err == nil {
		if user, signedIn := a.sessions[c.Value]; signedIn {
			page = `<p id="subject">` + html.EscapeString(user.Subject) + `</p>`
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="en"><title>Notes</title><main>`+page+`</main></html>`)
}

func (a *relyingParty) signIn(w http.ResponseWriter, r *http.Request) {
	state := gateway.NewID()
	a.mu.Lock()
	a.states[state] = true
	a.mu.Unlock()
	http.Redirect(w, r, a.g.gateway+"/oauth2/authorize?"+url.Values{"client_id": {a.id}, "response_type": {"code"},
		"redirect_uri": {a.URL + "/callback"}, "scope": {"openid"}, "state": {state}, "nonce": {state}}.Encode(),
		http.StatusFound)
}

// callback redeems the code and verifies the ID token.
func (a *relyingParty) callback(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	a.mu.Lock()
	known := a.states[state]
	delete(a.states, state)
	a.mu.Unlock()
	var answer struct {
		IDToken string `json:"id_token"`
	}
	if err := a.redeem(r.URL.Query().Get("code"), &answer); err != nil || !known {
		a.t.Errorf("the response to the app %s: state known %t, %v", r.URL, known, err)
	}
	user, err := a.verify(answer.IDToken, "JWT")
	if err != nil || user.Nonce != state || user.SessionID == "" {
		a.t.Errorf("ID token %+v: %v", user, err)
	}
	session := gateway.NewID()
	a.mu.Lock()
	a.sessions[session] = user
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "app", Value: session, Path: "/", HttpOnly: true})
	http.Redirect(w, r, "/", http.StatusFound)
}

func (a *relyingParty) redeem(code string, answer any) error {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.URL + "/callback"}}
	q, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.g.gateway+"/oauth2/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.SetBasicAuth(a.id, url.QueryEscape(leaktest.Secret))
	return fetch(q, answer)
}

// fetch decodes the JSON of a response with status 200.
func fetch(q *http.Request, answer any) error {
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", q.URL.Path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(answer)
}

// verify returns the claims of a token that the gateway has signed for this app.
func (a *relyingParty) verify(token, kind string) (c claims, err error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return c, err
	}
	q, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet,
		a.g.gateway+"/.well-known/openid-configuration", nil)
	if err != nil {
		return c, err
	}
	var discovery struct {
		KeySet string `json:"jwks_uri"`
	}
	var set jose.JSONWebKeySet
	if err := fetch(q, &discovery); err != nil {
		return c, err
	}
	if q.URL, err = url.Parse(discovery.KeySet); err != nil {
		return c, err
	}
	if err := fetch(q, &set); err != nil {
		return c, err
	}
	header := jws.Signatures[0].Protected
	found := set.Key(header.KeyID)
	if len(found) != 1 || header.ExtraHeaders[jose.HeaderType] != kind {
		return c, fmt.Errorf("%d keys for %q, typ %v", len(found), header.KeyID, header.ExtraHeaders[jose.HeaderType])
	}
	payload, err := jws.Verify(found[0])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err == nil && (c.Issuer != a.g.gateway || c.Audience != a.id || c.Expires <= time.Now().Unix()) {
		err = fmt.Errorf("iss %q, aud %q, exp %d", c.Issuer, c.Audience, c.Expires)
	}
	return c, err
}

// logout receives a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6), and ends the
// sessions that it names.
func (a *relyingParty) logout(w http.ResponseWriter, r *http.Request) {
	c, err := a.verify(r.PostFormValue("logout_token"), "logout+jwt")
	_, isLogout := c.Events["http://schemas.openid.net/event/backchannel-logout"]
	if err != nil || !isLogout || c.Nonce != "" || c.ID == "" || c.SessionID == "" {
		a.t.Errorf("logout token %+v: %v", c, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for cookie, user := range a.sessions {
		if user.SessionID == c.SessionID {
			delete(a.sessions, cookie)
			a.ended <- user.Subject
		}
	}
}

package oidc_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/oidc"
)

// store is what an oidc.Handler needs of a gateway.Store.
type store interface {
	gateway.Accounts
	gateway.Subjects
	gateway.Grants
	gateway.Keys
	gateway.Events
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const (
	redirectURI = "https://app.example.com/callback"
	signedOut   = "https://app.example.com/bye"
	secret      = "a secret that is long enough, with % and + and /"
)

// numbers make app ids and openids that no other test in the same store uses.
var numbers atomic.Int64

// env is one provider over TLS, with apps and people of its own.
type env struct {
	t       testing.TB
	store   *switchable
	clock   *clock
	server  *httptest.Server
	issuer  string
	handler *oidc.Handler
	signIn  *signIn
	access  *access
	clients []oidc.Client
	app     string // id of the confidential app that requests name by default
	other   string // another confidential app
	spa     string // a public app
	alice   gateway.Account
	bob     gateway.Account

	mu       sync.Mutex
	observed []oidc.Observation
}

type option func(*env, *oidc.Config)

func newEnv(t testing.TB, s store, alg string, options ...option) *env {
	t.Helper()
	e := &env{t: t, store: &switchable{store: s}, clock: &clock{t: time.Now().UTC().Truncate(time.Second)}, access: &access{decision: oidc.Allowed}}
	n := numbers.Add(1)
	e.app, e.other, e.spa = fmt.Sprintf("app-%d", n), fmt.Sprintf("other-%d", n), fmt.Sprintf("spa-%d", n)
	e.alice, e.bob = e.arrive("alice"), e.arrive("bob")
	e.clients = []oidc.Client{
		{App: gateway.App{ID: e.app, Name: "App"}, Secrets: []oidc.SecretHash{oidc.HashSecret(secret), oidc.HashSecret("the next secret")}, IDTokenAlg: alg,
			RedirectURIs: []string{redirectURI, redirectURI + "?own=1"}, PostLogoutRedirectURIs: []string{signedOut},
			Email: oidc.EmailPolicy{Policy: oidc.EmailSynthetic, Domain: "people.example.com"}},
		{App: gateway.App{ID: e.other, Name: "Other"}, Secrets: []oidc.SecretHash{oidc.HashSecret("other's secret")}, IDTokenAlg: alg,
			RedirectURIs: []string{redirectURI}},
		{App: gateway.App{ID: e.spa, Name: "Page"}, Public: true, IDTokenAlg: alg, RedirectURIs: []string{"https://page.example.com/", "http://127.0.0.1/cb"}},
	}
	mux := http.NewServeMux()
	e.server = httptest.NewUnstartedServer(mux)
	e.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	e.server.StartTLS()
	t.Cleanup(e.server.Close)
	e.issuer = e.server.URL
	e.signIn = &signIn{e: e, sessions: map[string]oidc.Session{}}
	master, err := keys.NewMaster([]byte(strings.Repeat("m", 32)))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.OpenRing(context.Background(), keys.RingConfig{Store: sharedKeys(), Master: master, Now: e.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	cfg := oidc.Config{SignIn: e.signIn, Access: e.access, Pages: pages{}, People: e.store, Subjects: e.store, Grants: e.store, Events: e.store,
		Keys: ring, Master: master, Now: e.clock.now, Observe: e.observe}
	for _, o := range options {
		o(e, &cfg)
	}
	cfg.Issuer = e.issuer
	registry, err := oidc.NewRegistry(e.clients)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Clients = func() *oidc.Registry { return registry }
	e.handler, err = oidc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.handler.Mount(mux)
	return e
}

// withClient changes the default app.
func withClient(change func(*oidc.Client)) option {
	return func(e *env, _ *oidc.Config) { change(&e.clients[0]) }
}

// withOwnKeys makes signing keys that no other test uses.
func withOwnKeys(e *env, cfg *oidc.Config) {
	ring, err := keys.OpenRing(context.Background(), keys.RingConfig{Store: &keyRows{}, Master: cfg.Master, Now: e.clock.now})
	if err != nil {
		e.t.Fatal(err)
	}
	cfg.Keys = ring
}

// atPath puts the provider under a path.
func atPath(path string) option { return func(e *env, _ *oidc.Config) { e.issuer += path } }

func (e *env) observe(o oidc.Observation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observed = append(e.observed, o)
}

// arrive makes an account with an openid that nobody else has.
func (e *env) arrive(name string) gateway.Account {
	e.t.Helper()
	id := fmt.Sprintf("o%s%d", name, numbers.Add(1))
	a, _, err := e.store.Arrive(context.Background(), gateway.Arrival{Entry: "main", AppID: "wx0000000000000001", OpenID: id, UnionID: "u" + id,
		OpenPlatform: "one", Group: []string{"wx0000000000000001"}, At: e.clock.now(), InitialStatus: gateway.Active,
		Profile: &gateway.Profile{Nickname: strings.ToUpper(name[:1]) + name[1:] + " 小明", AvatarURL: "https://thirdwx.qlogo.cn/" + id, Locale: "zh-CN"}})
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}

// sharedKeys are signing keys that all tests use: making RSA keys takes longer than everything else here.
var sharedKeys = sync.OnceValue(func() gateway.Keys {
	return &keyRows{}
})

type keyRows struct {
	mu   sync.Mutex
	rows []gateway.Key
}

func (k *keyRows) Keys(context.Context) ([]gateway.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.rows), nil
}

func (k *keyRows) PutKey(_ context.Context, key gateway.Key) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if slices.ContainsFunc(k.rows, func(o gateway.Key) bool { return o.ID == key.ID || o.Slot == key.Slot }) {
		return gateway.ErrConflict
	}
	k.rows = append(k.rows, key)
	return nil
}

func (k *keyRows) RetireKey(context.Context, string, time.Time, time.Time) error { return nil }

func (k *keyRows) ReplaceSealed(context.Context, string, []byte, []byte) error { return nil }

// switchable is a store that can be away.
type switchable struct {
	store
	down atomic.Bool
}

var errDown = fmt.Errorf("%w: connection refused", gateway.ErrUnavailable)

func (s *switchable) PutCode(ctx context.Context, c gateway.Code) error {
	if s.down.Load() {
		return errDown
	}
	return s.store.PutCode(ctx, c)
}

func (s *switchable) Code(ctx context.Context, hash [32]byte) (gateway.Code, error) {
	if s.down.Load() {
		return gateway.Code{}, errDown
	}
	return s.store.Code(ctx, hash)
}

func (s *switchable) Token(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Family, error) {
	if s.down.Load() {
		return gateway.Token{}, gateway.Family{}, errDown
	}
	return s.store.Token(ctx, hash, now)
}

func (s *switchable) Family(ctx context.Context, id string) (gateway.Family, error) {
	if s.down.Load() {
		return gateway.Family{}, errDown
	}
	return s.store.Family(ctx, id)
}

func (s *switchable) PinSubject(ctx context.Context, a, app, c string, now time.Time) (string, error) {
	if s.down.Load() {
		return "", errDown
	}
	return s.store.PinSubject(ctx, a, app, c, now)
}

func (s *switchable) AccountSubjects(ctx context.Context, a string) ([]gateway.Pin, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.store.AccountSubjects(ctx, a)
}

// access answers the same for everybody.
type access struct {
	mu       sync.Mutex
	decision oidc.Decision
	err      error
}

func (a *access) set(d oidc.Decision, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.decision, a.err = d, err
}

func (a *access) Allow(context.Context, gateway.Account, gateway.App) (oidc.Decision, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.decision, a.err
}

// signIn stands in for the WeChat leg: Begin signs the browser in at once as next, or shows a page when next is nobody.
type signIn struct {
	e        *env
	mu       sync.Mutex
	sessions map[string]oidc.Session
	next     *gateway.Account
	door     string
	demands  []oidc.Demand
	down     bool
}

const sessionCookie = "test-session"

func (s *signIn) Session(r *http.Request) (oidc.Session, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return oidc.Session{}, false, errDown
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return oidc.Session{}, false, nil
	}
	session, ok := s.sessions[c.Value]
	return session, ok, nil
}

func (s *signIn) Begin(w http.ResponseWriter, r *http.Request, d oidc.Demand) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.demands = append(s.demands, d)
	if s.next == nil {
		fmt.Fprintln(w, "please sign in")
		return nil
	}
	identities, err := s.e.store.Identities(r.Context(), s.next.ID)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("session-%d", numbers.Add(1))
	door := s.door
	if door == "" {
		door = "wechat"
	}
	i := identities[0]
	s.sessions[id] = oidc.Session{Account: *s.next, Demand: d.ID, Session: gateway.Session{Hash: sha256.Sum256([]byte(id)), AccountID: s.next.ID, Entry: i.Entry,
		AppID: i.AppID, OpenID: i.OpenID, Door: door, AuthTime: s.e.clock.now(), CreatedAt: s.e.clock.now(), ExpiresAt: s.e.clock.now().Add(time.Hour)}}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, d.Return, http.StatusSeeOther)
	return nil
}

func (s *signIn) End(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, err := r.Cookie(sessionCookie); err == nil {
		delete(s.sessions, c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1})
	return nil
}

// as says who signs in from now on.
func (s *signIn) as(a *gateway.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = a
}

func (s *signIn) lastDemand() oidc.Demand {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.demands) == 0 {
		return oidc.Demand{}
	}
	return s.demands[len(s.demands)-1]
}

func (s *signIn) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.demands)
}

// pages shows what it was given as HTML with data that tests read.
type pages struct{}

var pageTemplate = template.Must(template.New("").Parse(`<!doctype html><title>{{.Kind}}</title><pre>{{.JSON}}</pre>`))

func show(w http.ResponseWriter, status int, kind string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Test-Page", kind)
	w.Header().Set("Test-Data", base64.StdEncoding.EncodeToString(text))
	w.WriteHeader(status)
	_ = pageTemplate.Execute(w, map[string]string{"Kind": kind, "JSON": string(text)})
}

func (pages) Problem(w http.ResponseWriter, _ *http.Request, p oidc.ProblemPage) {
	show(w, p.Status, "problem", p)
}
func (pages) Confirm(w http.ResponseWriter, _ *http.Request, p oidc.ConfirmPage) {
	show(w, http.StatusOK, "confirm", p)
}
func (pages) Waiting(w http.ResponseWriter, _ *http.Request, p oidc.WaitingPage) {
	show(w, http.StatusForbidden, "waiting", p)
}
func (pages) SignOut(w http.ResponseWriter, _ *http.Request, p oidc.SignOutPage) {
	show(w, http.StatusOK, "sign-out", p)
}
func (pages) SignedOut(w http.ResponseWriter, _ *http.Request, p oidc.SignedOutPage) {
	show(w, http.StatusOK, "signed-out", p)
}

// browser keeps cookies and follows redirects as long as they stay with the provider.
type browser struct {
	e      *env
	client *http.Client
}

func (e *env) browser() *browser {
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
	status   int
	header   http.Header
	body     string
	location *url.URL // nil = no redirect
}

func (a answer) page() string { return a.header.Get("Test-Page") }

// data reads what the page was given.
func data[T any](t testing.TB, a answer) T {
	t.Helper()
	var out T
	raw, err := base64.StdEncoding.DecodeString(a.header.Get("Test-Data"))
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatalf("page %q has no data: %v; answer %d %s", a.page(), err, a.status, a.body)
	}
	return out
}

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
	out := answer{status: res.StatusCode, header: res.Header, body: string(body)}
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

// follow goes on while redirects stay with the provider.
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

// request is an authorize request; pairs change it, "-" takes a parameter away.
func (e *env) request(pairs ...string) url.Values {
	q := url.Values{"response_type": {"code"}, "client_id": {e.app}, "redirect_uri": {redirectURI}, "scope": {"openid"}, "state": {"the state"}, "nonce": {"the nonce"}}
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

// post sends a form as an app would, with client_secret_basic when id is not empty.
func (e *env) post(path, id, secret string, form url.Values) answer {
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

func (e *env) tokenAnswer(a answer) tokens {
	e.t.Helper()
	out := tokens{status: a.status, header: a.header}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		e.t.Fatalf("the token endpoint answered %d %q", a.status, a.body)
	}
	return out
}

func (e *env) redeem(code string, pairs ...string) tokens {
	e.t.Helper()
	form := changed(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}}, pairs...)
	return e.tokenAnswer(e.post("/oauth2/token", e.app, secret, form))
}

func (e *env) refresh(token string, pairs ...string) tokens {
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

func (e *env) userinfo(token string) answer {
	e.t.Helper()
	r, err := http.NewRequest("GET", e.issuer+"/oauth2/userinfo", nil)
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return e.browser().do(r)
}

func (e *env) claims(token string) map[string]any {
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

func (e *env) keySet() jose.JSONWebKeySet {
	e.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(e.browser().get(e.issuer+"/oauth2/jwks").body), &set); err != nil {
		e.t.Fatal(err)
	}
	return set
}

// idToken checks an ID token as a relying party does and gives its header and claims.
func (e *env) idToken(token string) (jose.Header, map[string]any) {
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
func (e *env) events(kind string) []gateway.Event {
	e.t.Helper()
	out, err := e.store.Events(context.Background(), gateway.EventQuery{Kind: kind, App: e.app})
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

var errBoom = errors.New("a fault that nobody foresaw")

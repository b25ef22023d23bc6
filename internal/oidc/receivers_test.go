package oidc_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/outgoing"
	"github.com/weigate/weigate/internal/route"
)

// receiver is an app that receives logout tokens, and verifies them as section 2.6 of OpenID Connect
// Back-Channel Logout 1.0 requires.
type receiver struct {
	t      testing.TB
	issuer string
	keySet func() jose.JSONWebKeySet
	alg    string
	app    string // client_id
	now    func() time.Time
	server *httptest.Server

	mu       sync.Mutex
	requests int
	tokens   []string         // as received
	accepted []map[string]any // their claims
	seen     map[string]bool  // values of jti
}

// newReceiver starts an app that accepts valid logout tokens of this provider.
func (e *fixture) newReceiver(alg string) *receiver {
	e.t.Helper()
	r := &receiver{t: e.t, issuer: e.issuer, keySet: e.keySet, alg: alg, app: logoutApp, now: e.clock.now,
		seen: map[string]bool{}}
	r.server = httptest.NewTLSServer(http.HandlerFunc(r.receive))
	e.t.Cleanup(r.server.Close)
	return r
}

// certificate returns the certificate of the receiver in PEM form.
func (r *receiver) certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
}

// config returns the settings of requests to the receiver.
func (r *receiver) config() outgoing.Config {
	return outgoing.Config{CAs: r.certificate(), Policy: outgoing.Policy{AnyPrivate: true}}
}

func (r *receiver) receive(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.requests++
	r.mu.Unlock()
	token, claims, err := r.verify(q)
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		r.t.Errorf("the receiver rejects the token: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens, r.accepted = append(r.tokens, token), append(r.accepted, claims)
}

// verify returns the token of a request and its claims.
func (r *receiver) verify(q *http.Request) (token string, claims map[string]any, err error) {
	if err := q.ParseForm(); err != nil || q.Method != http.MethodPost || len(q.PostForm) != 1 ||
		q.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(q.PostForm["logout_token"]) != 1 {
		return "", nil, fmt.Errorf("%s %s, %d fields, %w", q.Method, q.Header.Get("Content-Type"), len(q.PostForm), err)
	}
	token = q.PostForm.Get("logout_token")
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(r.alg)})
	if err != nil {
		return "", nil, err
	}
	header := jws.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != "logout+jwt" {
		return "", nil, fmt.Errorf("typ %v", header.ExtraHeaders[jose.HeaderType])
	}
	set := r.keySet()
	published := set.Key(header.KeyID)
	if len(published) != 1 {
		return "", nil, fmt.Errorf("kid %q is published %d times", header.KeyID, len(published))
	}
	payload, err := jws.Verify(published[0])
	if err != nil {
		return "", nil, err
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", nil, err
	}
	return token, claims, r.check(claims)
}

// check verifies the claims. Clocks may differ by a minute.
func (r *receiver) check(claims map[string]any) error {
	now := float64(r.now().Unix())
	issued, hasIssued := claims["iat"].(float64)
	expires, hasExpires := claims["exp"].(float64)
	events, err := json.Marshal(claims["events"])
	id, _ := claims["jti"].(string)
	sub, _ := claims["sub"].(string)
	sid, _ := claims["sid"].(string)
	r.mu.Lock()
	defer r.mu.Unlock()
	replayed := r.seen[id]
	r.seen[id] = true
	_, hasNonce := claims["nonce"]
	switch {
	case err != nil || string(events) != `{"http://schemas.openid.net/event/backchannel-logout":{}}`:
		return fmt.Errorf("events %s %w", events, err)
	case claims["iss"] != r.issuer || claims["aud"] != r.app:
		return fmt.Errorf("iss %v, aud %v", claims["iss"], claims["aud"])
	case !hasIssued || !hasExpires || issued > now+60 || expires <= now || expires > issued+120:
		return fmt.Errorf("iat %v, exp %v at %v", claims["iat"], claims["exp"], now)
	case id == "" || replayed || hasNonce:
		return fmt.Errorf("jti %q, seen %t, nonce %t", id, replayed, hasNonce)
	case sub == "" || sid == "":
		return fmt.Errorf("sub %q, sid %q", sub, sid)
	}
	return nil
}

const logoutApp = "logout-app" // id of the app that the tests of receivers sign out of

// logoutSender returns a sender for one app with this address.
func (e *fixture) logoutSender(address string, private bool, alg string, cas []byte) oidc.LogoutSender {
	e.t.Helper()
	registry, err := oidc.NewRegistry([]oidc.Client{{
		App: gateway.App{ID: logoutApp}, Secrets: []route.SecretHash{route.HashSecret(secret)}, IDTokenAlg: alg,
		RedirectURIs: []string{redirectURI}, BackchannelLogoutURI: address,
	}, {App: gateway.App{ID: "no-logout"}, Public: true, RedirectURIs: []string{redirectURI}}})
	if err != nil {
		e.t.Fatal(err)
	}
	return e.senderOf(registry, outgoing.Config{CAs: cas, Policy: outgoing.Policy{AnyPrivate: private}})
}

func (e *fixture) senderOf(registry *oidc.Registry, c outgoing.Config) oidc.LogoutSender {
	e.t.Helper()
	client, err := outgoing.New(c)
	if err != nil {
		e.t.Fatal(err)
	}
	return oidc.LogoutSender{Issuer: e.issuer, Clients: func() *oidc.Registry { return registry }, Keys: e.cfg.Keys,
		Outgoing: client, Now: e.clock.now}
}

var logoutDelivery = gateway.Delivery{Kind: gateway.DeliverLogout, Target: logoutApp, UserID: "u", Subject: "the sub",
	SessionID: "the sid"}

// Receivers accept the tokens with clocks that differ, with any status of success, and at each attempt.
func TestLogoutTokenIsAcceptedByReceivers(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	for _, alg := range []string{keys.RS256, keys.ES256} {
		for name, skew := range map[string]time.Duration{ // ADMIN-FIELD D16
			"exact": 0, "30 s behind": -30 * time.Second, "30 s ahead": 30 * time.Second,
		} {
			t.Run(alg+" "+name, func(t *testing.T) {
				t.Parallel()
				r := e.newReceiver(alg)
				r.now = func() time.Time { return e.clock.now().Add(skew) }
				r.keySet = func() jose.JSONWebKeySet { return e.allKeys(t) }
				send := e.logoutSender(r.server.URL+"/logout", true, alg, r.certificate())
				for range 2 { // each attempt has a jti of its own
					if err := send.Send(t.Context(), logoutDelivery); err != nil {
						t.Error(err)
					}
				}
				if len(r.accepted) != 2 || r.accepted[0]["sub"] != "the sub" || r.accepted[1]["sid"] != "the sid" {
					t.Errorf("accepted: %v", r.accepted)
				}
			})
		}
	}
}

// allKeys returns the public keys of both algorithms. The key set of a provider has only those that
// its apps use.
func (e *fixture) allKeys(t *testing.T) (set jose.JSONWebKeySet) {
	t.Helper()
	text, err := e.cfg.Keys.JWKS(t.Context(), keys.RS256, keys.ES256)
	if err == nil {
		err = json.Unmarshal(text, &set)
	}
	if err != nil {
		t.Error(err)
	}
	return set
}

// The answers of receivers that do not accept the token. Only a failure that can pass is tried again.
func TestLogoutTokenReceiversThatFail(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
		final  bool
	}{
		"204": {answer(http.StatusNoContent, ""), "", false},
		"refused": {answer(400, `{"error":"invalid_request","error_description":"SECRET"}`),
			"400, invalid_request", true},
		"refused, no JSON":   {answer(400, "<b>SECRET</b>"), "refused the logout token: status 400", true},
		"refused, odd code":  {answer(400, `{"error":"<script>SECRET"}`), "refused the logout token: status 400", true},
		"redirect":           {answer(302, ""), "status 302", true},
		"permanent redirect": {answer(308, ""), "status 308", true},
		"not found":          {answer(404, ""), "status 404", false}, // an app that starts behind its proxy
		"unavailable":        {answer(503, "SECRET"), "status 503", false},
		"reset":              {resetConnection, "connection failed", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.answer)
			t.Cleanup(server.Close)
			err := e.logoutSender(server.URL, true, "", nil).Send(t.Context(), logoutDelivery)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") ||
				oidc.IsFinal(err) != c.final {
				t.Errorf("%v, final %t; want %q, final %t", err, oidc.IsFinal(err), c.want, c.final)
			}
		})
	}
}

// An app that accepts the connection and never answers takes the time limit, and nothing else.
func TestLogoutTokenReceiverThatNeverAnswers(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body) // only then the server notices that the client is gone
		<-q.Context().Done()
	}))
	t.Cleanup(server.Close)
	send := e.logoutSender(server.URL, true, "", nil)
	var err error
	send.Outgoing, err = outgoing.New(outgoing.Config{Policy: outgoing.Policy{AnyPrivate: true},
		Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var failure *outgoing.Error
	if err := send.Send(t.Context(), logoutDelivery); !errors.As(err, &failure) || failure.Kind != outgoing.Timeout ||
		oidc.IsFinal(err) {
		t.Error(err)
	}
}

func resetConnection(w http.ResponseWriter, _ *http.Request) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		connection.Close()
	}
}

// An app that fails once gets a new token at the next attempt: the first may have expired since
// (ADMIN-FIELD D10).
func TestLogoutTokenIsSignedAgainForEachAttempt(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	r := e.newReceiver(keys.RS256)
	fail := true
	r.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if fail {
			fail = false
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		r.receive(w, q)
	})
	send := e.logoutSender(r.server.URL, true, "", r.certificate())
	if err := send.Send(t.Context(), logoutDelivery); err == nil || oidc.IsFinal(err) {
		t.Errorf("first attempt: %v", err)
	}
	e.clock.advance(10 * time.Minute)
	if err := send.Send(t.Context(), logoutDelivery); err != nil || len(r.accepted) != 1 {
		t.Errorf("second attempt: %v, accepted %d", err, len(r.accepted))
	}
}

// The address comes from the configuration. It may be private only with the switch, and metadata
// services are refused even then (ADMIN-FIELD D13, B26, B29). Certificates of one's own authority are
// configured and never skipped (D14).
func TestLogoutTokenGoesOnlyWhereTheConfigurationAllows(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	r := e.newReceiver(keys.RS256)
	plain := httptest.NewServer(http.HandlerFunc(r.receive))
	t.Cleanup(plain.Close)
	port := plain.Listener.Addr().String()
	port = port[strings.LastIndexByte(port, ':'):]
	for name, c := range map[string]struct {
		address string
		private bool
		cas     []byte
		want    outgoing.Kind // "" = sent
	}{
		"private address, plain http":     {plain.URL, true, nil, ""},
		"private name":                    {"http://localhost" + port + "/logout", true, nil, ""},
		"own authority":                   {r.server.URL, true, r.certificate(), ""},
		"own authority, not configured":   {r.server.URL, true, nil, outgoing.Certificate},
		"private address, no switch":      {r.server.URL, false, r.certificate(), outgoing.AddressRefused},
		"private name, no switch":         {"https://localhost" + port, false, nil, outgoing.AddressRefused},
		"metadata service":                {"http://169.254.169.254/latest", true, nil, outgoing.AddressRefused},
		"metadata service of Alibaba":     {"http://100.100.100.200/latest", true, nil, outgoing.AddressRefused},
		"plain http to a public address":  {"http://8.8.8.8/logout", true, nil, outgoing.AddressRefused},
		"another spelling of an address":  {"http://[::ffff:169.254.169.254]/", true, nil, outgoing.AddressRefused},
		"nothing listens at that address": {"http://127.0.0.1:1/logout", true, nil, outgoing.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := e.logoutSender(c.address, c.private, "", c.cas).Send(t.Context(), logoutDelivery)
			var failure *outgoing.Error
			if errors.As(err, &failure); (err == nil) != (c.want == "") || failure != nil && failure.Kind != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
			if oidc.IsFinal(err) {
				t.Errorf("%v is not tried again, although networks change", err)
			}
		})
	}
}

func TestLogoutTokenOfAnAppThatIsNotConfiguredAnyMore(t *testing.T) {
	t.Parallel()
	e := newFixture(t, newMemory(t), "")
	send := e.logoutSender("https://app.example.com/logout", false, "", nil)
	for _, app := range []string{"removed", "no-logout"} {
		if err := send.Send(t.Context(), gateway.Delivery{Target: app}); !errors.Is(err, oidc.ErrNoLogoutAddress) ||
			!oidc.IsFinal(err) {
			t.Errorf("%s: %v", app, err)
		}
	}
}

func TestBackchannelLogoutAddressIsChecked(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"/logout", "ftp://app.example.com", "https://app.example.com/#x",
		"https://u:p@app.example.com/", "https://"} {
		_, err := oidc.NewRegistry([]oidc.Client{{App: gateway.App{ID: "a"}, Public: true,
			RedirectURIs: []string{redirectURI}, BackchannelLogoutURI: address}})
		if err == nil {
			t.Errorf("%s was accepted", address)
		}
	}
}

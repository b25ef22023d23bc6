package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
)

// TestEveryOperationNeedsItsKey calls every operation without a key and with every kind of key that
// must not work. The cases come from the list of operations, so that a new one cannot be forgotten
// (advisories about objects that were read without a check: authentik CVE-2024-42490, Zitadel
// CVE-2025-27507, ShellHub CVE-2026-44426; about keys: MinIO GO-2024-2499, Ech0 GHSA-fpw6-hrg5-q5x5).
func TestEveryOperationNeedsItsKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.address = "127.0.0.1:1" // wrong keys of a loopback address are not limited
	f.admin("oFirst")
	demoted, blocked := f.admin("oDemoted"), f.admin("oBlocked")
	all := administration.Scopes()
	revoked, expired := f.key(all...), f.keyOf(gateway.ActorCommand, time.Minute, all...)
	ofDemoted, ofBlocked := f.keyOf(demoted.ID, 0, all...), f.keyOf(blocked.ID, 0, all...)
	command := administration.Actor{ID: gateway.ActorCommand}
	keys, err := f.service.APIKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Hash == gateway.APIKeyHash(revoked) {
			if err := f.service.RevokeAPIKey(t.Context(), command, k.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := f.service.SetAdmin(t.Context(), command, demoted.ID, false); err != nil {
		t.Fatal(err)
	}
	if out := f.service.Block(t.Context(), command, []string{blocked.ID}, ""); out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	f.pass(2 * time.Minute)
	good := f.key(all...)
	wrong := good[:len(good)-1] + map[bool]string{true: "b", false: "a"}[strings.HasSuffix(good, "a")]
	cases := []struct{ name, authorization, code string }{
		{"missing", "", "missing_key"},
		{"wrong", "Bearer " + wrong, "invalid_key"},
		{"cut by one character", "Bearer " + good[:len(good)-1], "invalid_key"}, // Zitadel CVE-2026-27840
		{"longer by one character", "Bearer " + good + "a", "invalid_key"},
		{"without its prefix", "Bearer " + good[len(gateway.APIKeyPrefix):], "invalid_key"},
		{"another scheme", "Basic " + good, "missing_key"},
		{"no scheme", good, "missing_key"},
		{"empty", "Bearer ", "invalid_key"},
		{"revoked", "Bearer " + revoked, "revoked_key"},
		{"expired", "Bearer " + expired, "expired_key"},
		{"of an administrator who was demoted", "Bearer " + ofDemoted, "ownerless_key"},
		{"of an administrator who was blocked", "Bearer " + ofBlocked, "ownerless_key"},
	}
	before := f.eventCount()
	for _, o := range operations {
		path, body := example(o)
		for _, c := range cases {
			w := f.call("", o.method, path, body, "Authorization", c.authorization)
			if c.authorization == "" {
				w = f.call("", o.method, path, body)
			}
			w.want(t, o.id+" with a key that is "+c.name, http.StatusUnauthorized, c.code)
			if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), `Bearer realm="weigate"`) {
				t.Errorf("%s: WWW-Authenticate %q", o.id, w.Header().Get("WWW-Authenticate"))
			}
		}
		if o.scope == "" {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == o.scope })
		lesser := f.key(others...)
		before++ // the event of the key
		w := f.call(lesser, o.method, path, body)
		w.want(t, o.id+" without its scope", http.StatusForbidden, "missing_scope")
		if w.problem.Scope != o.scope || !strings.Contains(w.Header().Get("WWW-Authenticate"), `scope="`+o.scope+`"`) {
			t.Errorf("%s: the answer names the scope %q, %s", o.id, w.problem.Scope, w.Header().Get("WWW-Authenticate"))
		}
	}
	if n := f.eventCount(); n != before {
		t.Errorf("requests without a right changed something: %d events, then %d", before, n)
	}
}

func (f *fixture) eventCount() (n int) {
	f.t.Helper()
	events, err := f.store.Events(f.t.Context(), gateway.EventQuery{Limit: 500})
	if err != nil {
		f.t.Fatal(err)
	}
	return len(events)
}

// TestBrowserSessionIsNoKey sends the cookie of an administrator, and headers of proxies and of other
// products that have let people in (DevGuard CVE-2026-42300, Gitea CVE-2026-20896, new-api
// CVE-2026-44342).
func TestBrowserSessionIsNoKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.key(administration.Scopes()...)
	for _, o := range operations {
		path, body := example(o)
		for _, h := range [][2]string{
			{"Cookie", "__Host-weigate=" + key}, {"X-Api-Key", key}, {"X-Admin-Token", key}, {"Proxy-Authorization",
				"Bearer " + key},
			{"X-Forwarded-User", "admin"}, {"X-Weigate-User", "admin"}, {"X-Forwarded-For", "127.0.0.1"}, {"X-Original-Url",
				"/"},
		} {
			f.call("", o.method, path, body, h[0], h[1]).want(t, o.id+" with "+h[0], http.StatusUnauthorized, "missing_key")
		}
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		for _, name := range []string{"access_token", "api_key", "key", "token"} {
			w := f.call("", o.method, path+separator+name+"="+key, body)
			w.want(t, o.id+" with the key in the query", http.StatusUnauthorized, "missing_key")
			if strings.Contains(w.Body.String(), key) {
				t.Errorf("%s: the answer repeats the key", o.id)
			}
			w = f.call(key, o.method, path+separator+name+"="+key, body)
			if w.Code != http.StatusTooManyRequests { // the loop is quicker than the rate of a key
				w.want(t, o.id+" with the key in both places", http.StatusBadRequest, "unknown_parameter")
			}
		}
	}
	r := f.request(http.MethodGet, "/key", nil)
	r.Header["Authorization"] = []string{"Bearer " + key, "Bearer " + key}
	f.send(r).want(t, "two headers Authorization", http.StatusUnauthorized, "missing_key")
}

// TestOtherSitesCannotCall sends what a page of another site can send (1Panel CVE-2025-34410, Casdoor
// CVE-2024-41657, Kuma CVE-2026-45021). fixture.send checks that no answer has CORS headers.
func TestOtherSitesCannotCall(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := f.user("oUser")
	key := f.key(administration.Scopes()...)
	for _, o := range operations {
		path, body := example(o)
		if o.method != http.MethodGet {
			for _, h := range [][2]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
				f.call(key, o.method, path, body, h[0], h[1]).want(t, o.id+" with "+h[0], http.StatusForbidden, "cross_site")
			}
		}
		w := f.call("", http.MethodOptions, path, nil, "Origin", "https://evil.example",
			"Access-Control-Request-Method", o.method, "Access-Control-Request-Headers", "authorization")
		w.want(t, "preflight of "+o.id, http.StatusMethodNotAllowed, "method_not_allowed")
		if !strings.Contains(w.Header().Get("Allow"), o.method) {
			t.Errorf("%s: Allow %q", o.id, w.Header().Get("Allow"))
		}
	}
	// A form can carry JSON with these media types, without a preflight.
	body := `{"users":["` + u.ID + `"]}`
	for _, media := range []string{"application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""} {
		w := f.call(key, http.MethodPost, "/users/block", body, "Content-Type", media)
		w.want(t, "Content-Type "+media, http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	if have, err := f.store.User(t.Context(), u.ID); err != nil || have.Status != gateway.Pending {
		t.Errorf("the user is %s, %v", have.Status, err)
	}
	w := f.call("", http.MethodGet, "/openapi.json", nil, "Origin", "https://evil.example")
	if w.Code != http.StatusOK || w.Body.Len() != len(Document) {
		t.Errorf("the document: %d with %d bytes", w.Code, w.Body.Len())
	}
	f.call("", http.MethodPost, "/openapi.json", nil).want(t, "POST", http.StatusMethodNotAllowed, "method_not_allowed")
	f.call(key, http.MethodGet, "/nowhere", nil).want(t, "unknown path", http.StatusNotFound, "unknown_path")
	f.call(key, http.MethodPost, "/keys", `{}`).want(t, "a key makes a key", http.StatusNotFound, "unknown_path")
	f.call(key, http.MethodPost, "/key", `{}`).want(t, "a key changes itself", http.StatusMethodNotAllowed,
		"method_not_allowed")
}

// TestWrongKeysAreLimited: an address that guesses is refused. The right key is not, also when it is
// used for the first time: programs of several customers share an address. Other addresses are not
// affected.
func TestWrongKeysAreLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.key("users:read")
	guess := gateway.APIKeyPrefix + strings.Repeat("a", 26)
	for range limit.WrongSecrets.Burst {
		f.call(guess, http.MethodGet, "/key", nil).want(t, "guess", http.StatusUnauthorized, "invalid_key")
	}
	w := f.call(guess, http.MethodGet, "/key", nil)
	w.want(t, "after many guesses", http.StatusTooManyRequests, "too_many_requests")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.call(key, http.MethodGet, "/key", nil).want(t, "the right key", http.StatusOK, "")
	f.address = "203.0.113.8:1"
	f.call(guess, http.MethodGet, "/key", nil).want(t, "another address", http.StatusUnauthorized, "invalid_key")
}

// TestKeyAnnouncesItsEnd: responses have the time in the last week of a key.
func TestKeyAnnouncesItsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.keyOf(gateway.ActorCommand, 30*24*time.Hour, "users:read")
	header := func() string {
		w := f.call(key, http.MethodGet, "/key", nil)
		w.want(t, "key", http.StatusOK, "")
		return w.Header().Get("Weigate-Key-Expires")
	}
	if got := header(); got != "" {
		t.Errorf("30 days before: %q", got)
	}
	f.pass(24 * 24 * time.Hour)
	if got := header(); got != "2026-12-29T08:00:00Z" {
		t.Errorf("6 days before: %q", got)
	}
}

// TestOneKeyIsLimited: a program in an endless loop is slowed down, and others are not.
func TestOneKeyIsLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	loop, other := f.key("users:read"), f.key("users:read")
	for range limit.APIPerKey.Burst {
		f.call(loop, http.MethodGet, "/key", nil).want(t, "loop", http.StatusOK, "")
	}
	f.call(loop, http.MethodGet, "/key", nil).want(t, "loop", http.StatusTooManyRequests, "too_many_requests")
	f.call(other, http.MethodGet, "/key", nil).want(t, "another key", http.StatusOK, "")
	f.pass(retryAfter * time.Second)
	f.call(loop, http.MethodGet, "/key", nil).want(t, "after Retry-After", http.StatusOK, "")
}

package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fixture is a Manager on a real store, with one user and one session.
type fixture struct {
	*session.Manager
	store *sqlite.Store
	user  gateway.User
	hash  [32]byte
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := &fixture{store: store, hash: [32]byte{1}}
	own, err := url.Parse("https://login.example.com")
	if err != nil {
		t.Fatal(err)
	}
	r.Manager = &session.Manager{Sessions: store, Grants: store, Cookies: cookie.For(own, "weigate"), Idle: time.Hour,
		Max:     3 * time.Hour,
		Keys:    [][]byte{[]byte("the key of session cookies")},
		Now:     func() time.Time { return start },
		OnError: func(_ context.Context, err error) { t.Error(err) }}
	r.user, _, err = store.RecordSignIn(t.Context(),
		gateway.SignIn{Connector: "main", AppID: "wxa", OpenID: "o1", At: start, InitialStatus: gateway.Pending})
	if err != nil {
		t.Fatal(err)
	}
	err = store.PutSession(t.Context(),
		gateway.Session{Hash: r.hash, UserID: r.user.ID, Connector: "main", AppID: "wxa", OpenID: "o1", Method: "wechat",
			AuthTime: start, CreatedAt: start, SeenAt: start, ExpiresAt: r.Expiry(start, start)}, start)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSessionLivesWhileItIsUsed(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	for _, k := range []struct {
		after time.Duration
		lives bool
	}{{50 * time.Minute, true}, {100 * time.Minute, true}, {150 * time.Minute, true}, {179 * time.Minute, true},
		{180 * time.Minute, false}} {
		_, user, err := r.Find(t.Context(), r.hash, start.Add(k.after))
		if k.lives && (err != nil || user.ID != r.user.ID) {
			t.Errorf("after %v: %+v, %v", k.after, user, err)
		}
		if !k.lives && !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("after %v, past its end: %v", k.after, err)
		}
	}
}

func TestIdleSessionEnds(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	if _, _, err := r.Find(t.Context(), r.hash, start.Add(time.Hour)); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("after an idle hour: %v", err)
	}
}

// blockedStore returns sessions of blocked users, as a store would that lost its connection between
// two writes.
type blockedStore struct{ *sqlite.Store }

func (b blockedStore) SessionUser(
	ctx context.Context, hash [32]byte, now time.Time,
) (gateway.Session, gateway.User, error) {
	s, u, err := b.Store.SessionUser(ctx, hash, now)
	u.Status = gateway.Blocked
	return s, u, err
}

func TestSessionOfABlockedUserIsNone(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.Sessions = blockedStore{r.store}
	if _, _, err := r.Find(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("a blocked user's session: %v", err)
	}
}

func TestStoreUnavailableIsNotSignedOut(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Find(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrUnavailable) ||
		errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("while the store is unavailable: %v", err)
	}
}

// failingRevoker cannot revoke.
type failingRevoker struct{}

func (failingRevoker) Revoke(context.Context, gateway.Revocation, time.Time) (int, error) {
	return 0, gateway.ErrUnavailable
}

func TestEndEverywhereTriesBothParts(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.Grants = failingRevoker{}
	n, err := r.EndEverywhere(t.Context(), r.user.ID, start)
	if n != 1 || !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("ended %d sessions, %v", n, err)
	}
	if _, _, err := r.Find(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("the session lives on: %v", err)
	}
	r.Grants = r.store
	if n, err := r.EndEverywhere(t.Context(), r.user.ID, start); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

func TestEndLeavesNoTokenBehind(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.Grants = failingRevoker{}
	if err := r.End(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("what apps have could not be ended: %v", err)
	}
	if _, _, err := r.Find(t.Context(), r.hash, start); err != nil {
		t.Errorf("the session ended although its grants were not revoked: %v", err)
	}
	r.Grants = r.store
	for range 2 {
		if err := r.End(t.Context(), r.hash, start); err != nil {
			t.Errorf("end: %v", err)
		}
	}
	if _, _, err := r.Find(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("the session lives on: %v", err)
	}
}

// When the use of a session cannot be recorded, the user stays signed in.
type fullDisk struct{ gateway.Sessions }

func (fullDisk) TouchSession(context.Context, [32]byte, time.Time, time.Time) error {
	return gateway.ErrUnavailable
}

func TestFullDiskSignsNobodyOut(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	told := 0
	r.Sessions, r.OnError = fullDisk{r.store}, func(context.Context, error) { told++ }
	if _, _, err := r.Find(t.Context(), r.hash, start.Add(10*time.Minute)); err != nil || told != 1 {
		t.Errorf("find: %v, told %d times", err, told)
	}
}

// id is a session id as browsers send it.
var id = strings.Repeat("a", 43)

// signedIn stores a session under id.
func (r *fixture) signedIn(t *testing.T, data session.Data) {
	t.Helper()
	err := r.store.PutSession(t.Context(), gateway.Session{
		Hash: session.Hash(id), UserID: r.user.ID, Connector: "main", AppID: "wxa", OpenID: "o1", Method: "wechat",
		AuthTime: start, CreatedAt: start, SeenAt: start, ExpiresAt: r.Expiry(start, start), Data: data.Bytes(),
	}, start)
	if err != nil {
		t.Fatal(err)
	}
}

// cookie returns the session cookie with an id, as a browser sends it.
func (r *fixture) cookie(id string) string {
	c := r.NewCookie(id)
	return c.Name + "=" + c.Value
}

// TestMadeUpSessionCookiesNeverReachTheStore sends cookies of the right form that the gateway did not
// issue, to a store that is closed: each call to it would be an error.
func TestMadeUpSessionCookiesNeverReachTheStore(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	var sent []string
	for i := range 32 {
		sent = append(sent, fmt.Sprintf("__Host-weigate-s=%043d.%022d", i, i))
	}
	if _, err := r.SignOut(request(strings.Join(sent, "; "))); err != nil {
		t.Errorf("a sign-out: %v", err)
	}
	if _, signedIn, err := r.Current(request(sent[0])); signedIn || err != nil || r.BrowserKey(request(sent[0])) != "" {
		t.Errorf("a request: signed in %v, %v", signedIn, err)
	}
}

// TestReplacedKeyKeepsSessions signs a cookie with a key that is no longer the first.
func TestReplacedKeyKeepsSessions(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	before := r.cookie(id)
	r.Keys = append([][]byte{[]byte("the next key")}, r.Keys...)
	if got := r.BrowserKey(request(before)); got != id || r.cookie(id) == before {
		t.Errorf("the cookie of the old key has the id %q", got)
	}
}

func request(cookies string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", cookies)
	return r
}

func TestCurrentReadsTheCookie(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.signedIn(t, session.Data{LoginRequestID: "d1", ProfileDeclined: true, Scopes: []string{"snsapi_base"}})
	b, signedIn, err := r.Current(request(r.cookie(id)))
	if err != nil || !signedIn || b.User.ID != r.user.ID || b.Hash != session.Hash(id) || b.LoginRequestID != "d1" ||
		!b.ProfileDeclined ||
		!slices.Equal(b.Scopes, []string{"snsapi_base"}) {
		t.Errorf("browser %+v, %v, %v", b, signedIn, err)
	}
	for _, cookies := range []string{
		"", "x=" + id, "__Host-weigate-s=" + id, r.cookie(id[1:]), r.cookie(id) + "a", r.cookie(id)[:60],
		r.cookie(strings.Repeat("b", 43)),
		r.cookie(id) + "; __Host-weigate-s=x", // one of the two was set by another host
	} {
		if b, signedIn, err := r.Current(request(cookies)); err != nil || signedIn {
			t.Errorf("%q: %+v, %v, %v", cookies, b, signedIn, err)
		}
	}
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, signedIn, err := r.Current(request(r.cookie(id))); signedIn ||
		!errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("while the store is unavailable: %v, %v", signedIn, err)
	}
}

func TestDeclineProfileKeepsTheRest(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.signedIn(t, session.Data{LoginRequestID: "d1"})
	if err := r.DeclineProfile(t.Context(), session.Hash(id)); err != nil {
		t.Fatal(err)
	}
	if b, _, err := r.Current(request(r.cookie(id))); err != nil || !b.ProfileDeclined ||
		b.LoginRequestID != "d1" {
		t.Errorf("browser %+v, %v", b, err)
	}
	if err := r.DeclineProfile(t.Context(), session.Hash("gone")); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("a session that is gone: %v", err)
	}
}

func TestSignOutEndsEverySessionOfTheCookies(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	r.signedIn(t, session.Data{})
	for range 2 {
		cleared, err := r.SignOut(request(r.cookie(strings.Repeat("b", 43)) + "; " + r.cookie(id)))
		if err != nil || cleared.MaxAge != -1 || cleared.Name != "__Host-weigate-s" {
			t.Errorf("SignOut: %v, %v", cleared, err)
		}
	}
	if _, signedIn, err := r.Current(request(r.cookie(id))); err != nil || signedIn {
		t.Errorf("signed in %v, %v", signedIn, err)
	}
}

// A row that cannot be read is a session without Data.
func TestDataOfAnotherVersion(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "no JSON", `{"scopes":1}`, "null"} {
		if d := session.ReadData([]byte(text)); d.LoginRequestID != "" || d.ProfileDeclined || d.Scopes != nil {
			t.Errorf("%q: %+v", text, d)
		}
	}
}

func TestRestartURLIsKeptShort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		returnURL, restartURL string
		length                int // of the short form, at most
	}{
		{"/authorize?a=1&demand=x&z=2", "/authorize?a=1&z=2", 8},
		{"/authorize?a=1&z=2", "/authorize?a=1&z=2", 8},
		{"/authorize?demand=aaaa", "/authorize?demand=aa", 8},
		{"/forward-auth?return=%2Fx", "https://wiki.example.com/.weigate/start?return=%2Fx", 60},
		{"/x", "/.2.y", 12},
		{"/x", "", 0},
		{"", "/x", 8},
	} {
		short := session.CompactRestart(c.returnURL, c.restartURL)
		if got := session.ExpandRestart(c.returnURL, short); got != c.restartURL || len(short) > c.length {
			t.Errorf("%q with %q is %q and becomes %q", c.restartURL, c.returnURL, short, got)
		}
	}
	for _, short := range []string{"", "x", "1.2", "-1.0.", "0.-1.", "9.0.", "1.2.x", "99999999999999999999.0."} {
		if got := session.ExpandRestart("/x", short); got != "" {
			t.Errorf("%q becomes %q", short, got)
		}
	}
}

// TestLinkSessionEndsWithinAnHour checks that no use extends a session that a link created.
func TestLinkSessionEndsWithinAnHour(t *testing.T) {
	t.Parallel()
	r := newFixture(t)
	id, s, err := r.NewLinkSession(start)
	if err != nil || s.Hash != session.Hash(id) || s.Method != gateway.MethodLink || s.Connector != "" || s.OpenID != "" {
		t.Fatalf("NewLinkSession: %+v, %v", s, err)
	}
	s.UserID = r.user.ID
	if err := r.store.PutSession(t.Context(), s, start); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{2 * time.Minute, 30 * time.Minute, 59 * time.Minute} {
		if _, _, err := r.Find(t.Context(), s.Hash, start.Add(after)); err != nil {
			t.Errorf("after %s: %v", after, err)
		}
	}
	if _, _, err := r.Find(t.Context(), s.Hash, start.Add(session.LinkMax)); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("after an hour: %v", err)
	}
}

// TestFreshSessions checks which sessions count as a fresh sign-in. A one-time link must not
// (pocket-id/pocket-id GHSA-hp74-gm6m-2qm5: it counted as a fresh passkey).
func TestFreshSessions(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		method string
		age    time.Duration
		want   bool
	}{
		{gateway.MethodWeChat, 0, true},
		{gateway.MethodWebsite, 10 * time.Minute, true},
		{gateway.MethodWeChat, 10*time.Minute + 1, false},
		{gateway.MethodWeChat, -time.Second, true}, // another replica's clock
		{gateway.MethodWeChat, -time.Hour, false},  // signed in while the clock was wrong
		{gateway.MethodScan, 0, false},
		{gateway.MethodLink, 0, false},
		{"", 0, false},
	} {
		b := session.Browser{Session: gateway.Session{Method: k.method, AuthTime: start.Add(-k.age)}}
		if got := b.IsFresh(start, 10*time.Minute); got != k.want {
			t.Errorf("%q, %s old: fresh = %t", k.method, k.age, got)
		}
	}
	if (session.Browser{Session: gateway.Session{Method: gateway.MethodWeChat}}).IsFresh(start, time.Hour) {
		t.Error("a session without a time of authentication is fresh")
	}
}

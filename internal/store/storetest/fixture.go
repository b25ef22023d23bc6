package storetest

import (
	"crypto/sha256"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// fixture is the environment of a case: a database, and one handle (an open store) on the database.
// Its methods fail the test on an error. A case calls f.store directly when it expects an error, or
// when many goroutines call the store.
type fixture struct {
	Subject
	concurrent bool // of the case
	t          *testing.T
	db         Database
	store      gateway.Store
}

// noon is the current time in most cases. Stores get the time as an argument, so no case reads the
// real clock.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// after returns noon plus delay.
func after(delay time.Duration) time.Time { return noon.Add(delay) }

// hash returns the hash of a secret. A store contains only hashes of secrets. For example, the
// session with the secret "s1" in its cookie is stored under hash("s1").
func hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// concurrency returns the number of goroutines that call the store at once in cases about races.
func (f *fixture) concurrency() int {
	if f.Race {
		return 32
	}
	return 100
}

// secondHandle returns another handle on the database. When the database can have only one handle,
// it returns nil, and tests that a new database is empty.
func (f *fixture) secondHandle() gateway.Store {
	f.t.Helper()
	if !f.SingleHandle {
		return f.db.Open(f.t)
	}
	another, err := f.New(f.t).Open(f.t).Users(f.t.Context(), gateway.UserQuery{})
	wantNoError(f.t, err)
	if len(another) != 0 {
		f.t.Fatal("a second store in memory has the users of the first")
	}
	f.t.Log("in memory a second handle is another, empty database: nothing is shared")
	return nil
}

// handles returns two handles on the database, so that cases can test locks between handles. When
// the database can have only one handle, it returns this handle twice.
func (f *fixture) handles() []gateway.Store {
	f.t.Helper()
	if another := f.secondHandle(); another != nil {
		return []gateway.Store{f.store, another}
	}
	return []gateway.Store{f.store, f.store}
}

// reopen closes the store and opens the database again. It returns false for a database in memory,
// which ended with its handle.
func (f *fixture) reopen() bool {
	f.t.Helper()
	wantNoError(f.t, f.store.Close())
	if f.SingleHandle {
		f.secondHandle()
		return false
	}
	f.store = f.db.Open(f.t)
	return true
}

// addUser stores a sign-in of openid at the main connector and returns the user.
func (f *fixture) addUser(openid string) gateway.User {
	f.t.Helper()
	return f.recordSignIn(mainConnector.signIn(noon, openid, ""))
}

// block sets the status of the user to blocked.
func (f *fixture) block(userID string) {
	f.t.Helper()
	f.updateUser(userID, noon, func(stored *gateway.User) error { stored.Status = gateway.Blocked; return nil })
}

// addSession stores the session of newSession.
func (f *fixture) addSession(userID, name string) gateway.Session {
	f.t.Helper()
	session := newSession(userID, name)
	wantNoError(f.t, f.store.PutSession(f.t.Context(), session, noon))
	return session
}

// addGrant stores the code of newCode and redeems it with the tokens of newIssue. The id of the
// grant is "grant-" and the name.
func (f *fixture) addGrant(userID, app, name string) gateway.Grant {
	f.t.Helper()
	wantNoError(f.t, f.store.PutCode(f.t.Context(), newCode(userID, app, name)))
	return f.redeemCode(hash("code "+name), noon, newIssue(name))
}

// wantNoError fails the test unless err is nil.
func wantNoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError fails the test unless errors.Is(err, want).
func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// wantEqual fails the test unless got == want.
func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// concurrently calls the function concurrently. It fails the test in a case that is not marked as
// concurrent.
func (f *fixture) concurrently(goroutines int, call func(i int)) {
	f.t.Helper()
	if !f.concurrent {
		f.t.Fatal("this case runs several goroutines: set its field concurrent, for the race detector")
	}
	concurrently(goroutines, call)
}

// concurrently starts a number of goroutines, which each call f with their number, from 0 on. The
// calls begin at once. concurrently waits until all have returned.
func concurrently(goroutines int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range goroutines {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// counter counts the results of many goroutines.
type counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counter) add(result string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[result]++
}

// want fails the test unless each result occurred as often as counts says.
func (c *counter) want(t *testing.T, what string, counts map[string]int) {
	t.Helper()
	if !maps.Equal(c.counts, counts) {
		t.Fatalf("%s: got %v, want %v", what, c.counts, counts)
	}
}

// wantOneResult fails the test unless all results were equal.
func (c *counter) wantOneResult(t *testing.T, what string) {
	t.Helper()
	if len(c.counts) != 1 {
		t.Fatalf("%s differ: %v", what, c.counts)
	}
}

// errorName returns a short name for the kind of an error, for a counter.
func errorName(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{nil, "ok"}, {gateway.ErrReplay, "replay"}, {gateway.ErrExpired, "expired"}, {gateway.ErrNotFound, "not found"},
		{gateway.ErrConflict, "conflict"}, {gateway.ErrBlocked, "blocked"}, {gateway.ErrFull, "full"},
		{gateway.ErrLastAdmin, "last admin"},
		{gateway.ErrAgreementRequired, "agreement required"},
		{gateway.ErrRefused, "refused"},
	} {
		if err == known.err || known.err != nil && errors.Is(err, known.err) {
			return known.name
		}
	}
	return err.Error()
}

// connector is an app at WeChat, in the Open Platform account platform; "" = in none.
type connector struct{ name, appid, platform string }

// The connectors of the suite. The first three are in one Open Platform account and so share
// unionids. foreignConnector is in another account, and ungroupedConnector in none.
var (
	mainConnector      = connector{"main", "wxmain", "group 1"}
	siteConnector      = connector{"site", "wxsite", "group 1"}
	thirdConnector     = connector{"third", "wxthird", "group 1"}
	foreignConnector   = connector{"other", "wxother", "group 2"}
	ungroupedConnector = connector{"lone", "wxlone", ""}
)

// joinableConnectors are the connectors of one Open Platform account. A user who signs in through
// two of them with one unionid is one user.
var joinableConnectors = []connector{mainConnector, siteConnector, thirdConnector}

// appidsOf returns the appids of the connectors in one Open Platform account.
func appidsOf(platform string) (ids []string) {
	for _, c := range []connector{mainConnector, siteConnector, thirdConnector, foreignConnector} {
		if c.platform == platform {
			ids = append(ids, c.appid)
		}
	}
	return ids
}

// signIn returns a sign-in at the connector.
func (c connector) signIn(at time.Time, openid, unionid string) gateway.SignIn {
	return gateway.SignIn{
		Connector: c.name, AppID: c.appid, OpenID: openid, UnionID: unionid, OpenPlatform: c.platform,
		GroupAppIDs: appidsOf(c.platform), At: at, InitialStatus: gateway.Active,
	}
}

// newSession returns a session that is stored under hash(name) and expires an hour after noon.
func newSession(userID, name string) gateway.Session {
	return gateway.Session{
		Hash: hash(name), First: hash(name), UserID: userID, Connector: "main", AppID: "wxmain", OpenID: "o-" + name,
		Method: "wechat", AuthTime: noon, CreatedAt: noon, SeenAt: noon, ExpiresAt: after(time.Hour),
		Data: []byte("data of " + name),
	}
}

// newCode returns an authorization code that is stored under the hash of "code " and the name and
// expires a minute after noon.
func newCode(userID, app, name string) gateway.Code {
	return gateway.Code{
		Hash: hash("code " + name),
		Grant: gateway.Grant{
			ID: "grant-" + name, App: app, UserID: userID, Subject: "sub-" + userID, Scopes: []string{"openid", "profile"},
			AuthTime: noon, Connector: "main", AppID: "wxmain", OpenID: "o-" + name,
			Method: "wechat", CreatedAt: noon, ExpiresAt: after(time.Minute), Data: []byte(`{"n":1}`),
		},
		RedirectURI: "https://app.example/cb", Challenge: "challenge", Nonce: "nonce", ExpiresAt: after(time.Minute),
	}
}

// newIssue returns the tokens of a redemption: the access token "access " and the name, and the
// first refresh token, "refresh 1 " and the name.
func newIssue(name string) gateway.TokenIssue {
	return gateway.TokenIssue{
		Access:       gateway.Token{Hash: hash("access " + name), CreatedAt: noon, ExpiresAt: after(5 * time.Minute)},
		Refresh:      hash("refresh 1 " + name),
		GrantExpires: after(720 * time.Hour),
	}
}

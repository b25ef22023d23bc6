// Package storetest is the conformance suite of gateway.Store: what a store
// must do, each case with the reason why it matters. Every store runs it whole.
//
// The names to know are [Run], which a store's test calls with a [Subject], and
// [Worker], which that test's TestMain calls so that the suite can start a
// second process on the same database.
//
// It tests behaviour through the contracts only: schemas, migrations and
// failures of the disk are tested by each store's own tests.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Subject is the kind of store under test.
type Subject struct {
	// New makes an empty database for one test.
	New func(t *testing.T) Database

	// Alone says that a database has one handle and does not outlive it: one
	// in memory. Cases about restarts, handles and processes then show that a
	// second handle is another database.
	Alone bool

	// Race says that the race detector runs, so that counts are smaller.
	Race bool
}

// Database is one database.
type Database struct {
	Open    func(t *testing.T) gateway.Store // another handle on it; closed by the caller or at the end of the test
	Address string                           // what Worker's open takes
}

// A check is one case of the suite.
type check struct {
	name   string
	reason string // told when the case fails
	run    func(c *cas)
}

// cas is a running case.
type cas struct {
	*testing.T
	Subject
	db    Database
	store gateway.Store
	ctx   context.Context
}

// Run runs the suite on the subject.
func Run(t *testing.T, s Subject) {
	for _, group := range []struct {
		name   string
		checks []check
	}{
		{"accounts", accountChecks},
		{"joining", joinChecks},
		{"takeover", takeoverChecks},
		{"import", importChecks},
		{"subjects", subjectChecks},
		{"sessions", sessionChecks},
		{"claims", claimChecks},
		{"completion", completionChecks},
		{"grants", grantChecks},
		{"code pins", codePinChecks},
		{"refresh", refreshChecks},
		{"tickets", ticketChecks},
		{"ticket holders", ticketHolderChecks},
		{"ticket limit", ticketLimitChecks},
		{"holders", holderChecks},
		{"keys", keyChecks},
		{"events", eventChecks},
		{"upkeep", upkeepChecks},
		{"processes", processChecks},
	} {
		for _, k := range group.checks {
			t.Run(strings.ReplaceAll(group.name+"/"+k.name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				db := s.New(t)
				c := &cas{T: t, Subject: s, db: db, store: db.Open(t), ctx: t.Context()}
				defer func() {
					if t.Failed() {
						t.Logf("why this matters: %s", k.reason)
					}
				}()
				k.run(c)
			})
		}
	}
}

// noon is the time of the suite. No case looks at the real clock.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

func sum(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// ok fails the case on an error.
func (c *cas) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// is fails the case unless err is of the wanted kind.
func (c *cas) is(err, want error) {
	c.Helper()
	if !errors.Is(err, want) {
		c.Fatalf("got error %v, want one that is %q", err, want)
	}
}

// must unwraps a result of the store, failing the case on an error.
func must[T any](c *cas) func(T, error) T {
	return func(v T, err error) T {
		c.Helper()
		c.ok(err)
		return v
	}
}

func equal[T comparable](c *cas, what string, got, want T) {
	c.Helper()
	if got != want {
		c.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// entry is an entry on WeChat's side.
type entry struct{ name, appid, platform string }

// The entries of the suite. main and site share unionids; other does not.
var (
	main  = entry{"main", "wxmain", "ours"}
	site  = entry{"site", "wxsite", "ours"}
	third = entry{"third", "wxthird", "ours"}
	other = entry{"other", "wxother", "theirs"}
	lone  = entry{"lone", "wxlone", ""}
)

func group(platform string) (ids []string) {
	for _, e := range []entry{main, site, third, other} {
		if e.platform == platform {
			ids = append(ids, e.appid)
		}
	}
	return ids
}

// at is an arrival at an entry.
func (e entry) at(when time.Time, openid, unionid string) gateway.SignIn {
	return gateway.SignIn{
		Connector: e.name, AppID: e.appid, OpenID: openid, UnionID: unionid, OpenPlatform: e.platform,
		Group: group(e.platform), At: when, InitialStatus: gateway.Active,
	}
}

// arrive stores an arrival and returns the account.
func (c *cas) arrive(a gateway.SignIn) gateway.User {
	c.Helper()
	acc, _, err := c.store.RecordSignIn(c.ctx, a)
	c.ok(err)
	return acc
}

// person is a stored account.
func (c *cas) person(openid string) gateway.User {
	c.Helper()
	return c.arrive(main.at(noon, openid, ""))
}

// signIn stores a session of the account.
func (c *cas) signIn(user, id string) gateway.Session {
	c.Helper()
	s := newSession(user, id)
	c.ok(c.store.PutSession(c.ctx, s, noon))
	return s
}

func newSession(user, id string) gateway.Session {
	return gateway.Session{
		Hash: sum(id), UserID: user, Connector: "main", AppID: "wxmain", OpenID: "o-" + id, Method: "wechat",
		AuthTime: noon, CreatedAt: noon, SeenAt: noon, ExpiresAt: after(time.Hour), Data: []byte("data of " + id),
	}
}

func newCode(user, app, id string) gateway.Code {
	return gateway.Code{
		Hash: sum("code " + id),
		Grant: gateway.Grant{
			ID: "family-" + id, App: app, UserID: user, Subject: "sub-" + user, Scopes: []string{"openid", "profile"},
			AuthTime: noon, Session: sum("session " + id), Connector: "main", AppID: "wxmain", OpenID: "o-" + id,
			CreatedAt: noon, ExpiresAt: after(time.Minute), Data: []byte(`{"n":1}`),
		},
		RedirectURI: "https://app.example/cb", Challenge: "challenge", Nonce: "nonce", ExpiresAt: after(time.Minute),
	}
}

func newIssue(id string) gateway.TokenIssue {
	return gateway.TokenIssue{
		Access:       gateway.Token{Hash: sum("access " + id), CreatedAt: noon, ExpiresAt: after(5 * time.Minute)},
		Refresh:      sum("refresh 1 " + id),
		GrantExpires: after(720 * time.Hour),
	}
}

// grant stores a code and redeems it.
func (c *cas) grant(user, app, id string) gateway.Grant {
	c.Helper()
	c.ok(c.store.PutCode(c.ctx, newCode(user, app, id)))
	return must[gateway.Grant](c)(c.store.Redeem(c.ctx, sum("code "+id), noon, newIssue(id)))
}

// together runs f n times at once and waits.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// crowd is how many come at once.
func (c *cas) crowd() int {
	if c.Race {
		return 32
	}
	return 100
}

// second returns another handle on the database, or nil where there is none.
func (c *cas) second() gateway.Store {
	c.Helper()
	if !c.Alone {
		return c.db.Open(c.T)
	}
	another := c.New(c.T).Open(c.T)
	if list := must[[]gateway.User](c)(another.Users(c.ctx, gateway.UserQuery{})); len(list) != 0 {
		c.Fatal("a second store in memory sees what is in the first")
	}
	c.Log("in memory a second handle is another database, and empty: there is nothing to share")
	return nil
}

// restart closes the store and opens the database again; false where nothing
// outlives the handle.
func (c *cas) restart() bool {
	c.Helper()
	c.ok(c.store.Close())
	if c.Alone {
		c.second()
		return false
	}
	c.store = c.db.Open(c.T)
	return true
}

func notIn(c *cas, text, planted string) {
	c.Helper()
	if strings.Contains(text, planted) {
		c.Fatalf("%q holds %q", text, planted)
	}
}

// tally counts what many goroutines saw.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (y *tally) add(what string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.n == nil {
		y.n = map[string]int{}
	}
	y.n[what]++
}

// word is the kind of an error, for a tally.
func word(err error) string {
	for _, k := range []struct {
		err  error
		name string
	}{
		{nil, "ok"}, {gateway.ErrReplay, "replay"}, {gateway.ErrExpired, "expired"}, {gateway.ErrNotFound, "not found"},
		{gateway.ErrConflict, "conflict"}, {gateway.ErrBlocked, "blocked"}, {gateway.ErrFull, "full"},
	} {
		if err == k.err || k.err != nil && errors.Is(err, k.err) {
			return k.name
		}
	}
	return err.Error()
}

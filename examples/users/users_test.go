package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// on runs a test with an empty users table in SQLite and in PostgreSQL.
func on(t *testing.T, test func(t *testing.T, u *Users)) {
	t.Helper()
	for _, c := range []struct {
		name, driver string
		dialect      sqlstore.Dialect
		address      func(t *testing.T) string
	}{
		{"SQLite", "sqlite", sqlstore.SQLite, func(t *testing.T) string {
			return filepath.Join(t.TempDir(), "users.db") + "?_pragma=busy_timeout(5000)&_txlock=immediate"
		}},
		{"PostgreSQL", "pgx", sqlstore.PostgreSQL, func(t *testing.T) string { return postgrestest.URL(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db, err := sql.Open(c.driver, c.address(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			store, err := sqlstore.Open(t.Context(), db, c.dialect)
			if err != nil {
				t.Fatal(err)
			}
			u := &Users{DB: db, Sessions: store}
			if err := u.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, u)
		})
	}
}

// signIn is a sign-in of a person: at an app of WeChat, with or without the unionid.
func signIn(appID, openID, unionID string) *login.SignIn {
	return &login.SignIn{Session: login.Session{AppID: appID, OpenID: openID, UnionID: unionID, Nickname: "小明"}}
}

func (u *Users) mustSignIn(t *testing.T, in *login.SignIn) string {
	t.Helper()
	if err := u.OnSignIn(t.Context(), in); err != nil {
		t.Fatalf("OnSignIn(%s, %s, %q): %v", in.AppID, in.OpenID, in.UnionID, err)
	}
	return in.Subject
}

func (u *Users) count(t *testing.T, table string) (n int) {
	t.Helper()
	if err := u.DB.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// "Identify users by unionid if there is one, else by appid and openid" made two users of one person,
// whenever WeChat returned the unionid at a later sign-in (row 28 of the field list; the same mistake in
// nextauthjs/next-auth's provider for WeChat).
func TestOnePersonIsOneUser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		signIns []*login.SignIn
	}{
		{"the same openid", []*login.SignIn{signIn("wxA", "o1", ""), signIn("wxA", "o1", "")}},
		{"the unionid comes later", []*login.SignIn{
			signIn("wxA", "o1", ""), signIn("wxA", "o1", "u"), signIn("wxA", "o1", "")}},
		{"the unionid comes once", []*login.SignIn{
			signIn("wxA", "o1", "u"), signIn("wxA", "o1", ""), signIn("wxB", "o2", "u"), signIn("wxB", "o2", "")}},
		{"first at the website, then in WeChat without a unionid, then with it", []*login.SignIn{
			signIn("wxWeb", "o2", "u"), signIn("wxA", "o1", "u"), signIn("wxA", "o1", "")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			on(t, func(t *testing.T, u *Users) {
				first := u.mustSignIn(t, c.signIns[0])
				for _, in := range c.signIns[1:] {
					if id := u.mustSignIn(t, in); id != first {
						t.Errorf("%s %s %q is user %s, want %s", in.AppID, in.OpenID, in.UnionID, id, first)
					}
				}
				if n := u.count(t, "users"); n != 1 {
					t.Errorf("%d users", n)
				}
			})
		})
	}
}

func TestTwoUsersOfOnePersonAreJoined(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, u *Users) {
		older := u.mustSignIn(t, signIn("wxA", "o1", "")) // WeChat returned no unionid
		younger := u.mustSignIn(t, signIn("wxWeb", "o2", "u"))
		if older == younger {
			t.Fatal("nothing says that they are one person")
		}
		now := time.Now()
		for id, user := range map[string]string{"a": older, "b": younger} {
			s := login.Session{Subject: user, SignedInAt: now, ExpiresAt: now.Add(time.Hour)}
			if err := u.Sessions.CreateSession(t.Context(), id, s, now); err != nil {
				t.Fatal(err)
			}
			if _, err := u.DB.Exec(`INSERT INTO notes (id, user_id, text) VALUES ($1, $2, '')`, id, user); err != nil {
				t.Fatal(err)
			}
		}
		// Now WeChat returns the unionid: the two users are one person.
		if id := u.mustSignIn(t, signIn("wxA", "o1", "u")); id != older {
			t.Errorf("user %s, want the older one, %s", id, older)
		}
		for _, in := range []*login.SignIn{signIn("wxA", "o1", ""), signIn("wxWeb", "o2", ""), signIn("wxC", "o3", "u")} {
			if id := u.mustSignIn(t, in); id != older {
				t.Errorf("%s is user %s, want %s", in.AppID, id, older)
			}
		}
		var notes int
		err := u.DB.QueryRow(`SELECT count(*) FROM notes WHERE user_id = $1`, older).Scan(&notes)
		if err != nil || notes != 2 {
			t.Errorf("the user has %d notes (%v), want those of both", notes, err)
		}
		if _, err := u.Sessions.Session(t.Context(), "b", now); !errors.Is(err, login.ErrNoSession) {
			t.Errorf("the session of a user who does not exist any more: %v", err)
		}
		if _, err := u.Sessions.Session(t.Context(), "a", now); err != nil || u.count(t, "users") != 1 {
			t.Errorf("the session of the older user: %v; %d users", err, u.count(t, "users"))
		}
	})
}

// Everyone can choose any nickname, and an openid is valid within one appid only.
func TestTakeoverByNicknameOrOpenIDOfAnotherApp(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, u *Users) {
		victim := u.mustSignIn(t, signIn("wxA", "o1", "u1"))
		for _, in := range []*login.SignIn{signIn("wxA", "o2", ""), signIn("wxB", "o1", ""), signIn("wxB", "O1", "U1")} {
			if id := u.mustSignIn(t, in); id == victim {
				t.Errorf("%s %s %q gets the user of another person", in.AppID, in.OpenID, in.UnionID)
			}
		}
	})
}

func TestBlockedUserIsSignedOutAndRefused(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, u *Users) {
		id := u.mustSignIn(t, signIn("wxA", "o1", "u"))
		now := time.Now()
		s := login.Session{Subject: id, SignedInAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := u.Sessions.CreateSession(t.Context(), "a", s, now); err != nil {
			t.Fatal(err)
		}
		if err := u.Block(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Sessions.Session(t.Context(), "a", now); !errors.Is(err, login.ErrNoSession) {
			t.Errorf("the session: %v", err)
		}
		// A second account of WeChat that is joined to the user is blocked too.
		for _, in := range []*login.SignIn{signIn("wxA", "o1", ""), signIn("wxB", "o2", "u")} {
			var refusal *login.RefusalError
			if err := u.OnSignIn(t.Context(), in); !errors.As(err, &refusal) || refusal.Text == "" {
				t.Errorf("%s: %v, want a refusal", in.AppID, err)
			}
		}
	})
}

// A user who opens two apps for the first time at the same moment.
func TestTwentyFirstSignInsAtOnceAreOneUser(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, u *Users) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				in := signIn(fmt.Sprint("wx", i%4), fmt.Sprint("o", i%4), "u")
				if err := u.OnSignIn(context.Background(), in); err != nil {
					t.Errorf("OnSignIn: %v", err)
				}
			})
		}
		wg.Wait()
		if users, identities := u.count(t, "users"), u.count(t, "identities"); users != 1 || identities != 4 {
			t.Errorf("%d users and %d identities, want 1 and 4", users, identities)
		}
	})
}

func TestDatabaseOutageAsksToTryAgain(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, u *Users) {
		u.DB.Close()
		if err := u.OnSignIn(t.Context(), signIn("wxA", "o1", "")); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
	})
}

package administration_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
)

// start is the time of every fixture.
var start = time.Date(2026, 9, 1, 10, 30, 0, 0, time.UTC)

// fixture is the administration of a gateway with the apps wiki and shop.
type fixture struct {
	*administration.Service
	t     testing.TB
	store *sqlite.Store
	clock atomic.Int64 // seconds after start
	users atomic.Int64
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, store: sqlitetest.New(t)}
	var err error
	f.Service, err = administration.New(administration.Config{
		Store: f.store, URL: "https://login.example.com", Now: f.now, Zone: time.FixedZone("", 8*60*60),
		Apps: []administration.App{
			{App: gateway.App{ID: "wiki", Name: "Wiki", Access: gateway.AccessRule{Rule: gateway.AccessApproved}}},
			{App: gateway.App{ID: "shop", Name: "Shop", Access: gateway.AccessRule{Rule: gateway.AccessApproved}}},
		},
		Notices:    []string{"ops"},
		TestNotice: func(context.Context, string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) now() time.Time { return start.Add(time.Duration(f.clock.Load()) * time.Second) }

// forward moves the clock.
func (f *fixture) forward(d time.Duration) { f.clock.Add(int64(d / time.Second)) }

// user signs a new user in for the first time, and returns it with this status.
func (f *fixture) user(nickname string, status gateway.Status) gateway.User {
	f.t.Helper()
	f.forward(time.Second)
	n := f.users.Add(1)
	u, _, err := f.store.RecordSignIn(f.t.Context(), gateway.SignIn{
		Connector: "main", AppID: "wx0123456789abcdef", OpenID: fmt.Sprintf("oOpenID-of-user-%d", n),
		Profile: &gateway.Profile{Nickname: nickname}, At: f.now(), InitialStatus: status,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// admin returns a new administrator and the actor that stands for it.
func (f *fixture) admin() (gateway.User, administration.Actor) {
	f.t.Helper()
	u := f.user("admin", gateway.Active)
	u, err := f.SetAdmin(f.t.Context(), byCommand, u.ID, true)
	if err != nil {
		f.t.Fatal(err)
	}
	return u, administration.Actor{ID: u.ID, Address: "203.0.113.*", RequestID: "request-1"}
}

var byCommand = administration.Actor{ID: gateway.ActorCommand}

// signIn stores a session of a user.
func (f *fixture) signIn(u gateway.User) gateway.Session {
	f.t.Helper()
	s := gateway.Session{
		Hash: [32]byte([]byte(gateway.NewID() + "......")), UserID: u.ID, Connector: "main", AppID: "wx0123456789abcdef",
		OpenID: "oOpenID", Method: "wechat", AuthTime: f.now(), CreatedAt: f.now(), SeenAt: f.now(),
		ExpiresAt: f.now().Add(time.Hour),
	}
	if err := f.store.PutSession(f.t.Context(), s, f.now()); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// stored returns a user as stored.
func (f *fixture) stored(id string) gateway.User {
	f.t.Helper()
	u, err := f.store.User(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// events returns the events of a kind, newest first.
func (f *fixture) events(kind string) []gateway.Event {
	f.t.Helper()
	events, err := f.store.Events(f.t.Context(), gateway.EventQuery{Kind: kind, Limit: 500})
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}

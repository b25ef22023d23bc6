package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

var sessionUserCases = []testCase{
	{
		name:   "a session is returned with its user",
		reason: "an old copy would let in a user who was blocked a moment ago",
		run: func(t *testing.T, f *fixture) {
			a := f.addUser("o1")
			n := f.addSession(a.ID, "s1")
			for _, status := range []gateway.Status{gateway.Active, gateway.Pending} {
				want := f.updateUser(a.ID, noon, func(a *gateway.User) error {
					a.Status, a.Nickname, a.Groups, a.Admin = status, "name "+string(status), []string{"a", "b"}, true
					return nil
				})
				got, user, err := f.store.SessionUser(t.Context(), n.Hash, noon)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, n) || !reflect.DeepEqual(user, want) {
					t.Fatalf("got  %+v\n     %+v\nwant %+v\n     %+v", got, user, n, want)
				}
			}
			_, user, err := f.store.SessionUser(t.Context(), n.Hash, after(time.Hour))
			wantError(t, err, gateway.ErrExpired)
			wantEqual(t, "user of an expired session", user.ID, "")
			if err := f.store.DeleteSession(t.Context(), n.Hash); err != nil {
				t.Fatal(err)
			}
			_, _, err = f.store.SessionUser(t.Context(), n.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:   "a token is returned with its user",
		reason: "an app would get an old name, or the id of a joined user",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			want := f.addGrant(younger.ID, "wiki", "g1")
			tok, grant, user, err := f.store.TokenUser(t.Context(), hash("access g1"), noon)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(grant, want) || !reflect.DeepEqual(user, younger) || tok.Grant != grant.ID {
				t.Fatalf("got  %+v\n     %+v\n     %+v\nwant %+v\n     %+v", tok, grant, user, want, younger)
			}
			wantEqual(t, "joined", f.recordSignIn(siteConnector.signIn(after(time.Hour), "s1", "u1")).ID, older.ID)
			_, grant, user, err = f.store.TokenUser(t.Context(), hash("access g1"), noon)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "of the grant and of the user, after a join", grant.UserID+user.ID, older.ID+older.ID)

			_, _, user, err = f.store.TokenUser(t.Context(), hash("access g1"), after(5*time.Minute))
			wantError(t, err, gateway.ErrExpired)
			wantEqual(t, "user of an expired token", user.ID, "")
			_, _, _, err = f.store.TokenUser(t.Context(), hash("none"), noon)
			wantError(t, err, gateway.ErrNotFound)
			f.revoke(gateway.Revocation{Grant: "grant-g1"}, noon)
			_, _, _, err = f.store.TokenUser(t.Context(), hash("access g1"), noon)
			wantError(t, err, gateway.ErrExpired)
		},
	},
}

package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// sessionCases test sessions of browsers. newSession("…", "s1") is a session whose cookie has the
// secret "s1"; it is stored under hash("s1") and expires an hour after noon.
var sessionCases = []testCase{
	{
		name:   "a stored value is returned unchanged",
		reason: "a lost field could sign a user in as another user",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			session := newSession(userID, "s1")
			// Times are stored in microseconds and returned in UTC.
			session.AuthTime = after(123456789 * time.Nanosecond).In(time.FixedZone("x", 3600))
			wantNoError(t, f.store.PutSession(t.Context(), session, noon))
			got := f.getSession(session.Hash, noon)
			session.AuthTime = after(123456 * time.Microsecond)
			if !reflect.DeepEqual(got, session) {
				t.Fatalf("got  %+v\nwant %+v", got, session)
			}
			// The store must not share memory with the caller.
			session.Data[0] = 'X'
			got.Data[1] = 'X'
			wantEqual(t, "stored data", string(f.getSession(session.Hash, noon).Data), "data of s1")
		},
	},
	{
		name:       "of a hundred sessions with one hash, one is stored",
		reason:     "a second session with the same hash could be another user's",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			userA, userB := f.addUser("o1").ID, f.addUser("o2").ID
			var results counter
			f.concurrently(f.concurrency(), func(i int) {
				results.add(errorName(f.store.PutSession(t.Context(), newSession([]string{userA, userB}[i%2], "s1"), noon)))
			})
			results.want(t, "put", map[string]int{"ok": 1, "conflict": f.concurrency() - 1})
			first := f.getSession(hash("s1"), noon)
			late := newSession(userB, "s1")
			late.ExpiresAt, late.Data = after(9*time.Hour), nil
			wantError(t, f.store.PutSession(t.Context(), late, after(time.Hour-time.Microsecond)), gateway.ErrConflict)
			wantEqual(t, "end", f.getSession(hash("s1"), noon).ExpiresAt, first.ExpiresAt)
			wantNoError(t, f.store.PutSession(t.Context(), late, after(time.Hour)))
			if got := f.getSession(hash("s1"), after(time.Hour)); !reflect.DeepEqual(got, late) {
				t.Fatalf("in place of an expired one: got  %+v\nwant %+v", got, late)
			}
			wantError(t, f.store.PutSession(t.Context(), newSession(gateway.NewID(), "s2"), noon), gateway.ErrNotFound)
		},
	},
	{
		name:   "a session expires on time",
		reason: "a laptop that was lent must not stay signed in",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			session := f.addSession(userID, "s1")
			f.getSession(session.Hash, after(time.Hour-time.Microsecond))
			got, err := f.store.Session(t.Context(), session.Hash, after(time.Hour))
			wantError(t, err, gateway.ErrExpired)
			wantError(t, err, gateway.ErrNotFound)
			wantEqual(t, "user returned with the error", got.UserID, "")
			wantError(t, f.store.UpdateSession(t.Context(), session.Hash, after(time.Hour), func(*gateway.Session) error {
				return nil
			}), gateway.ErrExpired)
			wantNoError(t, f.store.TouchSession(t.Context(), session.Hash, after(time.Hour), after(2*time.Hour)))
			_, err = f.store.Session(t.Context(), session.Hash, after(time.Hour))
			wantError(t, err, gateway.ErrExpired)
			wantEqual(t, "listed", len(f.listSessions(userID, after(time.Hour))), 0)
		},
	},
	{
		name:   "TouchSession writes once a minute and never an earlier time",
		reason: "clocks of replicas differ, and pages send dozens of requests",
		run: func(t *testing.T, f *fixture) {
			session := f.addSession(f.addUser("o1").ID, "s1")
			touch := func(delay time.Duration) gateway.Session {
				t.Helper()
				wantNoError(t, f.store.TouchSession(t.Context(), session.Hash, after(delay), after(delay+time.Hour)))
				return f.getSession(session.Hash, noon)
			}
			for _, test := range []struct{ at, seen time.Duration }{
				{59 * time.Second, 0},
				{time.Minute, time.Minute},
				{90 * time.Second, time.Minute},
				{10 * time.Minute, 10 * time.Minute},
				{5 * time.Minute, 10 * time.Minute},
			} {
				got := touch(test.at)
				wantEqual(t, fmt.Sprint("seen after a touch at ", test.at), got.SeenAt, after(test.seen))
				wantEqual(t, "end", got.ExpiresAt, after(test.seen+time.Hour))
			}
			wantNoError(t, f.store.TouchSession(t.Context(), session.Hash, after(20*time.Minute), after(30*time.Minute)))
			wantEqual(t, "end after a shorter touch", f.getSession(session.Hash, noon).ExpiresAt, after(70*time.Minute))
		},
	},
	{
		name:   "TouchSession does not restore a deleted session",
		reason: "a page that still loads would undo the sign-out",
		run: func(t *testing.T, f *fixture) {
			session := f.addSession(f.addUser("o1").ID, "s1")
			wantNoError(t, f.store.DeleteSession(t.Context(), session.Hash, noon))
			wantNoError(t, f.store.TouchSession(t.Context(), session.Hash, after(time.Minute), after(2*time.Hour)))
			_, err := f.store.Session(t.Context(), session.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			wantError(t, f.store.UpdateSession(t.Context(), session.Hash, noon, func(*gateway.Session) error {
				return nil
			}), gateway.ErrNotFound)
			wantNoError(t, f.store.DeleteSession(t.Context(), session.Hash, noon))
		},
	},
	{
		name:       "no update is lost",
		reason:     "tabs of one browser write at the same time",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			session := f.addSession(f.addUser("o1").ID, "s1")
			wantNoError(t, f.store.UpdateSession(t.Context(), session.Hash, noon, func(stored *gateway.Session) error {
				stored.Data = nil
				return nil
			}))
			requests := f.concurrency() // half of them touch the session, half update it
			f.concurrently(requests, func(i int) {
				if i%2 == 1 {
					if err := f.store.TouchSession(t.Context(), session.Hash, after(time.Duration(i)*time.Minute),
						after(9*time.Hour)); err != nil {
						t.Error(err)
					}
					return
				}
				err := f.store.UpdateSession(t.Context(), session.Hash, noon, func(stored *gateway.Session) error {
					stored.Data = append(stored.Data, 'x')
					stored.UserID, stored.CreatedAt = "another user", time.Time{}
					// The store must ignore these earlier times.
					stored.SeenAt, stored.ExpiresAt = stored.SeenAt.Add(-time.Hour), stored.ExpiresAt.Add(-time.Hour)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			got := f.getSession(session.Hash, noon)
			wantEqual(t, "updates", len(got.Data), (requests+1)/2)
			wantEqual(t, "end", got.ExpiresAt, after(9*time.Hour))
			wantEqual(t, "user", got.UserID, session.UserID)
			wantEqual(t, "created", got.CreatedAt, noon)
			wantNoError(t, f.store.UpdateSession(t.Context(), session.Hash, noon, func(stored *gateway.Session) error {
				stored.ExpiresAt = after(10 * time.Hour)
				return nil
			}))
			wantEqual(t, "a later end", f.getSession(session.Hash, noon).ExpiresAt, after(10*time.Hour))
			ofCallback := fmt.Errorf("error of the callback")
			if err := f.store.UpdateSession(t.Context(), session.Hash, noon, func(stored *gateway.Session) error {
				stored.Data = nil
				return ofCallback
			}); err != ofCallback {
				t.Fatalf("the error of the callback was returned as %v", err)
			}
			wantEqual(t, "data after an error", len(f.getSession(session.Hash, noon).Data), (requests+1)/2)
		},
	},
	{
		name:   "sign-out everywhere deletes every session of that user only",
		reason: "the user lost a phone",
		run: func(t *testing.T, f *fixture) {
			userA, userB := f.addUser("o1").ID, f.addUser("o2").ID
			for i := range 5 {
				session := newSession(userA, fmt.Sprint("a", i))
				session.SeenAt = after(time.Duration(i) * time.Minute)
				wantNoError(t, f.store.PutSession(t.Context(), session, noon))
			}
			f.addSession(userB, "b1")
			list := f.listSessions(userA, noon)
			wantEqual(t, "listed first", list[0].Hash, hash("a4"))
			wantEqual(t, "ended", f.deleteUserSessions(userA), 5)
			wantEqual(t, "left", len(f.listSessions(userA, noon)), 0)
			f.getSession(hash("b1"), noon)
			wantEqual(t, "sessions of an unknown user", f.deleteUserSessions(gateway.NewID()), 0)
		},
	},
}

// sessionUserCases test the queries that every request of a browser or app makes: a session or an
// access token together with its user.
var sessionUserCases = []testCase{
	{
		name:   "a session is returned with its user",
		reason: "a cached user would let in a user who was blocked a moment ago",
		run: func(t *testing.T, f *fixture) {
			user := f.addUser("o1")
			session := f.addSession(user.ID, "s1")
			for _, status := range []gateway.Status{gateway.Active, gateway.Pending} {
				want := f.updateUser(user.ID, noon, func(stored *gateway.User) error {
					stored.Status, stored.Nickname = status, "name "+string(status)
					stored.Groups, stored.Admin = []string{"a", "b"}, true
					return nil
				})
				got, user, err := f.store.SessionUser(t.Context(), session.Hash, noon)
				wantNoError(t, err)
				if !reflect.DeepEqual(got, session) || !reflect.DeepEqual(user, want) {
					t.Fatalf("got  %+v\n     %+v\nwant %+v\n     %+v", got, user, session, want)
				}
			}
			_, user, err := f.store.SessionUser(t.Context(), session.Hash, after(time.Hour))
			wantError(t, err, gateway.ErrExpired)
			wantEqual(t, "user of an expired session", user.ID, "")
			wantNoError(t, f.store.DeleteSession(t.Context(), session.Hash, noon))
			_, _, err = f.store.SessionUser(t.Context(), session.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:   "a token is returned with its user",
		reason: "an app would get an old name, or the id of a user who was joined into another",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers() // a sign-in of the younger user with the unionid u1 joins the two
			want := f.addGrant(younger.ID, "wiki", "g1")
			tok, grant, user, err := f.store.TokenUser(t.Context(), hash("access g1"), noon)
			wantNoError(t, err)
			if !reflect.DeepEqual(grant, want) || !reflect.DeepEqual(user, younger) || tok.Grant != grant.ID {
				t.Fatalf("got  %+v\n     %+v\n     %+v\nwant %+v\n     %+v", tok, grant, user, want, younger)
			}
			wantEqual(t, "joined", f.recordSignIn(siteConnector.signIn(after(time.Hour), "s1", "u1")).ID, older.ID)
			_, grant, user, err = f.store.TokenUser(t.Context(), hash("access g1"), noon)
			wantNoError(t, err)
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

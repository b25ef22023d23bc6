package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

func sessionCases() []testCase {
	return []testCase{
		{name: "session/every field is returned",
			why: "the app must read what was stored at sign-in",
			run: roundTrip},
		{name: "session/empty fields stay empty",
			why: "nickname, unionid and scopes are often missing",
			run: emptyFields},
		{name: "session/missing",
			why: "an unknown cookie means signed out; it is not an error",
			run: missingSession},
		{name: "session/expired counts as missing",
			why: "a session must end at ExpiresAt, not when the store removes the row",
			run: expiredSession},
		{name: "session/ids do not repeat",
			why: "a second session must not replace the session of another user",
			run: duplicateSession},
		{name: "session/100 concurrent creations, one succeeds",
			why: "two requests at once must not get one id",
			run: createRace},
		{name: "session/expired id may be used again",
			why: "an expired row must not prevent a new session",
			run: recreate},
		{name: "session/update never shortens the expiry",
			why: "two requests at once must not shorten a session",
			run: neverShorten},
		{name: "session/update keeps other fields",
			why: "a new expiry must not reset ProfileDeclined, and ProfileDeclined must not reset the expiry",
			run: updateKeeps},
		{name: "session/concurrent updates are all kept",
			why: "after a lost update a user who declined the profile would be asked for it again",
			run: updateRace},
		{name: "session/update never restores",
			why: "a request that runs while its user signs out must not undo the sign-out",
			run: noResurrection},
		{name: "session/delete",
			why: "signing out deletes the session",
			run: deleteSession},
		{name: "sessions/of one user, latest first",
			why: "users look for the sign-in that they do not recognize; it is usually the latest",
			run: listSessions},
		{name: "sessions/subjects are compared byte by byte",
			why: "openids differ in case only; a database that ignores case or trailing spaces mixes users up",
			run: exactSubjects},
		{name: "sessions/list leaves out expired ones",
			why: "it must make no difference whether a store has removed an old row already",
			run: listExpired},
		{name: "sessions/sign out everywhere",
			why: "after a lost phone or a block no session of the user may be left, and no other user may notice",
			run: deleteSessionsOf},
		{name: "sessions/sign out everywhere else",
			why: "the browser that asked for it stays signed in",
			run: deleteOtherSessions},
		{name: "sessions/an id that changed its user",
			why: "an expired row that was replaced must not stay in the list of its first user",
			run: replacedSubject},
		{name: "sessions/clocks that differ",
			why: "sign out everywhere must find a session that another process, whose clock is ahead, holds for expired",
			run: clocksDiffer},
		{name: "session/copies, not aliases",
			why: "a handler that changes its copy must not change the stored session",
			run: copies},
		{name: "session/cancelled context",
			why: "a request whose client has gone must not hold a database connection",
			run: cancelledSession},
	}
}

func roundTrip(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	other := session()
	other.ProfileDeclined, other.ProfileAt, other.Method = true, time.Time{}, login.MethodWebsite
	mustCreate(t, s, "b", other, start())
	wantSession(t, s, "a", start(), session())
	wantSession(t, s, "b", start(), other)
}

func emptyFields(t *testing.T, s login.Store) {
	want := login.Session{Subject: "s", OpenID: "o", AppID: "wx", SignedInAt: start(), ExpiresAt: start().Add(time.Hour)}
	mustCreate(t, s, "a", want, start())
	wantSession(t, s, "a", start(), want)
}

func missingSession(t *testing.T, s login.Store) {
	wantNoSession(t, s, "unknown", start())
	wantNoSession(t, s, "", start())
	err := s.UpdateSession(t.Context(), "unknown", login.SessionUpdate{ProfileDeclined: true}, start())
	if !errors.Is(err, login.ErrNoSession) {
		t.Errorf("UpdateSession = %v, want ErrNoSession", err)
	}
	if err := s.DeleteSession(t.Context(), "unknown"); err != nil {
		t.Errorf("DeleteSession = %v, want nil", err)
	}
}

func expiredSession(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	end := start().Add(time.Hour)
	wantSession(t, s, "a", end.Add(-time.Millisecond), session())
	wantNoSession(t, s, "a", end)
	u := login.SessionUpdate{ExpiresAt: end.Add(time.Hour)}
	if err := s.UpdateSession(t.Context(), "a", u, end); !errors.Is(err, login.ErrNoSession) {
		t.Errorf("UpdateSession at the end = %v, want ErrNoSession", err)
	}
	wantNoSession(t, s, "a", end)
}

func duplicateSession(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	other := session()
	other.Subject = "another user"
	if err := s.CreateSession(t.Context(), "a", other, start()); !errors.Is(err, login.ErrSessionExists) {
		t.Errorf("CreateSession again = %v, want ErrSessionExists", err)
	}
	wantSession(t, s, "a", start(), session())
}

func createRace(t *testing.T, s login.Store) {
	made := make(chan int, 100)
	together(100, func(i int) {
		v := session()
		v.Subject = numbered("subject", i)
		switch err := s.CreateSession(context.Background(), "a", v, start()); {
		case err == nil:
			made <- i
		case !errors.Is(err, login.ErrSessionExists):
			t.Errorf("CreateSession: %v", err)
		}
	})
	if len(made) != 1 {
		t.Fatalf("%d of 100 created the session, want 1", len(made))
	}
	want := session()
	want.Subject = numbered("subject", <-made)
	wantSession(t, s, "a", start(), want)
}

func recreate(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	later := session()
	later.SignedInAt, later.ExpiresAt = start().Add(2*time.Hour), start().Add(3*time.Hour)
	mustCreate(t, s, "a", later, later.SignedInAt)
	wantSession(t, s, "a", later.SignedInAt, later)
}

func neverShorten(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	mustUpdate(t, s, "a", login.SessionUpdate{ExpiresAt: start().Add(3 * time.Hour)})
	mustUpdate(t, s, "a", login.SessionUpdate{ExpiresAt: start().Add(2 * time.Hour)})
	want := session()
	want.ExpiresAt = start().Add(3 * time.Hour)
	wantSession(t, s, "a", start().Add(2*time.Hour), want)
}

func updateKeeps(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	mustUpdate(t, s, "a", login.SessionUpdate{ProfileDeclined: true})
	mustUpdate(t, s, "a", login.SessionUpdate{ExpiresAt: start().Add(2 * time.Hour)})
	mustUpdate(t, s, "a", login.SessionUpdate{})
	want := session()
	want.ProfileDeclined, want.ExpiresAt = true, start().Add(2*time.Hour)
	wantSession(t, s, "a", start(), want)
}

func updateRace(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	together(40, func(i int) {
		u := login.SessionUpdate{ExpiresAt: start().Add(time.Hour + time.Duration(i)*time.Minute)}
		if i == 20 { // one update of another field, among 39 updates of the expiry
			u = login.SessionUpdate{ProfileDeclined: true}
		}
		if err := s.UpdateSession(context.Background(), "a", u, start()); err != nil {
			t.Errorf("UpdateSession: %v", err)
		}
	})
	want := session()
	want.ProfileDeclined, want.ExpiresAt = true, start().Add(time.Hour+39*time.Minute)
	wantSession(t, s, "a", start(), want)
}

func noResurrection(t *testing.T, s login.Store) {
	for round := range 20 {
		id := numbered("session", round)
		mustCreate(t, s, id, session(), start())
		together(10, func(i int) {
			if i == 5 { // one sign-out, among nine updates
				if err := s.DeleteSession(context.Background(), id); err != nil {
					t.Errorf("DeleteSession: %v", err)
				}
				return
			}
			u := login.SessionUpdate{ExpiresAt: start().Add(2 * time.Hour), ProfileDeclined: true}
			if err := s.UpdateSession(context.Background(), id, u, start()); err != nil && !errors.Is(err, login.ErrNoSession) {
				t.Errorf("UpdateSession: %v", err)
			}
		})
		wantNoSession(t, s, id, start())
	}
}

func deleteSession(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	mustCreate(t, s, "b", session(), start())
	for range 2 {
		if err := s.DeleteSession(t.Context(), "a"); err != nil {
			t.Fatalf("DeleteSession: %v", err)
		}
	}
	wantNoSession(t, s, "a", start())
	wantSession(t, s, "b", start(), session())
}

// sessionOf returns a session of a user that was signed in some minutes after start, for two hours.
func sessionOf(subject string, minutes int) login.Session {
	s := session()
	s.Subject, s.SignedInAt = subject, start().Add(time.Duration(minutes)*time.Minute)
	s.ExpiresAt = s.SignedInAt.Add(2 * time.Hour)
	return s
}

// wantSessions checks the ids of the sessions of a user, and each session.
func wantSessions(t *testing.T, s login.Store, subject string, limit int, now time.Time, ids ...string) {
	t.Helper()
	list, err := s.SessionsOf(t.Context(), subject, limit, now)
	if err != nil {
		t.Fatalf("SessionsOf(%s): %v", subject, err)
	}
	var have []string
	for _, one := range list {
		have = append(have, one.ID)
		if one.Subject != subject {
			t.Errorf("SessionsOf(%s) has a session of %s", subject, one.Subject)
		}
		wantSession(t, s, one.ID, now, one)
	}
	if !slices.Equal(have, ids) {
		t.Errorf("SessionsOf(%s) = %q, want %q", subject, have, ids)
	}
}

func listSessions(t *testing.T, s login.Store) {
	for i, id := range []string{"b", "d", "a", "c"} {
		mustCreate(t, s, id, sessionOf("alice", i), start())
		mustCreate(t, s, "x"+id, sessionOf("bob", i), start())
	}
	wantSessions(t, s, "alice", 100, start(), "c", "a", "d", "b")
	wantSessions(t, s, "alice", 2, start(), "c", "a")
	wantSessions(t, s, "nobody", 100, start())
	wantSessions(t, s, "", 100, start())
}

func exactSubjects(t *testing.T, s login.Store) {
	subjects := []string{"oX6mX57", "ox6mx57", "oX6mX57 ", "oX6mX5７", "o%", "小明", "\"'", strings.Repeat("长", 1000)}
	for i, subject := range subjects {
		mustCreate(t, s, numbered("session", i), sessionOf(subject, i), start())
	}
	for i, subject := range subjects {
		wantSessions(t, s, subject, 100, start(), numbered("session", i))
	}
	if err := s.DeleteSessionsOf(t.Context(), "oX6mX57", ""); err != nil {
		t.Fatal(err)
	}
	wantSessions(t, s, "oX6mX57", 100, start())
	for i, subject := range subjects[1:] {
		wantSessions(t, s, subject, 100, start(), numbered("session", i+1))
	}
}

func listExpired(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", sessionOf("alice", 0), start())
	mustCreate(t, s, "b", sessionOf("alice", 1), start())
	wantSessions(t, s, "alice", 100, start().Add(2*time.Hour), "b") // exactly the expiry of a
	wantSessions(t, s, "alice", 100, start().Add(3*time.Hour))
}

func deleteSessionsOf(t *testing.T, s login.Store) {
	for i, id := range []string{"a", "b", "c"} {
		mustCreate(t, s, id, sessionOf("alice", i), start())
	}
	mustCreate(t, s, "d", sessionOf("bob", 0), start())
	for range 2 { // the second time there is nothing to delete
		if err := s.DeleteSessionsOf(t.Context(), "alice", ""); err != nil {
			t.Fatalf("DeleteSessionsOf: %v", err)
		}
	}
	for _, id := range []string{"a", "b", "c"} {
		wantNoSession(t, s, id, start())
	}
	wantSessions(t, s, "alice", 100, start())
	wantSessions(t, s, "bob", 100, start(), "d")
}

func deleteOtherSessions(t *testing.T, s login.Store) {
	for i, id := range []string{"a", "b", "c"} {
		mustCreate(t, s, id, sessionOf("alice", i), start())
	}
	if err := s.DeleteSessionsOf(t.Context(), "alice", "b"); err != nil {
		t.Fatalf("DeleteSessionsOf: %v", err)
	}
	wantSessions(t, s, "alice", 100, start(), "b")
}

func replacedSubject(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", sessionOf("alice", 0), start())
	now := start().Add(3 * time.Hour)
	mustCreate(t, s, "a", sessionOf("bob", 180), now)
	wantSessions(t, s, "alice", 100, now)
	wantSessions(t, s, "bob", 100, now, "a")
	if err := s.DeleteSessionsOf(t.Context(), "alice", ""); err != nil {
		t.Fatalf("DeleteSessionsOf: %v", err)
	}
	wantSessions(t, s, "bob", 100, now, "a")

	// The same within seconds, before a store has removed the expired row.
	short := sessionOf("carol", 180)
	short.ExpiresAt = now.Add(time.Second)
	mustCreate(t, s, "b", short, now)
	now = now.Add(2 * time.Second)
	mustCreate(t, s, "b", sessionOf("dave", 180), now)
	wantSessions(t, s, "carol", 100, now)
	wantSessions(t, s, "dave", 100, now, "b")
}

// clocksDiffer acts as two processes. The clock of the second one is a minute ahead. A store may
// remove the session that has expired by this clock. If it does not, the session is in the list.
func clocksDiffer(t *testing.T, s login.Store) {
	first := sessionOf("alice", 0)
	first.ExpiresAt = start().Add(30 * time.Second)
	mustCreate(t, s, "a", first, start())
	mustCreate(t, s, "b", sessionOf("alice", 1), start().Add(time.Minute))
	err := s.UpdateSession(t.Context(), "a", login.SessionUpdate{ExpiresAt: start().Add(time.Hour)}, start())
	if errors.Is(err, login.ErrNoSession) {
		wantSessions(t, s, "alice", 100, start(), "b")
		return
	}
	if err != nil {
		t.Fatalf("UpdateSession: %v", err)
	}
	wantSessions(t, s, "alice", 100, start(), "b", "a")
	if err := s.DeleteSessionsOf(t.Context(), "alice", ""); err != nil {
		t.Fatalf("DeleteSessionsOf: %v", err)
	}
	wantNoSession(t, s, "a", start())
}

func copies(t *testing.T, s login.Store) {
	given := session()
	mustCreate(t, s, "a", given, start())
	given.Scopes[0] = "changed by the caller"
	got, err := s.Session(t.Context(), "a", start())
	if err != nil {
		t.Fatal(err)
	}
	got.Subject = "changed by a reader"
	if len(got.Scopes) > 1 {
		got.Scopes[1] = "changed by a reader"
	}
	if list, err := s.SessionsOf(t.Context(), session().Subject, 100, start()); err == nil && len(list) == 1 {
		list[0].Scopes[0] = "changed by a reader"
	}
	wantSession(t, s, "a", start(), session())
}

func cancelledSession(t *testing.T, s login.Store) {
	mustCreate(t, s, "a", session(), start())
	if have, err := s.Session(cancelled(), "a", start()); err == nil || errors.Is(err, login.ErrNoSession) {
		t.Errorf("Session with a cancelled context = %+v, %v; want the context's error", have, err)
	}
	if err := s.CreateSession(cancelled(), "b", session(), start()); err == nil || errors.Is(err, login.ErrSessionExists) {
		t.Errorf("CreateSession with a cancelled context = %v; want the context's error", err)
	}
	wantNoSession(t, s, "b", start())
	err := s.UpdateSession(cancelled(), "a", login.SessionUpdate{ProfileDeclined: true}, start())
	if err == nil || errors.Is(err, login.ErrNoSession) {
		t.Errorf("UpdateSession with a cancelled context = %v; want the context's error", err)
	}
	if err := s.DeleteSession(cancelled(), "a"); err == nil {
		t.Error("DeleteSession with a cancelled context succeeded")
	}
	if list, err := s.SessionsOf(cancelled(), session().Subject, 100, start()); err == nil {
		t.Errorf("SessionsOf with a cancelled context = %+v, nil; want the context's error", list)
	}
	if err := s.DeleteSessionsOf(cancelled(), session().Subject, ""); err == nil {
		t.Error("DeleteSessionsOf with a cancelled context succeeded")
	}
	wantSession(t, s, "a", start(), session())
}

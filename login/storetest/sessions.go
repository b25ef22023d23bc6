package storetest

import (
	"context"
	"errors"
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
			run: moveEnd},
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

func moveEnd(t *testing.T, s login.Store) {
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
	wantSession(t, s, "a", start(), session())
}

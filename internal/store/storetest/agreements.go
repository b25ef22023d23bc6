package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// agreementOn returns an agreement to a version, with its time.
func agreementOn(version string, at time.Time) gateway.Agreement {
	a := gateway.NewAgreement(version, []string{"https://www.example.com/隐私", "https://www.example.com/terms"})
	a.At = at
	return a
}

// agreeing returns a sign-in of a user who must agree to a version, and has agreed to given for it.
func agreeing(openid, required string, given *gateway.Agreement, at time.Time) gateway.SignIn {
	s := mainConnector.signIn(at, openid, "")
	s.Agreement = gateway.AgreementRule{Required: agreementOn(required, at).Hash, Given: given}
	return s
}

func wantAgreement(t *testing.T, what string, got, want gateway.Agreement) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// agreementCases test what users agree to (gateway.Agreement).
var agreementCases = []testCase{
	{
		name:   "an agreement is stored with the sign-in",
		reason: "a session of a user without a record of the consent, or a record without a session, is a half sign-in",
		run: func(t *testing.T, f *fixture) {
			f.beginAttempt("k", "one")
			given := agreementOn("1", noon)
			completion := newCompletion(agreeing("o1", "1", &given, after(time.Second)), "k", "one", "s1")
			user, events, err := f.store.CompleteSignIn(t.Context(), completion)
			wantNoError(t, err)
			wantEqual(t, "events", fmt.Sprint(eventKinds(events)), "[agreed ok user_created ok]")
			wantAgreement(t, "returned", user.Agreement, given)
			_, found, err := f.store.SessionUser(t.Context(), completion.Session.Hash, noon)
			wantNoError(t, err)
			wantAgreement(t, "of the session's user", found.Agreement, given)
			wantAgreement(t, "listed", f.listUsers(gateway.UserQuery{})[0].Agreement, given)
			event := f.listEvents(gateway.EventQuery{Kind: gateway.EventAgreed})[0]
			wantEqual(t, "detail", event.Detail, "version: 1; hash: "+given.Hash)
			wantEqual(t, "user of the event", event.UserID, user.ID)
		},
	},
	{
		name:   "a user without an agreement is not stored",
		reason: "a new user who refuses must leave nothing behind, neither must a sign-in without a new consent",
		run: func(t *testing.T, f *fixture) {
			former, foreign := agreementOn("1", noon), agreementOn("other", noon)
			_, _, err := f.store.RecordSignIn(t.Context(), agreeing("o1", "1", &former, noon))
			wantNoError(t, err)
			for i, signIn := range []gateway.SignIn{
				agreeing("o2", "2", nil, noon), agreeing("o2", "2", &former, noon), agreeing("o2", "2", &foreign, noon),
				agreeing("o1", "2", nil, noon), agreeing("o1", "2", &foreign, noon),
			} {
				key := fmt.Sprint("k", i)
				f.beginAttempt(key, "one")
				completion := newCompletion(signIn, key, "one", key)
				_, _, err := f.store.CompleteSignIn(t.Context(), completion)
				wantError(t, err, gateway.ErrAgreementRequired)
				f.wantNothingStored(key, completion, 1, 2)
				wantEqual(t, "outcome", f.attemptOutcome(key), gateway.Outcome{})
			}
			wantAgreement(t, "stored", f.listUsers(gateway.UserQuery{})[0].Agreement, former)
		},
	},
	{
		name:   "an agreement is asked for once",
		reason: "a user who has agreed to this version, and a blocked user, are not asked",
		run: func(t *testing.T, f *fixture) {
			given := agreementOn("1", noon)
			user, _, err := f.store.RecordSignIn(t.Context(), agreeing("o1", "1", &given, noon))
			wantNoError(t, err)
			user, events, err := f.store.RecordSignIn(t.Context(), agreeing("o1", "1", nil, after(time.Hour)))
			wantNoError(t, err)
			wantEqual(t, "events", len(events), 0)
			wantAgreement(t, "kept", user.Agreement, given)
			f.block(user.ID)
			later := agreementOn("2", noon)
			user, _, err = f.store.RecordSignIn(t.Context(), agreeing("o1", "2", &later, after(time.Hour)))
			wantNoError(t, err)
			wantEqual(t, "status", user.Status, gateway.Blocked)
			wantAgreement(t, "of a blocked user", user.Agreement, given)
		},
	},
	{
		name:   "a waived agreement admits stored users only",
		reason: "users must be able to delete themselves without agreeing; a new user has nothing to delete",
		run: func(t *testing.T, f *fixture) {
			f.addUser("o1")
			waived := func(openid string) gateway.SignIn {
				s := agreeing(openid, "1", nil, noon)
				s.Agreement.Waived = true
				return s
			}
			user, _, err := f.store.RecordSignIn(t.Context(), waived("o1"))
			wantNoError(t, err)
			wantAgreement(t, "waived", user.Agreement, gateway.Agreement{})
			_, _, err = f.store.RecordSignIn(t.Context(), waived("o2"))
			wantError(t, err, gateway.ErrAgreementRequired)
		},
	},
	{
		name:   "changes by administrators keep the agreement, and a change can write it",
		reason: "an edit of a name must not delete the consent; a signed-in user agrees to a new version",
		run: func(t *testing.T, f *fixture) {
			given := agreementOn("1", noon)
			user, _, err := f.store.RecordSignIn(t.Context(), agreeing("o1", "1", &given, noon))
			wantNoError(t, err)
			user, err = f.store.UpdateUser(t.Context(), user.ID, noon, func(u *gateway.User) error {
				u.Nickname = "Alice"
				return nil
			})
			wantNoError(t, err)
			wantAgreement(t, "after an edit", user.Agreement, given)
			later := agreementOn("", after(time.Hour))
			_, err = f.store.ChangeUser(t.Context(), gateway.UserChange{ID: user.ID, Now: after(time.Hour),
				Change: func(u *gateway.User) error { u.Agreement = later; return nil },
				Event:  gateway.Event{Kind: gateway.EventAgreed, Outcome: "ok", Detail: later.Describe()}})
			wantNoError(t, err)
			user, err = f.store.User(t.Context(), user.ID)
			wantNoError(t, err)
			wantAgreement(t, "after a change", user.Agreement, later)
		},
	},
	{
		name:   "joined users have the later agreement",
		reason: "one human has agreed twice; the younger record keeps nothing",
		run: func(t *testing.T, f *fixture) {
			first, second := agreementOn("1", noon), agreementOn("2", after(time.Minute))
			older := agreeing("o1", "1", &first, noon)
			older.UnionID = ""
			kept, _, err := f.store.RecordSignIn(t.Context(), older)
			wantNoError(t, err)
			younger := siteConnector.signIn(after(time.Minute), "s1", "u1")
			younger.Agreement = gateway.AgreementRule{Required: second.Hash, Given: &second}
			_, _, err = f.store.RecordSignIn(t.Context(), younger)
			wantNoError(t, err)
			// WeChat now sends the unionid for the older user too.
			joining := mainConnector.signIn(after(time.Hour), "o1", "u1")
			joining.Agreement.Required = second.Hash
			user, _, err := f.store.RecordSignIn(t.Context(), joining)
			wantNoError(t, err)
			wantEqual(t, "user", user.ID, kept.ID)
			wantAgreement(t, "joined", user.Agreement, second)
		},
	},
	{
		name:   "the agreement is deleted with the user",
		reason: "a deleted user leaves the user id in events, and nothing else",
		run: func(t *testing.T, f *fixture) {
			given := agreementOn("1", noon)
			user, _, err := f.store.RecordSignIn(t.Context(), agreeing("o1", "1", &given, noon))
			wantNoError(t, err)
			wantNoError(t, f.store.DeleteUser(t.Context(), user.ID, noon, gateway.Event{Kind: "user_deleted", Outcome: "ok"}))
			if _, err := f.store.User(t.Context(), user.ID); !errors.Is(err, gateway.ErrNotFound) {
				t.Errorf("the user: %v", err)
			}
			for _, e := range f.listEvents(gateway.EventQuery{Kind: gateway.EventAgreed}) {
				wantEqual(t, "detail", e.Detail, "")
			}
		},
	},
}

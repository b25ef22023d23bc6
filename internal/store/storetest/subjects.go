package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// subjectCases test PinSubject. The sub claim that an app gets for a user is pinned: stored at the
// first sign-in, and never changed, because apps find their users by it.
var subjectCases = []testCase{
	{
		name:       "the first subject that is pinned stays",
		reason:     "an app that gets another sub creates a new user",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			var results counter
			f.concurrently(f.concurrency(), func(i int) {
				sub, err := f.store.PinSubject(t.Context(), userID, "wiki", fmt.Sprint("candidate ", i), noon)
				if err != nil {
					t.Error(err)
				}
				results.add(sub)
			})
			results.wantOneResult(t, "subjects given out")
			wantEqual(t, "another app has its own", f.pinSubject(userID, "shop", "mine", noon), "mine")
			pins := f.listSubjects(userID)
			if len(pins) != 2 || pins[0].App != "shop" || pins[0].UserID != userID || pins[0].CreatedAt != noon {
				t.Fatalf("pins: %+v", pins)
			}
		},
	},
	{
		name:   "a subject belongs to one user",
		reason: "two people would be one user in the app",
		run: func(t *testing.T, f *fixture) {
			userA, userB := f.addUser("o1").ID, f.addUser("o2").ID
			f.pinSubject(userA, "wiki", "same", noon)
			_, err := f.store.PinSubject(t.Context(), userB, "wiki", "same", noon)
			wantError(t, err, gateway.ErrConflict)
			wantEqual(t, "the same subject in another app", f.pinSubject(userB, "shop", "same", noon), "same")
			_, err = f.store.PinSubject(t.Context(), gateway.NewID(), "wiki", "x", noon)
			wantError(t, err, gateway.ErrNotFound)
			if _, err := f.store.PinSubject(t.Context(), userA, "shop", "", noon); err == nil {
				t.Fatal("an empty subject was pinned")
			}
			wantEqual(t, "pins of an unknown user", len(f.listSubjects(gateway.NewID())), 0)
		},
	},
}

// codeWithoutSubject returns a code without a subject. PutCode sets the subject that is pinned for
// the user. If none is pinned, PutCode pins the candidate.
func codeWithoutSubject(userID, id, candidate string) gateway.Code {
	code := newCode(userID, "wiki", id)
	code.Grant.Subject, code.PinSubject = "", candidate
	return code
}

// codePinCases test that storing a user's first authorization code for an app also pins the
// subject, in the same transaction.
var codePinCases = []testCase{
	{
		name:   "a first code pins the subject",
		reason: "the app knows the user by this subject from then on",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			wantNoError(t, f.store.PutCode(t.Context(), codeWithoutSubject(userID, "g1", "sub-1")))
			code := f.getCode(hash("code g1"))
			wantEqual(t, "subject", code.Grant.Subject, "sub-1")
			wantEqual(t, "pin field of a stored code", code.PinSubject, "")
			wantEqual(t, "user by subject", f.subjectUser("wiki", "sub-1"), userID)
			pins := f.listSubjects(userID)
			wantEqual(t, "pins", fmt.Sprint(pins),
				fmt.Sprint([]gateway.Pin{{UserID: userID, App: "wiki", Subject: "sub-1", CreatedAt: noon}}))
		},
	},
	{
		name:   "a pinned subject stays",
		reason: "the app knows the user by the first subject",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			f.pinSubject(userID, "wiki", "first", noon)
			wantNoError(t, f.store.PutCode(t.Context(), codeWithoutSubject(userID, "g1", "second")))
			wantEqual(t, "subject", f.getCode(hash("code g1")).Grant.Subject, "first")
			given := newCode(userID, "wiki", "g2")
			given.PinSubject = "third"
			wantNoError(t, f.store.PutCode(t.Context(), given))
			wantEqual(t, "a given subject", f.getCode(hash("code g2")).Grant.Subject, given.Grant.Subject)
			wantEqual(t, "pins", len(f.listSubjects(userID)), 1)
		},
	},
	{
		name:   "a subject of another user is not pinned",
		reason: "the app would take one user for another",
		run: func(t *testing.T, f *fixture) {
			theirs, mine := f.addUser("o1").ID, f.addUser("o2").ID
			f.pinSubject(theirs, "wiki", "sub-1", noon)
			wantError(t, f.store.PutCode(t.Context(), codeWithoutSubject(mine, "g1", "sub-1")), gateway.ErrConflict)
			_, err := f.store.Code(t.Context(), hash("code g1"))
			wantError(t, err, gateway.ErrNotFound)
			wantEqual(t, "pins", len(f.listSubjects(mine)), 0)
			wantEqual(t, "user by subject", f.subjectUser("wiki", "sub-1"), theirs)
		},
	},
	{
		name:   "nothing is pinned for a code that is not stored",
		reason: "the pin and the code are stored in one transaction",
		run: func(t *testing.T, f *fixture) {
			userID := f.addUser("o1").ID
			wantError(t, f.store.PutCode(t.Context(), codeWithoutSubject(userID, "g1", "")), gateway.ErrNotFound)
			wantError(t, f.store.PutCode(t.Context(), codeWithoutSubject(gateway.NewID(), "g1", "sub-1")), gateway.ErrNotFound)
			wantNoError(t, f.store.PutCode(t.Context(), newCode(userID, "wiki", "g1")))
			wantError(t, f.store.PutCode(t.Context(), codeWithoutSubject(userID, "g1", "sub-1")), gateway.ErrConflict)
			wantEqual(t, "pins", len(f.listSubjects(userID)), 0)
			f.block(userID)
			wantError(t, f.store.PutCode(t.Context(), codeWithoutSubject(userID, "g2", "sub-1")), gateway.ErrBlocked)
			wantEqual(t, "pins of a blocked user", len(f.listSubjects(userID)), 0)
		},
	},
	{
		name:   "a code for the younger of two joined users pins a subject of the older",
		reason: "a request that began before the join has the younger id",
		run: func(t *testing.T, f *fixture) {
			older, younger := f.addTwoUsers()
			f.recordSignIn(siteConnector.signIn(after(time.Hour), "s1", "u1"))
			wantNoError(t, f.store.PutCode(t.Context(), codeWithoutSubject(younger.ID, "g1", "sub-1")))
			wantEqual(t, "user by subject", f.subjectUser("wiki", "sub-1"), older.ID)
		},
	},
	{
		name:       "first codes at once agree on one subject",
		reason:     "tokens of one user must not name two subjects",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			userID, requests := f.addUser("o1").ID, f.concurrency()
			var results counter
			f.concurrently(requests, func(i int) {
				codeName := fmt.Sprint("g", i)
				if err := f.store.PutCode(t.Context(), codeWithoutSubject(userID, codeName, fmt.Sprint("sub-", i))); err != nil {
					t.Error(err)
					return
				}
				code, err := f.store.Code(t.Context(), hash("code "+codeName))
				results.add(code.Grant.Subject + " " + errorName(err))
			})
			results.wantOneResult(t, "subjects and errors")
		},
	},
}

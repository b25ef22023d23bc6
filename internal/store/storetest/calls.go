package storetest

import (
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// The methods in this file call the store's method of the same purpose and fail the test on an
// error.

func (f *fixture) recordSignIn(signIn gateway.SignIn) gateway.User {
	f.t.Helper()
	result, _, err := f.store.RecordSignIn(f.t.Context(), signIn)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) getUser(id string) gateway.User {
	f.t.Helper()
	result, err := f.store.User(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) listUsers(q gateway.UserQuery) []gateway.User {
	f.t.Helper()
	result, err := f.store.Users(f.t.Context(), q)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) listIdentities(user string) []gateway.Identity {
	f.t.Helper()
	result, err := f.store.Identities(f.t.Context(), user)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) updateUser(id string, now time.Time, update func(*gateway.User) error) gateway.User {
	f.t.Helper()
	result, err := f.store.UpdateUser(f.t.Context(), id, now, update)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) importUsers(users []gateway.ImportedUser) gateway.ImportResult {
	f.t.Helper()
	result, err := f.store.ImportUsers(f.t.Context(), users)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) pinSubject(user, app, subject string, now time.Time) string {
	f.t.Helper()
	result, err := f.store.PinSubject(f.t.Context(), user, app, subject, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) subjectUser(app, subject string) string {
	f.t.Helper()
	result, err := f.store.SubjectUser(f.t.Context(), app, subject)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) listSubjects(user string) []gateway.Pin {
	f.t.Helper()
	result, err := f.store.UserSubjects(f.t.Context(), user)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) getSession(hash [32]byte, now time.Time) gateway.Session {
	f.t.Helper()
	result, err := f.store.Session(f.t.Context(), hash, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) listSessions(user string, now time.Time) []gateway.Session {
	f.t.Helper()
	result, err := f.store.UserSessions(f.t.Context(), user, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) deleteUserSessions(user string) int {
	f.t.Helper()
	result, err := f.store.DeleteUserSessions(f.t.Context(), user)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) getCode(hash [32]byte) gateway.Code {
	f.t.Helper()
	result, err := f.store.Code(f.t.Context(), hash)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) redeemCode(hash [32]byte, now time.Time, issue gateway.TokenIssue) gateway.Grant {
	f.t.Helper()
	result, err := f.store.Redeem(f.t.Context(), hash, now, issue)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) getGrant(id string) gateway.Grant {
	f.t.Helper()
	result, err := f.store.Grant(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) rotate(r gateway.Rotation) gateway.RotatedGrant {
	f.t.Helper()
	result, err := f.store.Rotate(f.t.Context(), r)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) revoke(r gateway.Revocation, now time.Time) int {
	f.t.Helper()
	result, err := f.store.Revoke(f.t.Context(), r, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) getTicket(hash [32]byte, now time.Time) gateway.Ticket {
	f.t.Helper()
	result, err := f.store.Ticket(f.t.Context(), hash, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) ticketStates(hashes [][32]byte, now time.Time) map[[32]byte]gateway.TicketState {
	f.t.Helper()
	result, err := f.store.TicketStates(f.t.Context(), hashes, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) scanTicket(hash [32]byte, a gateway.Approver, now time.Time) gateway.Ticket {
	f.t.Helper()
	result, err := f.store.ScanTicket(f.t.Context(), hash, a, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) answerTicket(hash [32]byte, user string, answer gateway.TicketState, now time.Time) gateway.Ticket {
	f.t.Helper()
	result, err := f.store.AnswerTicket(f.t.Context(), hash, user, answer, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) redeemTicket(hash, desktop [32]byte, now time.Time) gateway.Ticket {
	f.t.Helper()
	result, err := f.store.RedeemTicket(f.t.Context(), hash, desktop, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) listKeys() []gateway.Key {
	f.t.Helper()
	result, err := f.store.Keys(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) listEvents(q gateway.EventQuery) []gateway.Event {
	f.t.Helper()
	result, err := f.store.Events(f.t.Context(), q)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) sweep(now, eventsBefore time.Time, limit int) int {
	f.t.Helper()
	result, err := f.store.Sweep(f.t.Context(), now, eventsBefore, limit)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

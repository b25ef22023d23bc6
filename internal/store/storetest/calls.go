package storetest

import (
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Each method in this file calls the method of the store with the same purpose, and fails the test
// on an error. Cases use them for calls that must succeed.

func (f *fixture) recordSignIn(signIn gateway.SignIn) gateway.User {
	f.t.Helper()
	user, _, err := f.store.RecordSignIn(f.t.Context(), signIn)
	wantNoError(f.t, err)
	return user
}

func (f *fixture) getUser(userID string) gateway.User {
	f.t.Helper()
	user, err := f.store.User(f.t.Context(), userID)
	wantNoError(f.t, err)
	return user
}

func (f *fixture) listUsers(query gateway.UserQuery) []gateway.User {
	f.t.Helper()
	users, err := f.store.Users(f.t.Context(), query)
	wantNoError(f.t, err)
	return users
}

func (f *fixture) listIdentities(userID string) []gateway.Identity {
	f.t.Helper()
	identities, err := f.store.Identities(f.t.Context(), userID)
	wantNoError(f.t, err)
	return identities
}

func (f *fixture) updateUser(userID string, now time.Time, update func(*gateway.User) error) gateway.User {
	f.t.Helper()
	user, err := f.store.UpdateUser(f.t.Context(), userID, now, update)
	wantNoError(f.t, err)
	return user
}

func (f *fixture) importUsers(users []gateway.ImportedUser) gateway.ImportResult {
	f.t.Helper()
	result, err := f.store.ImportUsers(f.t.Context(), users)
	wantNoError(f.t, err)
	return result
}

func (f *fixture) pinSubject(userID, app, subject string, now time.Time) string {
	f.t.Helper()
	pinned, err := f.store.PinSubject(f.t.Context(), userID, app, subject, now)
	wantNoError(f.t, err)
	return pinned
}

func (f *fixture) subjectUser(app, subject string) string {
	f.t.Helper()
	userID, err := f.store.SubjectUser(f.t.Context(), app, subject)
	wantNoError(f.t, err)
	return userID
}

func (f *fixture) listSubjects(userID string) []gateway.Pin {
	f.t.Helper()
	pins, err := f.store.UserSubjects(f.t.Context(), userID)
	wantNoError(f.t, err)
	return pins
}

func (f *fixture) getSession(hash [32]byte, now time.Time) gateway.Session {
	f.t.Helper()
	session, err := f.store.Session(f.t.Context(), hash, now)
	wantNoError(f.t, err)
	return session
}

func (f *fixture) listSessions(userID string, now time.Time) []gateway.Session {
	f.t.Helper()
	sessions, err := f.store.UserSessions(f.t.Context(), userID, now)
	wantNoError(f.t, err)
	return sessions
}

func (f *fixture) deleteUserSessions(userID string) int {
	f.t.Helper()
	deleted, err := f.store.DeleteUserSessions(f.t.Context(), userID, noon)
	wantNoError(f.t, err)
	return deleted
}

func (f *fixture) getCode(hash [32]byte) gateway.Code {
	f.t.Helper()
	code, err := f.store.Code(f.t.Context(), hash)
	wantNoError(f.t, err)
	return code
}

func (f *fixture) redeemCode(hash [32]byte, now time.Time, issue gateway.TokenIssue) gateway.Grant {
	f.t.Helper()
	grant, err := f.store.Redeem(f.t.Context(), hash, now, issue)
	wantNoError(f.t, err)
	return grant
}

func (f *fixture) getGrant(id string) gateway.Grant {
	f.t.Helper()
	grant, err := f.store.Grant(f.t.Context(), id)
	wantNoError(f.t, err)
	return grant
}

func (f *fixture) rotate(rotation gateway.Rotation) gateway.RotatedGrant {
	f.t.Helper()
	rotated, err := f.store.Rotate(f.t.Context(), rotation)
	wantNoError(f.t, err)
	return rotated
}

func (f *fixture) revoke(revocation gateway.Revocation, now time.Time) int {
	f.t.Helper()
	revoked, err := f.store.Revoke(f.t.Context(), revocation, now)
	wantNoError(f.t, err)
	return revoked
}

func (f *fixture) getTicket(hash [32]byte, now time.Time) gateway.Ticket {
	f.t.Helper()
	ticket, err := f.store.Ticket(f.t.Context(), hash, now)
	wantNoError(f.t, err)
	return ticket
}

func (f *fixture) ticketStates(hashes [][32]byte, now time.Time) map[[32]byte]gateway.TicketState {
	f.t.Helper()
	states, err := f.store.TicketStates(f.t.Context(), hashes, now)
	wantNoError(f.t, err)
	return states
}

func (f *fixture) scanTicket(hash [32]byte, approver gateway.Approver, now time.Time) gateway.Ticket {
	f.t.Helper()
	ticket, err := f.store.ScanTicket(f.t.Context(), hash, approver, now)
	wantNoError(f.t, err)
	return ticket
}

func (f *fixture) answerTicket(hash [32]byte, userID string, answer gateway.TicketState, now time.Time) gateway.Ticket {
	f.t.Helper()
	ticket, err := f.store.AnswerTicket(f.t.Context(), hash, userID, answer, now)
	wantNoError(f.t, err)
	return ticket
}

func (f *fixture) redeemTicket(hash, desktop [32]byte, now time.Time) gateway.Ticket {
	f.t.Helper()
	ticket, err := f.store.RedeemTicket(f.t.Context(), newRedemption(hash, desktop, now))
	wantNoError(f.t, err)
	return ticket
}

func (f *fixture) listKeys() []gateway.Key {
	f.t.Helper()
	keys, err := f.store.Keys(f.t.Context())
	wantNoError(f.t, err)
	return keys
}

func (f *fixture) listEvents(query gateway.EventQuery) []gateway.Event {
	f.t.Helper()
	events, err := f.store.Events(f.t.Context(), query)
	wantNoError(f.t, err)
	return events
}

func (f *fixture) sweep(now, eventsBefore time.Time, batch int) int {
	f.t.Helper()
	deleted, err := f.store.Sweep(f.t.Context(), now, eventsBefore, batch)
	wantNoError(f.t, err)
	return deleted
}

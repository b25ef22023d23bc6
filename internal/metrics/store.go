package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Store wraps a store so that its operations, and the codes and tokens that it is given, are counted. A nil Metrics returns s itself.
func (m *Metrics) Store(s gateway.Store) gateway.Store {
	if m == nil {
		return s
	}
	return &store{s, m}
}

// store counts. Each method is named, so that one that a contract gains is not forgotten: the compiler asks for it.
type store struct {
	next gateway.Store
	m    *Metrics
}

// done counts an operation that began then.
func (s *store) done(operation string, began time.Time, err error) {
	s.m.operations.count(operation, outcome(err))
	s.m.operationTime.observe(time.Since(began).Seconds(), operation)
}

// outcome is the class of an error that a contract names.
func outcome(err error) string {
	for _, class := range []struct {
		err  error
		name string
	}{
		{context.Canceled, "cancelled"},
		{context.DeadlineExceeded, "timeout"},
		{gateway.ErrUnavailable, "unavailable"},
		{gateway.ErrNotFound, "not_found"},
		{gateway.ErrConflict, "conflict"},
		{gateway.ErrBlocked, "blocked"},
		{gateway.ErrReplay, "replay"},
		{gateway.ErrFull, "full"},
	} {
		if errors.Is(err, class.err) {
			return class.name
		}
	}
	if err != nil {
		return other
	}
	return "ok"
}

func value[T any](s *store, operation string, f func() (T, error)) (T, error) {
	began := time.Now()
	v, err := f()
	s.done(operation, began, err)
	return v, err
}

func plain(s *store, operation string, f func() error) error {
	began := time.Now()
	err := f()
	s.done(operation, began, err)
	return err
}

func (s *store) CompleteSignIn(ctx context.Context, c gateway.Completion) (gateway.User, []gateway.Event, error) {
	began := time.Now()
	user, events, err := s.next.CompleteSignIn(ctx, c)
	s.done("complete_sign_in", began, err)
	return user, events, err
}

func (s *store) RecordSignIn(ctx context.Context, a gateway.SignIn) (gateway.User, []gateway.Event, error) {
	began := time.Now()
	user, events, err := s.next.RecordSignIn(ctx, a)
	s.done("arrive", began, err)
	return user, events, err
}

func (s *store) User(ctx context.Context, id string) (gateway.User, error) {
	return value(s, "account", func() (gateway.User, error) { return s.next.User(ctx, id) })
}

func (s *store) Identities(ctx context.Context, userID string) ([]gateway.Identity, error) {
	return value(s, "identities", func() ([]gateway.Identity, error) { return s.next.Identities(ctx, userID) })
}

func (s *store) Users(ctx context.Context, q gateway.UserQuery) ([]gateway.User, error) {
	return value(s, "accounts", func() ([]gateway.User, error) { return s.next.Users(ctx, q) })
}

func (s *store) UpdateUser(ctx context.Context, id string, now time.Time, change func(*gateway.User) error) (gateway.User, error) {
	return value(s, "update_account", func() (gateway.User, error) { return s.next.UpdateUser(ctx, id, now, change) })
}

func (s *store) ImportUsers(ctx context.Context, people []gateway.ImportedUser) (gateway.ImportResult, error) {
	return value(s, "import_people", func() (gateway.ImportResult, error) { return s.next.ImportUsers(ctx, people) })
}

func (s *store) PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (string, error) {
	return value(s, "pin_subject", func() (string, error) { return s.next.PinSubject(ctx, userID, app, candidate, now) })
}

func (s *store) UserSubjects(ctx context.Context, userID string) ([]gateway.Pin, error) {
	return value(s, "account_subjects", func() ([]gateway.Pin, error) { return s.next.UserSubjects(ctx, userID) })
}

func (s *store) SubjectUser(ctx context.Context, app, subject string) (string, error) {
	return value(s, "subject_account", func() (string, error) { return s.next.SubjectUser(ctx, app, subject) })
}

func (s *store) PutSession(ctx context.Context, v gateway.Session, now time.Time) error {
	return plain(s, "put_session", func() error { return s.next.PutSession(ctx, v, now) })
}

func (s *store) Session(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, error) {
	return value(s, "session", func() (gateway.Session, error) { return s.next.Session(ctx, hash, now) })
}

func (s *store) TouchSession(ctx context.Context, hash [32]byte, now, expires time.Time) error {
	return plain(s, "touch_session", func() error { return s.next.TouchSession(ctx, hash, now, expires) })
}

func (s *store) UpdateSession(ctx context.Context, hash [32]byte, now time.Time, change func(*gateway.Session) error) error {
	return plain(s, "update_session", func() error { return s.next.UpdateSession(ctx, hash, now, change) })
}

func (s *store) DeleteSession(ctx context.Context, hash [32]byte) error {
	return plain(s, "delete_session", func() error { return s.next.DeleteSession(ctx, hash) })
}

func (s *store) DeleteUserSessions(ctx context.Context, userID string) (int, error) {
	return value(s, "delete_account_sessions", func() (int, error) { return s.next.DeleteUserSessions(ctx, userID) })
}

func (s *store) UserSessions(ctx context.Context, userID string, now time.Time) ([]gateway.Session, error) {
	return value(s, "account_sessions", func() ([]gateway.Session, error) { return s.next.UserSessions(ctx, userID, now) })
}

func (s *store) BeginAttempt(ctx context.Context, want gateway.Attempt, now time.Time) (gateway.Attempt, bool, error) {
	began := time.Now()
	have, won, err := s.next.BeginAttempt(ctx, want, now)
	s.done("claim", began, err)
	return have, won, err
}

func (s *store) FinishAttempt(ctx context.Context, key, owner string, out gateway.Outcome, now time.Time) error {
	return plain(s, "finish_claim", func() error { return s.next.FinishAttempt(ctx, key, owner, out, now) })
}

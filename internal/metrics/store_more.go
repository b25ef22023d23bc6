package metrics

import (
	"context"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// issued counts a code or token that an app was given.
func (s *store) issued(kind string, err error) {
	if err == nil {
		s.m.tokens.count(kind)
	}
}

func (s *store) PutCode(ctx context.Context, c gateway.Code) error {
	err := plain(s, "put_code", func() error { return s.next.PutCode(ctx, c) })
	s.issued("code", err)
	return err
}

func (s *store) Code(ctx context.Context, hash [32]byte) (gateway.Code, error) {
	return value(s, "code", func() (gateway.Code, error) { return s.next.Code(ctx, hash) })
}

func (s *store) Redeem(ctx context.Context, code [32]byte, now time.Time, i gateway.TokenIssue) (gateway.Grant, error) {
	f, err := value(s, "redeem", func() (gateway.Grant, error) { return s.next.Redeem(ctx, code, now, i) })
	s.issued("access", err)
	if i.Refresh != ([32]byte{}) {
		s.issued("refresh", err)
	}
	return f, err
}

func (s *store) Token(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant, error) {
	began := time.Now()
	t, f, err := s.next.Token(ctx, hash, now)
	s.done("token", began, err)
	return t, f, err
}

func (s *store) TokenUser(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant, gateway.User, error) {
	began := time.Now()
	t, f, a, err := s.next.TokenUser(ctx, hash, now)
	s.done("token_holder", began, err)
	return t, f, a, err
}

func (s *store) SessionUser(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error) {
	began := time.Now()
	v, a, err := s.next.SessionUser(ctx, hash, now)
	s.done("session_holder", began, err)
	return v, a, err
}

func (s *store) Grant(ctx context.Context, id string) (gateway.Grant, error) {
	return value(s, "family", func() (gateway.Grant, error) { return s.next.Grant(ctx, id) })
}

func (s *store) Rotate(ctx context.Context, r gateway.Rotation) (gateway.RotatedGrant, error) {
	out, err := value(s, "rotate", func() (gateway.RotatedGrant, error) { return s.next.Rotate(ctx, r) })
	s.issued("access", err)
	if !out.Repeated {
		s.issued("refresh", err)
	}
	return out, err
}

func (s *store) Revoke(ctx context.Context, r gateway.Revocation, now time.Time) (int, error) {
	return value(s, "revoke", func() (int, error) { return s.next.Revoke(ctx, r, now) })
}

func (s *store) PutTicket(ctx context.Context, t gateway.Ticket, now time.Time, limit int) error {
	return plain(s, "put_ticket", func() error { return s.next.PutTicket(ctx, t, now, limit) })
}

func (s *store) Ticket(ctx context.Context, hash [32]byte, now time.Time) (gateway.Ticket, error) {
	return value(s, "ticket", func() (gateway.Ticket, error) { return s.next.Ticket(ctx, hash, now) })
}

func (s *store) TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState, error) {
	return value(s, "ticket_states", func() (map[[32]byte]gateway.TicketState, error) { return s.next.TicketStates(ctx, hashes, now) })
}

func (s *store) ScanTicket(ctx context.Context, hash [32]byte, h gateway.Approver, now time.Time) (gateway.Ticket, error) {
	return value(s, "hold_ticket", func() (gateway.Ticket, error) { return s.next.ScanTicket(ctx, hash, h, now) })
}

func (s *store) AnswerTicket(ctx context.Context, hash [32]byte, userID string, answer gateway.TicketState, now time.Time) (gateway.Ticket, error) {
	return value(s, "answer_ticket", func() (gateway.Ticket, error) { return s.next.AnswerTicket(ctx, hash, userID, answer, now) })
}

func (s *store) RedeemTicket(ctx context.Context, hash, desktop [32]byte, now time.Time) (gateway.Ticket, error) {
	return value(s, "take_ticket", func() (gateway.Ticket, error) { return s.next.RedeemTicket(ctx, hash, desktop, now) })
}

func (s *store) CancelTicket(ctx context.Context, hash, desktop [32]byte, now time.Time) error {
	return plain(s, "drop_ticket", func() error { return s.next.CancelTicket(ctx, hash, desktop, now) })
}

func (s *store) Keys(ctx context.Context) ([]gateway.Key, error) {
	return value(s, "keys", func() ([]gateway.Key, error) { return s.next.Keys(ctx) })
}

func (s *store) PutKey(ctx context.Context, k gateway.Key) error {
	return plain(s, "put_key", func() error { return s.next.PutKey(ctx, k) })
}

func (s *store) RetireKey(ctx context.Context, id string, retiredAt, expiresAt time.Time) error {
	return plain(s, "retire_key", func() error { return s.next.RetireKey(ctx, id, retiredAt, expiresAt) })
}

func (s *store) ReplaceSealed(ctx context.Context, id string, old, sealed []byte) error {
	return plain(s, "replace_sealed", func() error { return s.next.ReplaceSealed(ctx, id, old, sealed) })
}

func (s *store) AppendEvents(ctx context.Context, events ...gateway.Event) error {
	return plain(s, "append_events", func() error { return s.next.AppendEvents(ctx, events...) })
}

func (s *store) Events(ctx context.Context, q gateway.EventQuery) ([]gateway.Event, error) {
	return value(s, "events", func() ([]gateway.Event, error) { return s.next.Events(ctx, q) })
}

func (s *store) Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (int, error) {
	return value(s, "sweep", func() (int, error) { return s.next.Sweep(ctx, now, eventsBefore, batch) })
}

func (s *store) Ping(ctx context.Context) error {
	return plain(s, "ping", func() error { return s.next.Ping(ctx) })
}

// Close is not counted: there is nobody left to tell.
func (s *store) Close() error { return s.next.Close() }

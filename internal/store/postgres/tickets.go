package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

const ticketColumns = `hash, desktop, app, entry, browser, place, number, others, state, account_id, held_entry, app_id, open_id,
	auth_time, held_at, created_at, expires_at, data`

func ticketFields(t *gateway.Ticket) []any {
	h := &t.Approver
	return []any{hash{&t.Hash}, hash{&t.Desktop}, &t.App, &t.Connector, &t.Browser, &t.Place, &t.Number, words{&t.Others}, &t.State,
		&h.UserID, &h.Connector, &h.AppID, &h.OpenID, moment{&h.AuthTime}, moment{&t.ScannedAt}, moment{&t.CreatedAt}, moment{&t.ExpiresAt}, &t.Data}
}

// ticketMargin is how far from the limit tickets are counted without a lock:
// more than all replicas together put at one moment.
const ticketMargin = 256

// PutTicket implements gateway.Tickets. Far from the limit one statement counts
// and stores; near it everybody waits for the gate, so that nobody counts
// while another stores.
func (s *Store) PutTicket(ctx context.Context, t gateway.Ticket, now time.Time, limit int) error {
	if err := t.Check(); err != nil {
		return err
	}
	if limit <= 0 {
		return errors.New("postgres: a ticket needs a limit of how many there may be")
	}
	t = t.Opened()
	const insert = `
		INSERT INTO tickets (` + ticketColumns + `)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'open', '', '', '', '', 0, 0, $9, $10, $11
		WHERE (SELECT count(*) FROM (
			SELECT 1 FROM tickets WHERE expires_at > $12 AND state IN ('open', 'held', 'dropped') LIMIT $13::bigint) live) < $13::bigint`
	args := func(limit int) []any {
		return []any{t.Hash[:], t.Desktop[:], t.App, t.Connector, t.Browser, t.Place, t.Number, texts(t.Others), micros(t.CreatedAt), micros(t.ExpiresAt),
			t.Data, micros(now), limit}
	}
	if limit > ticketMargin {
		done, err := s.exec(ctx, insert, args(limit-ticketMargin)...)
		if taken(err) {
			return gateway.ErrConflict
		}
		if err != nil || done.RowsAffected() == 1 {
			return failed("store a ticket", err)
		}
	}
	return s.write(ctx, "store a ticket", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT n FROM ticket_gate FOR UPDATE`); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, insert, args(limit)...)
		switch {
		case taken(err):
			return gateway.ErrConflict
		case err == nil && done.RowsAffected() == 0:
			return gateway.ErrFull
		}
		return err
	})
}

// Ticket implements gateway.Tickets.
func (s *Store) Ticket(ctx context.Context, h [32]byte, now time.Time) (t gateway.Ticket, err error) {
	err = s.get(ctx, `SELECT `+ticketColumns+` FROM tickets WHERE hash = $1`, []any{h[:]}, ticketFields(&t)...)
	if err != nil {
		return gateway.Ticket{}, failed("read a ticket", err)
	}
	return t.Shown(now)
}

// TicketStates implements gateway.Tickets.
func (s *Store) TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState, error) {
	all := make(map[[32]byte]gateway.TicketState, len(hashes))
	if len(hashes) == 0 {
		return all, nil
	}
	wanted := make([][]byte, len(hashes))
	for i := range hashes {
		wanted[i] = hashes[i][:]
	}
	rows, err := list(ctx, s.pool, `SELECT hash, state FROM tickets WHERE hash = ANY ($1) AND expires_at > $2`, []any{wanted, micros(now)},
		func(t *gateway.Ticket) []any { return []any{hash{&t.Hash}, &t.State} })
	if err != nil {
		return nil, failed("look at tickets", err)
	}
	for _, t := range rows {
		all[t.Hash] = t.State
	}
	return all, nil
}

// HoldTicket implements gateway.Tickets.
func (s *Store) ScanTicket(ctx context.Context, h [32]byte, who gateway.Approver, now time.Time) (gateway.Ticket, error) {
	return s.ticketMove(ctx, "hold a ticket", h, who.UserID, func(t gateway.Ticket, a gateway.User) (gateway.Ticket, bool, error) {
		switch {
		case a.ID == "":
			return gateway.Ticket{}, false, gateway.ErrNotFound
		case a.Status == gateway.Blocked:
			return gateway.Ticket{}, false, gateway.ErrBlocked
		}
		holder := who
		holder.UserID = a.ID
		return t.AfterScan(holder, now)
	})
}

// AnswerTicket implements gateway.Tickets.
func (s *Store) AnswerTicket(ctx context.Context, h [32]byte, userID string, answer gateway.TicketState, now time.Time) (gateway.Ticket, error) {
	if !answer.Answer() {
		return gateway.Ticket{}, errors.New("postgres: a ticket is answered by approved, refused or wrong")
	}
	return s.ticketMove(ctx, "answer a ticket", h, userID, func(t gateway.Ticket, a gateway.User) (gateway.Ticket, bool, error) {
		t, err := t.AfterAnswer(a.ID, answer, now) // nobody holds no ticket
		return t, err == nil, err
	})
}

// TakeTicket implements gateway.Tickets.
func (s *Store) RedeemTicket(ctx context.Context, h, desktop [32]byte, now time.Time) (gateway.Ticket, error) {
	return s.ticketMove(ctx, "take a ticket", h, "", func(t gateway.Ticket, _ gateway.User) (gateway.Ticket, bool, error) {
		t, err := t.AfterRedeem(desktop, now)
		return t, err == nil, err
	})
}

// DropTicket implements gateway.Tickets.
func (s *Store) CancelTicket(ctx context.Context, h, desktop [32]byte, now time.Time) error {
	_, err := s.ticketMove(ctx, "drop a ticket", h, "", func(t gateway.Ticket, _ gateway.User) (gateway.Ticket, bool, error) {
		return t.AfterCancel(desktop, now)
	})
	return err
}

// ticketMove lets a rule decide about a ticket as it is and the account that
// accountID resolves to (the zero account when there is none), and writes what
// it says, unless the ticket has moved meanwhile: then the rule decides again.
// A ticket moves three times at most, and with each join.
func (s *Store) ticketMove(ctx context.Context, doing string, h [32]byte, userID string,
	rule func(gateway.Ticket, gateway.User) (gateway.Ticket, bool, error),
) (gateway.Ticket, error) {
	for range attempts {
		// One statement, so one moment: a join changes both.
		var was gateway.Ticket
		var who gateway.User
		err := s.get(ctx, `
			SELECT `+ticketColumns+`, coalesce(a.a_id, ''), coalesce(a.a_status, '')
			FROM tickets LEFT JOIN (SELECT id AS a_id, status AS a_status FROM accounts WHERE id = (
				SELECT CASE joined_into WHEN '' THEN id ELSE joined_into END FROM accounts WHERE id = $2)) a ON true
			WHERE hash = $1`,
			[]any{h[:], userID}, append(ticketFields(&was), &who.ID, &who.Status)...)
		if err != nil {
			return gateway.Ticket{}, failed(doing, err)
		}
		next, write, err := rule(was, who)
		if err != nil || !write {
			return next, err
		}
		moved, err := s.moveTicket(ctx, was, next)
		if err != nil {
			return gateway.Ticket{}, failed(doing, err)
		}
		if moved {
			return next, nil
		}
	}
	return gateway.Ticket{}, failed(doing, errAgain)
}

// moveTicket writes next in the place of was, when was is still there. Who
// takes hold must be welcome at that moment, so their row is locked first.
func (s *Store) moveTicket(ctx context.Context, was, next gateway.Ticket) (bool, error) {
	h := next.Approver
	update := `
		UPDATE tickets SET state = $3, account_id = $2, held_entry = $4, app_id = $5, open_id = $6, auth_time = $7, held_at = $8, expires_at = $9`
	if next.State == gateway.TicketScanned {
		update = `WITH a AS (SELECT id` + welcome + `)` + update + ` FROM a`
	}
	done, err := s.exec(ctx, update+` WHERE hash = $1 AND state = $10 AND account_id = $11`,
		next.Hash[:], h.UserID, string(next.State), h.Connector, h.AppID, h.OpenID, micros(h.AuthTime), micros(next.ScannedAt), micros(next.ExpiresAt),
		string(was.State), was.Approver.UserID)
	return done.RowsAffected() == 1, err
}

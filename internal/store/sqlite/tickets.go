package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

const ticketColumns = `hash, desktop, app, entry, browser, place, number, others, state, account_id, held_entry, app_id, open_id,
	auth_time, held_at, created_at, expires_at, data`

func ticketFields(t *gateway.Ticket) []any {
	h := &t.Approver
	return []any{hash{&t.Hash}, hash{&t.Desktop}, &t.App, &t.Connector, &t.Browser, &t.Place, &t.Number, list{&t.Others}, &t.State,
		&h.UserID, &h.Connector, &h.AppID, &h.OpenID, moment{&h.AuthTime}, moment{&t.ScannedAt}, moment{&t.CreatedAt}, moment{&t.ExpiresAt}, &t.Data}
}

// PutTicket implements gateway.Tickets. All writes are one after the other, so
// that who counts is alone.
func (s *Store) PutTicket(ctx context.Context, n gateway.Ticket, now time.Time, limit int) error {
	if err := n.Check(); err != nil {
		return err
	}
	if limit <= 0 {
		return errors.New("sqlite: a ticket needs a limit of how many there may be")
	}
	n = n.Opened()
	return s.write(ctx, "store a ticket", func(t tx) error {
		stored, err := t.exec(`
			INSERT INTO tickets (`+ticketColumns+`)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open', '', '', '', '', 0, 0, ?9, ?10, ?11
			WHERE (SELECT count(*) FROM (SELECT 1 FROM tickets WHERE expires_at > ?12 AND state IN ('open', 'held', 'dropped') LIMIT ?13)) < ?13`,
			n.Hash[:], n.Desktop[:], n.App, n.Connector, n.Browser, n.Place, n.Number, text(n.Others), micros(n.CreatedAt), micros(n.ExpiresAt),
			n.Data, micros(now), limit)
		switch {
		case taken(err):
			return gateway.ErrConflict
		case err == nil && stored == 0:
			return gateway.ErrFull
		}
		return err
	})
}

func ticket(t tx, h [32]byte) (n gateway.Ticket, err error) {
	err = t.get(`SELECT `+ticketColumns+` FROM tickets WHERE hash = ?1`, []any{h[:]}, ticketFields(&n)...)
	return n, err
}

// moveTicket writes what a rule made of a ticket.
func moveTicket(t tx, n gateway.Ticket) error {
	h := n.Approver
	_, err := t.exec(`
		UPDATE tickets SET state = ?2, account_id = ?3, held_entry = ?4, app_id = ?5, open_id = ?6, auth_time = ?7, held_at = ?8, expires_at = ?9
		WHERE hash = ?1`,
		n.Hash[:], string(n.State), h.UserID, h.Connector, h.AppID, h.OpenID, micros(h.AuthTime), micros(n.ScannedAt), micros(n.ExpiresAt))
	return err
}

// Ticket implements gateway.Tickets.
func (s *Store) Ticket(ctx context.Context, h [32]byte, now time.Time) (n gateway.Ticket, err error) {
	err = s.read(ctx, "read a ticket", func(t tx) error {
		n, err = ticket(t, h)
		return err
	})
	if err != nil {
		return gateway.Ticket{}, err
	}
	return n.Shown(now)
}

// TicketStates implements gateway.Tickets.
func (s *Store) TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState, error) {
	all := make(map[[32]byte]gateway.TicketState, len(hashes))
	if len(hashes) == 0 {
		return all, nil
	}
	wanted := make([]string, len(hashes))
	for i, h := range hashes {
		wanted[i] = hex.EncodeToString(h[:])
	}
	const query = `SELECT hash, state FROM tickets WHERE hash IN (SELECT unhex(value) FROM json_each(?1)) AND expires_at > ?2`
	err := s.read(ctx, "look at tickets", func(t tx) error {
		return t.each(query, []any{text(wanted), micros(now)}, func(r *sql.Rows) error {
			var h [32]byte
			var state gateway.TicketState
			err := r.Scan(hash{&h}, &state)
			all[h] = state
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// HoldTicket implements gateway.Tickets.
func (s *Store) ScanTicket(ctx context.Context, h [32]byte, who gateway.Approver, now time.Time) (gateway.Ticket, error) {
	return s.ticketMove(ctx, "hold a ticket", h, func(t tx, n gateway.Ticket) (gateway.Ticket, bool, error) {
		id, err := admitted(t, who.UserID)
		if err != nil {
			return gateway.Ticket{}, false, err
		}
		who.UserID = id
		return n.AfterScan(who, now)
	})
}

// AnswerTicket implements gateway.Tickets.
func (s *Store) AnswerTicket(ctx context.Context, h [32]byte, userID string, answer gateway.TicketState, now time.Time) (gateway.Ticket, error) {
	if !answer.Answer() {
		return gateway.Ticket{}, errors.New("sqlite: a ticket is answered by approved, refused or wrong")
	}
	return s.ticketMove(ctx, "answer a ticket", h, func(t tx, n gateway.Ticket) (gateway.Ticket, bool, error) {
		a, err := readUser(t, userID)
		if err != nil && !errors.Is(err, gateway.ErrNotFound) {
			return gateway.Ticket{}, false, err
		}
		n, err = n.AfterAnswer(a.ID, answer, now) // nobody holds no ticket
		return n, err == nil, err
	})
}

// TakeTicket implements gateway.Tickets.
func (s *Store) RedeemTicket(ctx context.Context, h, desktop [32]byte, now time.Time) (gateway.Ticket, error) {
	return s.ticketMove(ctx, "take a ticket", h, func(_ tx, n gateway.Ticket) (gateway.Ticket, bool, error) {
		n, err := n.AfterRedeem(desktop, now)
		return n, err == nil, err
	})
}

// DropTicket implements gateway.Tickets.
func (s *Store) CancelTicket(ctx context.Context, h, desktop [32]byte, now time.Time) error {
	_, err := s.ticketMove(ctx, "drop a ticket", h, func(_ tx, n gateway.Ticket) (gateway.Ticket, bool, error) {
		return n.AfterCancel(desktop, now)
	})
	return err
}

// ticketMove lets a rule decide about a ticket, and writes what it says.
func (s *Store) ticketMove(ctx context.Context, doing string, h [32]byte, rule func(tx, gateway.Ticket) (gateway.Ticket, bool, error)) (n gateway.Ticket, err error) {
	err = s.write(ctx, doing, func(t tx) error {
		n = gateway.Ticket{}
		was, err := ticket(t, h)
		if err != nil {
			return err
		}
		next, write, err := rule(t, was)
		n = next
		if err != nil || !write {
			return err
		}
		return moveTicket(t, next)
	})
	if err != nil && !errors.Is(err, gateway.ErrConflict) && !errors.Is(err, gateway.ErrReplay) {
		return gateway.Ticket{}, err
	}
	return n, err
}

package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Tickets, but PutTicket and TicketStates, whose statements differ:
// each store implements them. Do runs one operation of the store. Exec changes rows, Get reads one
// row, list reads all, and Tx runs a transaction. Micros and NullHash convert arguments; Time, Hash
// and jsonList convert results.

const ticketColumns = `hash, desktop, app, connector, browser, masked_ip, number, others, state,
	approver_id, approver_connector, app_id, open_id, auth_time, scanned_at, created_at, expires_at, data`

func ticketFields(t *gateway.Ticket) []any {
	a := &t.Approver
	return []any{Hash{&t.Hash}, Hash{&t.Desktop}, &t.App, &t.Connector, &t.Browser, &t.MaskedIP, &t.Number,
		jsonList{&t.Others}, &t.State, &a.UserID, &a.Connector, &a.AppID, &a.OpenID, Time{&a.AuthTime},
		Time{&t.ScannedAt}, Time{&t.CreatedAt}, Time{&t.ExpiresAt}, &t.Data}
}

// InsertTicket stores a ticket, unless the number of tickets that count for the limit (see
// gateway.TicketState.CountsForLimit) has reached it. TicketArgs returns its arguments.
const InsertTicket = `
	INSERT INTO tickets (` + ticketColumns + `)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'open', '', '', '', '', 0, 0, $9, $10, $11
	WHERE (SELECT count(*) FROM (
		SELECT 1 FROM tickets WHERE state IN ('open', 'scanned', 'cancelled') AND expires_at > $12
		ORDER BY expires_at LIMIT CAST($13 AS bigint)) t) < CAST($13 AS bigint)`

// TicketArgs returns the arguments of InsertTicket.
func TicketArgs(t gateway.Ticket, now time.Time, limit int) []any {
	return []any{t.Hash[:], t.Desktop[:], t.App, t.Connector, t.Browser, t.MaskedIP, t.Number, JSON(t.Others),
		Micros(t.CreatedAt), Micros(t.ExpiresAt), t.Data, Micros(now), limit}
}

// PrepareTicket returns t as PutTicket stores it, or an error when t or the limit is invalid.
func PrepareTicket(t gateway.Ticket, limit int) (gateway.Ticket, error) {
	if err := t.Check(); err != nil {
		return gateway.Ticket{}, err
	}
	if limit <= 0 {
		return gateway.Ticket{}, errors.New("a ticket needs a limit of how many there may be")
	}
	return t.Initial(), nil
}

// Ticket implements gateway.Tickets.
func (b Base) Ticket(ctx context.Context, h [32]byte, now time.Time) (t gateway.Ticket, err error) {
	err = b.db.Do(ctx, "ticket", func(c Conn) error {
		return c.Get(`SELECT `+ticketColumns+` FROM tickets WHERE hash = $1`, []any{h[:]}, ticketFields(&t)...)
	})
	if err != nil {
		return gateway.Ticket{}, err
	}
	return t.AfterRead(now)
}

// ScanTicket implements gateway.Tickets.
func (b Base) ScanTicket(ctx context.Context, h [32]byte, a gateway.Approver, now time.Time) (gateway.Ticket, error) {
	return b.changeTicket(ctx, "scan_ticket", h, a.UserID,
		func(t gateway.Ticket, u gateway.User) (gateway.Ticket, bool, error) {
			switch {
			case u.ID == "":
				return gateway.Ticket{}, false, gateway.ErrNotFound
			case u.Status == gateway.Blocked:
				return gateway.Ticket{}, false, gateway.ErrBlocked
			}
			approver := a
			approver.UserID = u.ID
			return t.AfterScan(approver, now)
		})
}

// AnswerTicket implements gateway.Tickets.
func (b Base) AnswerTicket(ctx context.Context, h [32]byte, userID string, answer gateway.TicketState,
	now time.Time) (gateway.Ticket, error) {
	if !answer.IsAnswer() {
		return gateway.Ticket{}, errors.New("a ticket is answered by approved, refused or wrong_number")
	}
	return b.changeTicket(ctx, "answer_ticket", h, userID,
		func(t gateway.Ticket, u gateway.User) (gateway.Ticket, bool, error) {
			t, err := t.AfterAnswer(u.ID, answer, now)
			return t, err == nil, err
		})
}

// RedeemTicket implements gateway.Tickets.
func (b Base) RedeemTicket(ctx context.Context, h, desktop [32]byte, now time.Time) (gateway.Ticket, error) {
	return b.changeTicket(ctx, "redeem_ticket", h, "",
		func(t gateway.Ticket, _ gateway.User) (gateway.Ticket, bool, error) {
			t, err := t.AfterRedeem(desktop, now)
			return t, err == nil, err
		})
}

// CancelTicket implements gateway.Tickets.
func (b Base) CancelTicket(ctx context.Context, h, desktop [32]byte, now time.Time) error {
	_, err := b.changeTicket(ctx, "cancel_ticket", h, "",
		func(t gateway.Ticket, _ gateway.User) (gateway.Ticket, bool, error) {
			return t.AfterCancel(desktop, now)
		})
	return err
}

// ticketRule decides a change of a ticket: it returns the ticket afterwards and whether to write
// it. The user is the zero User when there is none.
type ticketRule func(gateway.Ticket, gateway.User) (next gateway.Ticket, write bool, err error)

// changeTicket applies a rule to a ticket and to the user that userID resolves to, and writes the
// result. When the ticket has changed in between, the rule decides again; tickets change so rarely
// that this ends. With gateway.ErrConflict and gateway.ErrReplay, changeTicket returns the ticket
// as well.
func (b Base) changeTicket(ctx context.Context, op string, h [32]byte, userID string,
	rule ticketRule) (next gateway.Ticket, err error) {
	err = b.db.Do(ctx, op, func(c Conn) error {
		for {
			var was gateway.Ticket
			var user gateway.User
			next = gateway.Ticket{}
			// One statement reads the ticket and the user: a join between two statements would
			// change both.
			err := c.Get(`
				SELECT `+ticketColumns+`, coalesce(u.uid, ''), coalesce(u.ustatus, '')
				FROM tickets LEFT JOIN (SELECT id AS uid, status AS ustatus FROM users WHERE id = (
					SELECT CASE joined_into WHEN '' THEN id ELSE joined_into END FROM users WHERE id = $2)) u ON true
				WHERE hash = $1`,
				[]any{h[:], userID}, append(ticketFields(&was), &user.ID, &user.Status)...)
			if err != nil {
				return err
			}
			var write bool
			next, write, err = rule(was, user)
			if err != nil || !write {
				return err
			}
			n, err := c.Exec(b.updateTicket(next), updateTicketArgs(was, next)...)
			if err != nil || n == 1 {
				return err
			}
		}
	})
	if err != nil && !errors.Is(err, gateway.ErrConflict) && !errors.Is(err, gateway.ErrReplay) {
		return gateway.Ticket{}, err
	}
	return next, err
}

// updateTicket returns the statement that writes next, unless the ticket has changed since it was
// read. A user who scans must not be blocked at the same time, so the same statement locks the row
// of the approver ($2, as userAdmitted requires).
func (b Base) updateTicket(next gateway.Ticket) string {
	update := `
		UPDATE tickets SET state = $3, approver_id = $2, approver_connector = $4, app_id = $5, open_id = $6,
			auth_time = $7,
			scanned_at = $8, expires_at = $9`
	if next.State == gateway.TicketScanned {
		update = `WITH approver AS (SELECT id FROM users WHERE ` + userAdmitted + b.dialect.ForShare + `)` + update +
			` FROM approver`
	}
	return update + ` WHERE hash = $1 AND state = $10 AND approver_id = $11`
}

func updateTicketArgs(was, next gateway.Ticket) []any {
	a := next.Approver
	return []any{next.Hash[:], a.UserID, string(next.State), a.Connector, a.AppID, a.OpenID, Micros(a.AuthTime),
		Micros(next.ScannedAt), Micros(next.ExpiresAt), string(was.State), was.Approver.UserID}
}

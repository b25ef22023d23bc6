package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

const ticketColumns = `hash, desktop, app, connector, browser, place, number, others, state,
	approver_id, approver_connector, app_id, open_id, auth_time, scanned_at, created_at, expires_at, data`

func ticketFields(t *gateway.Ticket) []any {
	a := &t.Approver
	return []any{Hash{&t.Hash}, Hash{&t.Desktop}, &t.App, &t.Connector, &t.Browser, &t.Place, &t.Number,
		jsonList{&t.Others}, &t.State,
		&a.UserID, &a.Connector, &a.AppID, &a.OpenID, Time{&a.AuthTime}, Time{&t.ScannedAt}, Time{&t.CreatedAt},
		Time{&t.ExpiresAt}, &t.Data}
}

// InsertTicket stores a ticket, unless the number of valid tickets that no user has approved or
// refused has reached the limit. TicketArgs returns its arguments.
const InsertTicket = `
	INSERT INTO tickets (` + ticketColumns + `)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'open', '', '', '', '', 0, 0, $9, $10, $11
	WHERE (SELECT count(*) FROM (
		SELECT 1 FROM tickets WHERE state IN ('open', 'scanned', 'cancelled') AND expires_at > $12
		ORDER BY expires_at LIMIT CAST($13 AS bigint)) t) < CAST($13 AS bigint)`

// TicketArgs returns the arguments of InsertTicket.
func TicketArgs(t gateway.Ticket, now time.Time, limit int) []any {
	return []any{t.Hash[:], t.Desktop[:], t.App, t.Connector, t.Browser, t.Place, t.Number, JSON(t.Others),
		Micros(t.CreatedAt), Micros(t.ExpiresAt),
		t.Data, Micros(now), limit}
}

// NewTicket returns a ticket as PutTicket stores it, or an error for one that no store may store.
func NewTicket(t gateway.Ticket, limit int) (gateway.Ticket, error) {
	if err := t.Check(); err != nil {
		return gateway.Ticket{}, err
	}
	if limit <= 0 {
		return gateway.Ticket{}, errors.New("a ticket needs a limit of how many there may be")
	}
	return t.Opened(), nil
}

// Ticket implements gateway.Tickets.
func (b Base) Ticket(ctx context.Context, h [32]byte, now time.Time) (t gateway.Ticket, err error) {
	err = b.db.Do(ctx, "ticket", func(c Conn) error {
		return c.Get(`SELECT `+ticketColumns+` FROM tickets WHERE hash = $1`, []any{h[:]}, ticketFields(&t)...)
	})
	if err != nil {
		return gateway.Ticket{}, err
	}
	return t.Shown(now)
}

// ScanTicket implements gateway.Tickets.
func (b Base) ScanTicket(ctx context.Context, h [32]byte, a gateway.Approver, now time.Time) (gateway.Ticket, error) {
	return b.moveTicket(ctx, "scan_ticket", h, a.UserID,
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
	if !answer.Answer() {
		return gateway.Ticket{}, errors.New("a ticket is answered by approved, refused or wrong_number")
	}
	return b.moveTicket(ctx, "answer_ticket", h, userID,
		func(t gateway.Ticket, u gateway.User) (gateway.Ticket, bool, error) {
			t, err := t.AfterAnswer(u.ID, answer, now)
			return t, err == nil, err
		})
}

// RedeemTicket implements gateway.Tickets.
func (b Base) RedeemTicket(ctx context.Context, h, desktop [32]byte, now time.Time) (gateway.Ticket, error) {
	return b.moveTicket(ctx, "redeem_ticket", h, "", func(t gateway.Ticket, _ gateway.User) (gateway.Ticket, bool, error) {
		t, err := t.AfterRedeem(desktop, now)
		return t, err == nil, err
	})
}

// CancelTicket implements gateway.Tickets.
func (b Base) CancelTicket(ctx context.Context, h, desktop [32]byte, now time.Time) error {
	_, err := b.moveTicket(ctx, "cancel_ticket", h, "",
		func(t gateway.Ticket, _ gateway.User) (gateway.Ticket, bool, error) {
			return t.AfterCancel(desktop, now)
		})
	return err
}

// ticketRule returns the ticket afterwards and whether to write it. The user is the zero User when
// there is none.
type ticketRule func(gateway.Ticket, gateway.User) (next gateway.Ticket, write bool, err error)

// moveTicket applies a rule to a ticket and to the user that userID resolves to, and writes the
// result, unless the ticket has changed in between: then the rule decides again. A ticket changes
// three times at most, and with each join. Errors come with the ticket as the rule returned it.
func (b Base) moveTicket(ctx context.Context, op string, h [32]byte, userID string,
	rule ticketRule) (next gateway.Ticket, err error) {
	err = b.db.Do(ctx, op, func(c Conn) error {
		for {
			var was gateway.Ticket
			var user gateway.User
			next = gateway.Ticket{}
			// One statement reads both as of one moment, since a join changes both.
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
			n, err := c.Exec(b.updateTicket(next), ticketMoveArgs(was, next)...)
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

// updateTicket returns the statement that writes next when the ticket is still as it was. A user
// who scans must not be blocked at that moment, so the user's row is locked in the same statement.
func (b Base) updateTicket(next gateway.Ticket) string {
	update := `
		UPDATE tickets SET state = $3, approver_id = $2, approver_connector = $4, app_id = $5, open_id = $6, auth_time = $7,
			scanned_at = $8, expires_at = $9`
	if next.State == gateway.TicketScanned {
		update = `WITH approver AS (SELECT id FROM users WHERE ` + admitted + b.dialect.ForShare + `)` + update +
			` FROM approver`
	}
	return update + ` WHERE hash = $1 AND state = $10 AND approver_id = $11`
}

func ticketMoveArgs(was, next gateway.Ticket) []any {
	a := next.Approver
	return []any{next.Hash[:], a.UserID, string(next.State), a.Connector, a.AppID, a.OpenID, Micros(a.AuthTime),
		Micros(next.ScannedAt),
		Micros(next.ExpiresAt), string(was.State), was.Approver.UserID}
}

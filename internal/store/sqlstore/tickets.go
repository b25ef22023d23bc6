package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Tickets (sign-ins by QR code) except PutTicket and TicketStates. The
// statements of these two differ, so each store implements them. Do runs one operation of the
// store. Exec changes rows, Get reads one row, list reads all, and Tx runs a transaction. Micros
// and NullHash convert arguments; Time, Hash and jsonList convert results.

const ticketColumns = `hash, desktop, app, connector, browser, masked_ip, network, number, state,
	approver_id, approver_connector, app_id, open_id, auth_time, scanned_at, created_at, expires_at, data`

func ticketFields(t *gateway.Ticket) []any {
	a := &t.Approver
	return []any{Hash{&t.Hash}, Hash{&t.Desktop}, &t.App, &t.Connector, &t.Browser, &t.MaskedIP, &t.Network,
		&t.Number, &t.State, &a.UserID, &a.Connector, &a.AppID, &a.OpenID, Time{&a.AuthTime},
		Time{&t.ScannedAt}, Time{&t.CreatedAt}, Time{&t.ExpiresAt}, &t.Data}
}

// insertTicket stores a ticket, unless its network has reached the limit. countedTicket adds the
// condition that the total is not reached.
const (
	insertTicket = `
	INSERT INTO tickets (` + ticketColumns + `)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'open', '', '', '', '', 0, 0, $9, $10, $11
	WHERE (SELECT count(*) FROM (
		SELECT 1 FROM tickets WHERE network = $7 AND ` + replaceable + ` AND expires_at > $12
		LIMIT CAST($13 AS bigint)) t) < CAST($13 AS bigint)`
	countedTicket = `
	AND (SELECT count(*) FROM (
		SELECT 1 FROM tickets WHERE state IN ('open', 'opened', 'scanned', 'cancelled') AND expires_at > $12
		ORDER BY expires_at LIMIT CAST($14 AS bigint)) t) < CAST($14 AS bigint)`
)

// replaceable is the condition of the index tickets_by_network. It selects the tickets that may be
// deleted when a limit is reached, because no phone is answering them. Almost all of them live
// equally long, so their order by expires_at is the order of their creation.
const replaceable = `state IN ('open', 'opened', 'cancelled')`

// InsertTicket stores a ticket, unless a limit is reached. Counting up to a large total takes
// milliseconds, too long for each ticket of a flood. So the total is checked only for some tickets
// (gateway.TicketLimits.Counts).
func InsertTicket(q Querier, t gateway.Ticket, now time.Time, limits gateway.TicketLimits) (stored bool, err error) {
	query, args := insertTicket, []any{t.Hash[:], t.Desktop[:], t.App, t.Connector, t.Browser, t.MaskedIP, t.Network,
		t.Number, Micros(t.CreatedAt), Micros(t.ExpiresAt), t.Data, Micros(now), limits.PerNetwork}
	if limits.Counts(t) {
		query, args = query+countedTicket, append(args, limits.Total)
	}
	n, err := q.Exec(query, args...)
	return n == 1, err
}

// ReplaceTicket stores a ticket. When a limit is reached, it first deletes older tickets as
// gateway.TicketLimits describes. The caller ensures that no other transaction stores tickets at
// the same time. Each DELETE repeats the condition of its subquery, because a phone may scan a
// ticket after the subquery has selected it.
func (b Base) ReplaceTicket(q Querier, t gateway.Ticket, now time.Time, limits gateway.TicketLimits) error {
	// SQLite requires a LIMIT before OFFSET, so the statement has a LIMIT that is never reached.
	ofNetwork := `DELETE FROM tickets WHERE ` + replaceable + ` AND ` + b.dialect.InQuery("hash", `
		SELECT hash FROM tickets WHERE network = $1 AND `+replaceable+` AND expires_at > $2
		ORDER BY expires_at DESC LIMIT 1000000 OFFSET $3`)
	// place numbers the tickets of each network, from 1 for the newest. So the greatest places
	// belong to the oldest tickets of the networks with the most tickets.
	ofAll := `DELETE FROM tickets WHERE ` + replaceable + ` AND ` + b.dialect.InQuery("hash", `
		SELECT hash FROM (
			SELECT hash, expires_at, row_number() OVER (PARTITION BY network ORDER BY expires_at DESC) AS place
			FROM tickets WHERE `+replaceable+` AND expires_at > $1) t
		ORDER BY place DESC, expires_at LIMIT $2`)
	for _, deleteSome := range []func() (int, error){
		func() (int, error) { return 0, nil }, // perhaps other tickets have expired or were answered meanwhile
		func() (int, error) { return q.Exec(ofNetwork, t.Network, Micros(now), limits.KeepOfNetwork()) },
		func() (int, error) { return q.Exec(ofAll, Micros(now), limits.Excess()) },
	} {
		if _, err := deleteSome(); err != nil {
			return err
		}
		if stored, err := InsertTicket(q, t, now, limits); stored || err != nil {
			return b.conflict(err)
		}
	}
	return gateway.ErrFull
}

// PrepareTicket returns t as PutTicket stores it, or an error when t or the limits are invalid.
func PrepareTicket(t gateway.Ticket, limits gateway.TicketLimits) (gateway.Ticket, error) {
	if err := errors.Join(t.Check(), limits.Check()); err != nil {
		return gateway.Ticket{}, err
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

// OpenTicket implements gateway.Tickets.
func (b Base) OpenTicket(ctx context.Context, h [32]byte, now time.Time) error {
	_, err := b.changeTicket(ctx, "open_ticket", h, "",
		func(t gateway.Ticket, _ gateway.User) (gateway.Ticket, bool, error) { return t.AfterOpen(now) })
	return err
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

// ApprovedTickets implements gateway.Tickets.
func (b Base) ApprovedTickets(ctx context.Context, userID string, now time.Time) (all []gateway.Ticket, err error) {
	const query = `
		SELECT ` + ticketColumns + ` FROM tickets
		WHERE approver_id = (SELECT id FROM users WHERE ` + userResolved + `) AND approver_id <> ''
			AND state = 'approved' AND expires_at > $2
		ORDER BY created_at, hash`
	err = b.db.Do(ctx, "approved_tickets", func(c Conn) error {
		all, err = list(c, query, []any{userID, Micros(now)}, ticketFields)
		return err
	})
	return all, err
}

// RedeemTicket implements gateway.Tickets. It locks the row of the user first, and changes the row
// of the ticket afterwards. Transactions that block or join users use the same order, so that no
// deadlock occurs.
func (b Base) RedeemTicket(ctx context.Context, r gateway.Redemption) (next gateway.Ticket, err error) {
	err = b.db.Do(ctx, "redeem_ticket", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			var was gateway.Ticket
			next = gateway.Ticket{}
			if err := q.Get(`SELECT `+ticketColumns+` FROM tickets WHERE hash = $1`, []any{r.Hash[:]},
				ticketFields(&was)...); err != nil {
				return err
			}
			var err error
			if next, err = was.AfterRedeem(r.Desktop, r.Now); err != nil {
				return err
			}
			userID, err := b.lockAdmittedUser(q, next.Approver.UserID)
			if err != nil {
				return err
			}
			n, err := q.Exec(b.updateTicket(next), updateTicketArgs(was, next)...)
			if err == nil && (n == 0 || userID != next.Approver.UserID) {
				err = ErrRepeat // the ticket was changed, or its approver joined, since it was read
			}
			if err != nil {
				return err
			}
			if err := b.putSession(q, r.Session, userID, r.Now); err != nil {
				return err
			}
			event := r.Event
			event.UserID = userID
			return appendEvents(q, []gateway.Event{event})
		})
	})
	if err != nil && !errors.Is(err, gateway.ErrConflict) && !errors.Is(err, gateway.ErrReplay) {
		return gateway.Ticket{}, err
	}
	return next, err
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

// changeTicket applies a rule to a ticket and to the user that userID resolves to ("" = no user),
// and writes the result. When another caller has changed the ticket after it was read, changeTicket
// starts again. A ticket changes only a few times, so this ends. With gateway.ErrConflict and
// gateway.ErrReplay, changeTicket returns the ticket as well.
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
// read. If next is scanned, the statement also locks the row of the approver (the user of the
// phone), so that this user is not blocked at the same time. userAdmitted requires that $2 is the
// id of this user.
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

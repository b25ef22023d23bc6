package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// This file contains the methods of gateway.Store whose statements differ between SQLite and
// PostgreSQL. Package sqlstore has all others.

// dialect contains the syntax of PostgreSQL for the statements of package sqlstore. Two fields
// prevent slow plans for a page of events, because PostgreSQL's planner misjudges how many events
// match:
//
//   - IDRange: two comparisons of rows (column, id) replace the condition column = $1. Only the
//     index on column and id serves these comparisons. With column = $1, the planner may choose to
//     read the table backwards by its primary key, until enough events are found. If no event has
//     the value, such a plan reads the whole table.
//   - LimitFirst: a search chooses one of its filters. A subquery with a LIMIT reads the newest
//     events of the chosen filter, and the other filters are applied to these events. If too few of
//     the events remain for a page, the page is shorter, and the next search continues
//     (gateway.EventPage.Cut). Without the subquery, the planner reads and sorts all events of the
//     chosen filter.
var dialect = sqlstore.Dialect{
	ForUpdate:  "FOR UPDATE OF users",
	ForShare:   "FOR SHARE OF users",
	LockRow:    "FOR UPDATE",
	SkipLocked: "FOR UPDATE SKIP LOCKED",
	Nickname:   `lower(nickname) COLLATE "C"`,
	In:         func(column, placeholder string) string { return column + ` = ANY (` + placeholder + `)` },
	InQuery:    func(column, query string) string { return column + ` = ANY (ARRAY(` + query + `))` },
	IDRange: func(column, value, from, before string) (condition, order string) {
		return fmt.Sprintf(`(%[1]s, id) >= (%[2]s, %[3]s) AND (%[1]s, id) < (%[2]s, %[4]s)`, column, value, from, before),
			column + ` DESC, id DESC`
	},
	LimitFirst: true,
	List:       func(l []string) any { return l },
	Numbers:    func(l []int64) any { return l },
	InHashes:   func(column, placeholder string) string { return column + ` = ANY (` + placeholder + `)` },
	Hashes: func(hashes [][32]byte) any {
		l := make([][]byte, len(hashes))
		for i := range hashes {
			l[i] = hashes[i][:]
		}
		return l
	},
	Duplicate:   duplicate,
	LockSignIns: lockSignIns,
	LockAdmins: func(q sqlstore.Querier) error {
		_, err := q.Exec(`SELECT n FROM admin_lock FOR UPDATE`)
		return err
	},
}

// lockSignIns makes transactions that record sign-ins with the same openid or unionid wait for each
// other. A first sign-in has no row in table users that could be locked. So table sign_in_locks has
// a row for each number from 0 to 1023. The transaction hashes its openids and unionids to numbers,
// and locks the rows of these numbers in ascending order.
func lockSignIns(q sqlstore.Querier, signIns []gateway.SignIn) error {
	var numbers []int32
	addNumber := func(parts ...string) {
		h := fnv.New32a()
		for _, p := range parts {
			h.Write([]byte(p))
			h.Write([]byte{0})
		}
		numbers = append(numbers, int32(h.Sum32()%1024))
	}
	for _, s := range signIns {
		addNumber("openid", s.AppID, s.OpenID)
		if s.SharedAppIDs() != nil { // nil = the sign-in must not join users by unionid
			addNumber("unionid", s.UnionID)
		}
	}
	_, err := q.Exec(`SELECT n FROM sign_in_locks WHERE n = ANY ($1) ORDER BY n FOR UPDATE`, numbers)
	return err
}

// Ping returns nil when the store can read and write. It writes a row with its present value,
// because reading alone would succeed on a standby and on a full disk. Ping chooses a row that is not
// locked, so that it never waits for another transaction.
func (s *Store) Ping(ctx context.Context) error {
	return s.db.Do(ctx, "ping", func(c sqlstore.Conn) error {
		_, err := c.Exec(`
			UPDATE sign_in_locks SET n = n
			WHERE n = (SELECT n FROM sign_in_locks LIMIT 1 FOR UPDATE SKIP LOCKED)`)
		return err
	})
}

// TouchSession implements gateway.Sessions. It changes nothing in a session that was written less
// than a minute ago ($2).
func (s *Store) TouchSession(ctx context.Context, h [32]byte, now, expires time.Time) error {
	return s.db.Do(ctx, "touch_session", func(c sqlstore.Conn) error {
		_, err := c.Exec(`
			UPDATE sessions SET seen_at = $3, expires_at = greatest(expires_at, $4)
			WHERE hash = $1 AND seen_at <= $2 AND expires_at > $3`,
			h[:], sqlstore.Micros(now.Add(-time.Minute)), sqlstore.Micros(now), sqlstore.Micros(expires))
		return err
	})
}

// redeemCode redeems a code and stores its access token. If several processes run this statement for
// one code at once, only one of the statements changes the row of the grant. The others wait for it,
// find that code_redeemed_at is set, and change nothing.
const redeemCode = `
	WITH g AS (
		UPDATE grants SET code_redeemed_at = $2, expires_at = $3, refresh_hash = $4, counter = $5::integer,
			rotated_at = CASE $5::integer WHEN 0 THEN 0 ELSE $2 END
		WHERE code_hash = $1 AND code_redeemed_at = 0 AND revoked_at = 0 AND code_expires_at > $2 AND expires_at > $2
			AND ` + sqlstore.SessionLives + `
		RETURNING *
	), issued AS (
		INSERT INTO tokens (hash, grant_id, created_at, expires_at) SELECT $6, id, $7, $8 FROM g
	)
	SELECT ` + sqlstore.GrantColumns + ` FROM g`

// Redeem implements gateway.Grants.
func (s *Store) Redeem(ctx context.Context, h [32]byte, now time.Time, issue gateway.TokenIssue) (g gateway.Grant,
	err error) {
	counter := 0 // number of the refresh token; 0 = none
	if issue.Refresh != ([32]byte{}) {
		counter = 1
	}
	err = s.db.Do(ctx, "redeem", func(c sqlstore.Conn) error {
		err := c.Get(redeemCode, []any{h[:], sqlstore.Micros(now), sqlstore.Micros(issue.GrantExpiry()),
			sqlstore.NullHash(issue.Refresh), counter,
			issue.Access.Hash[:], sqlstore.Micros(issue.Access.CreatedAt), sqlstore.Micros(issue.Access.ExpiresAt)},
			sqlstore.GrantFields(&g)...)
		switch {
		case duplicate(err):
			return gateway.ErrConflict
		case err == nil:
			s.db.committed() // reports the commit to the tests that count commits
			return nil
		case !errors.Is(err, gateway.ErrNotFound):
			return err
		}
		return s.replay(c, &g, h, now, issue)
	})
	if err != nil && !errors.Is(err, gateway.ErrReplay) {
		return gateway.Grant{}, err
	}
	return g, err
}

// replay returns why a code could not be redeemed. When it was redeemed before, replay returns
// gateway.ErrReplay, and revokes its grant unless issue.ReplayTolerated is set.
func (s *Store) replay(c sqlstore.Conn, g *gateway.Grant, h [32]byte, now time.Time, issue gateway.TokenIssue) error {
	err := c.Get(`
		UPDATE grants g SET revoked_at = CASE WHEN revoked_at = 0 AND NOT $3 THEN $2 ELSE revoked_at END
		WHERE code_hash = $1 AND code_redeemed_at <> 0 RETURNING `+sqlstore.GrantColumns,
		[]any{h[:], sqlstore.Micros(now), issue.ReplayTolerated}, sqlstore.GrantFields(g)...)
	if err == nil {
		s.db.committed()
		return gateway.ErrReplay
	}
	if errors.Is(err, gateway.ErrNotFound) {
		var id string
		if err = c.Get(`SELECT id FROM grants WHERE code_hash = $1`, []any{h[:]}, &id); err == nil {
			err = gateway.ErrExpired
		}
	}
	return err
}

// PutTicket counts the tickets without a lock while at least ticketMargin more tickets are allowed.
// ticketMargin must exceed the number of tickets that all replicas store at the same time.
const ticketMargin = 256

// PutTicket implements gateway.Tickets (a ticket is one sign-in by QR code). Concurrent statements
// do not see each other's new tickets when they count. While the number of tickets is below
// limits.Total by more than ticketMargin, this is harmless, so one statement without a lock counts
// and stores. Closer to the limit, a transaction locks a row first, so that transactions count and
// store one after another. limits.PerNetwork needs no margin: concurrent calls may exceed it (see
// gateway.Tickets).
func (s *Store) PutTicket(ctx context.Context, t gateway.Ticket, now time.Time, limits gateway.TicketLimits) error {
	t, err := sqlstore.PrepareTicket(t, limits)
	if err != nil {
		return err
	}
	return s.db.Do(ctx, "put_ticket", func(c sqlstore.Conn) error {
		if limits.Total > ticketMargin {
			reduced := limits
			reduced.Total -= ticketMargin
			stored, err := sqlstore.InsertTicket(c, t, now, reduced)
			switch {
			case duplicate(err):
				return gateway.ErrConflict
			case err != nil || stored:
				return err
			}
		}
		return c.Tx(func(q sqlstore.Querier) error {
			if _, err := q.Exec(`SELECT n FROM ticket_lock FOR UPDATE`); err != nil {
				return err
			}
			// If a limit is reached, ReplaceTicket deletes older tickets before it stores t.
			return s.ReplaceTicket(q, t, now, limits)
		})
	})
}

// TicketStates implements gateway.Tickets.
func (s *Store) TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState,
	error) {
	states := make(map[[32]byte]gateway.TicketState, len(hashes))
	if len(hashes) == 0 {
		return states, nil
	}
	const query = `SELECT hash, state FROM tickets WHERE hash = ANY ($1) AND expires_at > $2`
	err := s.db.Do(ctx, "ticket_states", func(c sqlstore.Conn) error {
		return c.Each(query, []any{dialect.Hashes(hashes), sqlstore.Micros(now)}, func(scan func(...any) error) error {
			var h [32]byte
			var state gateway.TicketState
			err := scan(sqlstore.Hash{To: &h}, &state)
			states[h] = state
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}

// ChatSignInStates implements gateway.ChatSignIns.
func (s *Store) ChatSignInStates(ctx context.Context, keys [][32]byte, now time.Time) (map[[32]byte]gateway.ChatState,
	error) {
	if len(keys) == 0 {
		return map[[32]byte]gateway.ChatState{}, nil
	}
	const query = `SELECT key, state FROM chat_sign_ins WHERE key = ANY ($1) AND expires_at > $2`
	return s.ReadChatStates(ctx, query, dialect.Hashes(keys), now)
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// dialect is what the shared statements need on SQLite. No clause locks rows, since one transaction
// writes at a time.
var dialect = sqlstore.Dialect{
	Position: "instr",
	In: func(column, placeholder string) string {
		return column + ` IN (SELECT value FROM json_each(` + placeholder + `))`
	},
	InQuery:   func(column, query string) string { return column + ` IN (` + query + `)` },
	List:      func(l []string) any { return sqlstore.JSON(l) },
	Duplicate: duplicate,
}

// Ping returns nil when the store can read and write. It commits an unchanged row, which takes the
// write lock.
func (s *Store) Ping(ctx context.Context) error {
	return s.db.Do(ctx, "ping", func(c sqlstore.Conn) error {
		_, err := c.Exec(`UPDATE migrations SET version = version WHERE version = 1`)
		return err
	})
}

// Settings of the writer's connection while it imports: most pages that a batch changes stay in
// memory until they are written once, and many commits share the copying of the log into the file.
const importSettings = `PRAGMA cache_size = -131072; PRAGMA wal_autocheckpoint = 50000`

// ImportUsers implements gateway.Users.
func (s *Store) ImportUsers(ctx context.Context, people []gateway.ImportedUser) (gateway.ImportResult, error) {
	err := s.db.writer.outside(ctx, func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, importSettings)
		return err
	})
	if err != nil {
		return gateway.ImportResult{}, failed("import_users", err)
	}
	return s.Base.ImportUsers(ctx, people)
}

// TouchSession implements gateway.Sessions. It reads first, because a statement that changes
// nothing would wait for the writer.
func (s *Store) TouchSession(ctx context.Context, h [32]byte, now, expires time.Time) error {
	const due = ` WHERE hash = $1 AND seen_at <= $2 AND expires_at > $3`
	args := []any{h[:], sqlstore.Micros(now.Add(-time.Minute)), sqlstore.Micros(now)}
	return s.db.Do(ctx, "touch_session", func(c sqlstore.Conn) error {
		var found bool
		err := c.Get(`SELECT true FROM sessions`+due, args, &found)
		if errors.Is(err, gateway.ErrNotFound) {
			return nil
		}
		if err == nil {
			_, err = c.Exec(`UPDATE sessions SET seen_at = $3, expires_at = max(expires_at, $4)`+due,
				append(args, sqlstore.Micros(expires))...)
		}
		return err
	})
}

// Redeem implements gateway.Grants.
func (s *Store) Redeem(ctx context.Context, h [32]byte, now time.Time, issue gateway.TokenIssue) (g gateway.Grant,
	err error) {
	err = s.db.Do(ctx, "redeem", func(c sqlstore.Conn) error {
		replayed := false
		err := c.Tx(func(q sqlstore.Querier) error {
			code, err := sqlstore.ReadCode(q, h)
			if err != nil {
				return err
			}
			g = code.Grant
			err = code.Redeemable(now)
			if replayed = errors.Is(err, gateway.ErrReplay); replayed {
				return s.replay(q, &g, now, issue)
			}
			if err != nil {
				return err
			}
			return s.redeem(q, &g, now, issue)
		})
		if err == nil && replayed {
			err = gateway.ErrReplay
		}
		return err
	})
	if err != nil && !errors.Is(err, gateway.ErrReplay) {
		return gateway.Grant{}, err
	}
	return g, err
}

// replay revokes the grant of a code that was redeemed before. It is not an error of the
// transaction, since the revocation is kept.
func (s *Store) replay(q sqlstore.Querier, g *gateway.Grant, now time.Time, issue gateway.TokenIssue) error {
	if issue.ReplayTolerated || !g.RevokedAt.IsZero() {
		return nil
	}
	g.RevokedAt = gateway.Micro(now)
	_, err := q.Exec(`UPDATE grants SET revoked_at = $2 WHERE id = $1`, g.ID, sqlstore.Micros(now))
	return err
}

func (s *Store) redeem(q sqlstore.Querier, g *gateway.Grant, now time.Time, issue gateway.TokenIssue) error {
	g.ExpiresAt = gateway.Micro(issue.End())
	if issue.Refresh != ([32]byte{}) {
		g.Counter, g.RotatedAt = 1, gateway.Micro(now)
	}
	_, err := q.Exec(`
		UPDATE grants SET code_redeemed_at = $2, expires_at = $3, refresh_hash = $4, counter = $5, rotated_at = $6
		WHERE id = $1`,
		g.ID, sqlstore.Micros(now), sqlstore.Micros(g.ExpiresAt), sqlstore.NullHash(issue.Refresh), g.Counter,
		sqlstore.Micros(g.RotatedAt))
	if err != nil {
		return err
	}
	return s.PutToken(q, g.ID, issue.Access)
}

// PutTicket implements gateway.Tickets. No lock is needed to count the tickets, because SQLite runs
// one writing transaction at a time.
func (s *Store) PutTicket(ctx context.Context, t gateway.Ticket, now time.Time, limit int) error {
	t, err := sqlstore.NewTicket(t, limit)
	if err != nil {
		return err
	}
	return s.db.Do(ctx, "put_ticket", func(c sqlstore.Conn) error {
		n, err := c.Exec(sqlstore.InsertTicket, sqlstore.TicketArgs(t, now, limit)...)
		switch {
		case duplicate(err):
			return gateway.ErrConflict
		case err == nil && n == 0:
			return gateway.ErrFull
		}
		return err
	})
}

// TicketStates implements gateway.Tickets.
func (s *Store) TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState,
	error) {
	states := make(map[[32]byte]gateway.TicketState, len(hashes))
	if len(hashes) == 0 {
		return states, nil
	}
	wanted := make([]string, len(hashes))
	for i, h := range hashes {
		wanted[i] = hex.EncodeToString(h[:])
	}
	const query = `
		SELECT hash, state FROM tickets
		WHERE hash IN (SELECT unhex(value) FROM json_each($1)) AND expires_at > $2`
	err := s.db.Do(ctx, "ticket_states", func(c sqlstore.Conn) error {
		return c.Each(query, []any{sqlstore.JSON(wanted), sqlstore.Micros(now)}, func(scan func(...any) error) error {
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

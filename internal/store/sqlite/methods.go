package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// This file contains the methods of gateway.Store whose statements differ between SQLite and
// PostgreSQL. Package sqlstore has all others.

// dialect contains the syntax of SQLite for the statements of package sqlstore. The clauses that
// lock rows are empty, because one transaction writes at a time.
var dialect = sqlstore.Dialect{
	Nickname: "lower(nickname)",
	In: func(column, placeholder string) string {
		return column + ` IN (SELECT value FROM json_each(` + placeholder + `))`
	},
	InQuery: func(column, query string) string { return column + ` IN (` + query + `)` },
	IDRange: func(column, value, from, before string) (condition, order string) {
		return fmt.Sprintf(`%s = %s AND id >= %s AND id < %s`, column, value, from, before), `id DESC`
	},
	List:    func(l []string) any { return sqlstore.JSON(l) },
	Numbers: func(l []int64) any { return strings.ReplaceAll(fmt.Sprint(l), " ", ",") }, // a JSON array
	InHashes: func(column, placeholder string) string {
		return column + ` IN (SELECT unhex(value) FROM json_each(` + placeholder + `))`
	},
	Hashes: func(hashes [][32]byte) any {
		l := make([]string, len(hashes))
		for i, h := range hashes {
			l[i] = hex.EncodeToString(h[:])
		}
		return sqlstore.JSON(l)
	},
	Duplicate: duplicate,
}

// Ping returns nil when the store can read and write. It writes a row with its present values,
// because reading alone would succeed on a full disk.
func (s *Store) Ping(ctx context.Context) error {
	return s.db.Do(ctx, "ping", func(c sqlstore.Conn) error {
		_, err := c.Exec(`UPDATE migrations SET version = version WHERE version = 1`)
		return err
	})
}

// importSettings make imports fast. Up to 128 MB of pages stay in memory until all changes of a
// batch are made. The write-ahead log is copied into the database file after 50,000 pages instead
// of 1,000. The settings stay until the store is closed.
const importSettings = `PRAGMA cache_size = -131072; PRAGMA wal_autocheckpoint = 50000`

// ImportUsers implements gateway.Users.
func (s *Store) ImportUsers(ctx context.Context, lines []gateway.ImportedUser) (gateway.ImportResult, error) {
	err := s.db.writer.outside(ctx, // outside a transaction, as SQLite requires for these settings
		func(c *sql.Conn) error {
			_, err := c.ExecContext(ctx, importSettings)
			return err
		})
	if err != nil {
		return gateway.ImportResult{}, failed("import_users", err)
	}
	return s.Base.ImportUsers(ctx, lines)
}

// TouchSession implements gateway.Sessions. It first reads whether the session was last written at
// least a minute ago. Usually the last write is more recent, and TouchSession changes nothing. So
// most requests do not wait for the writer, the goroutine that makes all changes.
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
		replayed := false // not an error: with an error, Tx would roll back the revocation
		err := c.Tx(func(q sqlstore.Querier) error {
			code, err := sqlstore.ReadCode(q, h)
			if err != nil {
				return err
			}
			g = code.Grant
			err = code.CheckRedeemable(now)
			replayed = errors.Is(err, gateway.ErrReplay)
			switch {
			case replayed:
				return s.replay(q, &g, now, issue)
			case err != nil:
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

// replay revokes the grant of a code that was redeemed before, unless issue.ReplayTolerated is set.
func (s *Store) replay(q sqlstore.Querier, g *gateway.Grant, now time.Time, issue gateway.TokenIssue) error {
	if issue.ReplayTolerated || !g.RevokedAt.IsZero() {
		return nil
	}
	g.RevokedAt = gateway.StoredTime(now)
	_, err := q.Exec(`UPDATE grants SET revoked_at = $2 WHERE id = $1`, g.ID, sqlstore.Micros(now))
	return err
}

// redeem marks the code as redeemed, and stores the access token and, if there is one, the first
// refresh token. It returns gateway.ErrExpired when the session has ended.
func (s *Store) redeem(q sqlstore.Querier, g *gateway.Grant, now time.Time, issue gateway.TokenIssue) error {
	g.ExpiresAt = gateway.StoredTime(issue.GrantExpiry())
	if issue.Refresh != ([32]byte{}) {
		g.Counter, g.RotatedAt = 1, gateway.StoredTime(now)
	}
	n, err := q.Exec(`
		UPDATE grants SET code_redeemed_at = $2, expires_at = $3, refresh_hash = $4, counter = $5, rotated_at = $6
		WHERE id = $1 AND `+sqlstore.SessionLives,
		g.ID, sqlstore.Micros(now), sqlstore.Micros(g.ExpiresAt), sqlstore.NullHash(issue.Refresh), g.Counter,
		sqlstore.Micros(g.RotatedAt))
	if err == nil && n == 0 {
		err = gateway.ErrExpired
	}
	if err != nil {
		return err
	}
	return s.PutToken(q, g.ID, issue.Access)
}

// PutTicket implements gateway.Tickets (a ticket is one sign-in by QR code). No lock is needed to
// count the tickets, because SQLite runs one writing transaction at a time. Usually one statement
// is enough. When it stores nothing, a limit is reached, and ReplaceTicket deletes older tickets
// first.
func (s *Store) PutTicket(ctx context.Context, t gateway.Ticket, now time.Time, limits gateway.TicketLimits) error {
	t, err := sqlstore.PrepareTicket(t, limits)
	if err != nil {
		return err
	}
	return s.db.Do(ctx, "put_ticket", func(c sqlstore.Conn) error {
		stored, err := sqlstore.InsertTicket(c, t, now, limits)
		switch {
		case duplicate(err):
			return gateway.ErrConflict
		case err != nil || stored:
			return err
		}
		return c.Tx(func(q sqlstore.Querier) error { return s.ReplaceTicket(q, t, now, limits) })
	})
}

// TicketStates implements gateway.Tickets.
func (s *Store) TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState,
	error) {
	states := make(map[[32]byte]gateway.TicketState, len(hashes))
	if len(hashes) == 0 {
		return states, nil
	}
	query := `SELECT hash, state FROM tickets WHERE ` + dialect.InHashes("hash", "$1") + ` AND expires_at > $2`
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
	query := `SELECT key, state FROM chat_sign_ins WHERE ` + dialect.InHashes("key", "$1") + ` AND expires_at > $2`
	return s.ReadChatStates(ctx, query, dialect.Hashes(keys), now)
}

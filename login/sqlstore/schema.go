package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weigate/weigate/login"
)

// schemas has the statements that create the tables and indexes, for each dialect. A row of
// login_attempts is one redemption of a code ([login.Attempt]).
//
// An id is a hash of at most maxID bytes. subject_hash is the SHA-256 sum of the subject. So
// subjects of any length are compared byte by byte, whatever the collation of the database is. For
// the same reason, columns of MySQL are binary. sweep_at is the time from which the row may be
// deleted. Until second_code_until, another code may replace a code that WeChat refused.
var schemas = map[Dialect][]string{
	SQLite: {`
CREATE TABLE IF NOT EXISTS login_sessions (
	id TEXT NOT NULL PRIMARY KEY,
	subject_hash TEXT NOT NULL,
	signed_in_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	profile_declined INTEGER NOT NULL,
	data TEXT NOT NULL
)`, `
CREATE INDEX IF NOT EXISTS login_sessions_by_subject ON login_sessions (subject_hash, signed_in_at)`, `
CREATE INDEX IF NOT EXISTS login_sessions_by_expiry ON login_sessions (expires_at)`, `
CREATE TABLE IF NOT EXISTS login_attempts (
	id TEXT NOT NULL PRIMARY KEY,
	code TEXT NOT NULL,
	owner TEXT NOT NULL,
	lease INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	second_code_until INTEGER NOT NULL,
	outcome TEXT NOT NULL,
	outcome_at INTEGER NOT NULL,
	outcome_text TEXT NOT NULL,
	sweep_at INTEGER NOT NULL
) WITHOUT ROWID`, `
CREATE INDEX IF NOT EXISTS login_attempts_by_sweep ON login_attempts (sweep_at)`},

	PostgreSQL: {`
CREATE TABLE IF NOT EXISTS login_sessions (
	id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	subject_hash TEXT COLLATE "C" NOT NULL,
	signed_in_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	profile_declined SMALLINT NOT NULL,
	data TEXT NOT NULL
)`, `
CREATE INDEX IF NOT EXISTS login_sessions_by_subject ON login_sessions (subject_hash, signed_in_at)`, `
CREATE INDEX IF NOT EXISTS login_sessions_by_expiry ON login_sessions (expires_at)`, `
CREATE TABLE IF NOT EXISTS login_attempts (
	id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	code TEXT COLLATE "C" NOT NULL,
	owner TEXT COLLATE "C" NOT NULL,
	lease BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	second_code_until BIGINT NOT NULL,
	outcome TEXT COLLATE "C" NOT NULL,
	outcome_at BIGINT NOT NULL,
	outcome_text TEXT NOT NULL,
	sweep_at BIGINT NOT NULL
)`, `
CREATE INDEX IF NOT EXISTS login_attempts_by_sweep ON login_attempts (sweep_at)`},

	MySQL: {`
CREATE TABLE IF NOT EXISTS login_sessions (
	id VARBINARY(64) NOT NULL PRIMARY KEY,
	subject_hash VARBINARY(64) NOT NULL,
	signed_in_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	profile_declined SMALLINT NOT NULL,
	data MEDIUMBLOB NOT NULL,
	INDEX login_sessions_by_subject (subject_hash, signed_in_at),
	INDEX login_sessions_by_expiry (expires_at)
) ENGINE = InnoDB`, `
CREATE TABLE IF NOT EXISTS login_attempts (
	id VARBINARY(64) NOT NULL PRIMARY KEY,
	code VARBINARY(64) NOT NULL,
	owner VARBINARY(64) NOT NULL,
	lease BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	second_code_until BIGINT NOT NULL,
	outcome VARBINARY(64) NOT NULL,
	outcome_at BIGINT NOT NULL,
	outcome_text BLOB NOT NULL,
	sweep_at BIGINT NOT NULL,
	INDEX login_attempts_by_sweep (sweep_at)
) ENGINE = InnoDB`},
}

// Schema returns the statements that create the tables and indexes, separated by ";" and a line
// break. It returns "" for an unknown dialect. Open executes them if a table does not exist.
func Schema(d Dialect) string {
	var text string
	for _, statement := range schemas[d] {
		text += strings.TrimSpace(statement) + ";\n"
	}
	return text
}

// createTables creates the tables, unless they exist. It checks first whether they exist. The
// reason is PostgreSQL: a user who may not create tables may not execute CREATE TABLE IF NOT EXISTS
// either.
//
// Several processes can create the tables at once. SQLite then fails because of a lock, and
// PostgreSQL with "duplicate key value violates unique constraint pg_type_typname_nsp_index".
// createTables therefore checks again after a failure.
func (s *Store) createTables(ctx context.Context) error {
	return repeat(ctx, func() error {
		missing := s.probe(ctx)
		if missing == nil {
			return nil
		}
		failed := s.runSchema(ctx)
		if failed == nil || s.probe(ctx) == nil {
			return nil
		}
		return errors.Join(missing, failed)
	})
}

// probe returns an error unless both tables exist and have the columns that are needed. It reads
// rows with the id "", which no row has.
func (s *Store) probe(ctx context.Context) error {
	if _, err := s.Session(ctx, "", time.Time{}); !errors.Is(err, login.ErrNoSession) {
		return err
	}
	_, _, err := s.attempt(ctx, "")
	return err
}

// runSchema creates the tables and indexes. It creates all of them or none, if the database can
// create tables in a transaction.
func (s *Store) runSchema(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("create the tables: %w", err)
	}
	for _, statement := range schemas[s.dialect] {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return errors.Join(fmt.Errorf("create the tables: %w", err), tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("create the tables: %w", err)
	}
	return nil
}

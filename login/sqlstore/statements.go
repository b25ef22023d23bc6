package sqlstore

import (
	"strconv"
	"strings"
)

// statements are the SQL statements of a Store. Each is atomic, and uses an index.
type statements struct {
	insertSession, replaceExpiredSession, selectSession, sessionExists, updateSession, deleteSession string
	selectSessionsOf, deleteSessionsOf                                                               string
	insertAttempt, replaceAttempt, selectAttempt, finishAttempt                                      string
	sweepSessions, sweepAttempts                                                                     string
}

// newStatements returns the statements for a dialect.
func newStatements(d Dialect) statements {
	insert, unlessExists := "INSERT INTO", " ON CONFLICT (id) DO NOTHING"
	if d == MySQL {
		// With ON DUPLICATE KEY UPDATE, the number of rows would depend on the driver's clientFoundRows.
		insert, unlessExists = "INSERT IGNORE INTO", ""
	}
	s := statements{
		insertSession: insert + ` login_sessions (id, subject_hash, signed_in_at, expires_at, profile_declined, data)
			VALUES (?, ?, ?, ?, ?, ?)` + unlessExists,
		replaceExpiredSession: `UPDATE login_sessions SET subject_hash = ?, signed_in_at = ?, expires_at = ?,
			profile_declined = ?, data = ? WHERE id = ? AND expires_at <= ?`,
		selectSession: `SELECT id, expires_at, profile_declined, data FROM login_sessions
			WHERE id = ? AND expires_at > ?`,
		sessionExists: `SELECT id FROM login_sessions WHERE id = ? AND expires_at > ?`,
		updateSession: `UPDATE login_sessions SET expires_at = CASE WHEN expires_at < ? THEN ? ELSE expires_at END,
			profile_declined = CASE WHEN profile_declined < ? THEN ? ELSE profile_declined END
			WHERE id = ? AND expires_at > ?`,
		deleteSession: `DELETE FROM login_sessions WHERE id = ?`,
		selectSessionsOf: `SELECT id, expires_at, profile_declined, data FROM login_sessions
			WHERE subject_hash = ? AND expires_at > ? ORDER BY signed_in_at DESC LIMIT ?`,
		deleteSessionsOf: `DELETE FROM login_sessions WHERE subject_hash = ? AND id <> ?`,

		insertAttempt: insert + ` login_attempts (id, code, owner, lease, expires_at, second_code_until,
			outcome, outcome_at, outcome_text, sweep_at) VALUES (?, ?, ?, ?, ?, ?, '', 0, '', ?)` + unlessExists,
		replaceAttempt: `UPDATE login_attempts SET code = ?, owner = ?, lease = ?, expires_at = ?, second_code_until = ?,
			outcome = '', outcome_at = 0, outcome_text = '', sweep_at = ?
			WHERE id = ? AND owner = ? AND outcome = ? AND expires_at = ?`,
		selectAttempt: `SELECT id, code, owner, lease, expires_at, second_code_until, outcome, outcome_at, outcome_text
			FROM login_attempts WHERE id = ?`,
		finishAttempt: `UPDATE login_attempts SET outcome = ?, outcome_at = ?, outcome_text = ?,
			sweep_at = CASE WHEN sweep_at > ? THEN ? ELSE sweep_at END
			WHERE id = ? AND owner = ? AND outcome = '' AND lease > ? AND expires_at > ?`,

		sweepSessions: sweep(d, "login_sessions", "expires_at"),
		sweepAttempts: sweep(d, "login_attempts", "sweep_at"),
	}
	if d == PostgreSQL {
		for _, statement := range s.all() {
			*statement = numbered(*statement)
		}
	}
	return s
}

// all returns all statements.
func (s *statements) all() []*string {
	return []*string{
		&s.insertSession, &s.replaceExpiredSession, &s.selectSession, &s.sessionExists, &s.updateSession,
		&s.deleteSession,
		&s.selectSessionsOf, &s.deleteSessionsOf,
		&s.insertAttempt, &s.replaceAttempt, &s.selectAttempt, &s.finishAttempt,
		&s.sweepSessions, &s.sweepAttempts,
	}
}

// sweep returns the statement that deletes a batch of rows whose time in column has passed. Several
// processes can sweep at once. In PostgreSQL, each process skips rows that another process is
// deleting.
func sweep(d Dialect, table, column string) string {
	condition := column + ` <= ? ORDER BY ` + column + ` LIMIT ` + strconv.Itoa(sweepRows)
	if d == MySQL {
		return `DELETE FROM ` + table + ` WHERE ` + condition
	}
	if d == PostgreSQL { // with an array, PostgreSQL always uses the index of id
		return `DELETE FROM ` + table + ` WHERE id = ANY (ARRAY(SELECT id FROM ` + table + ` WHERE ` + condition +
			` FOR UPDATE SKIP LOCKED))`
	}
	return `DELETE FROM ` + table + ` WHERE id IN (SELECT id FROM ` + table + ` WHERE ` + condition + `)`
}

// numbered replaces the parameters "?" of a statement by those of PostgreSQL: $1, $2.
func numbered(statement string) string {
	parts := strings.Split(statement, "?")
	for i := range parts[1:] {
		parts[i] += "$" + strconv.Itoa(i+1)
	}
	return strings.Join(parts, "")
}

package sqlstore

import "time"

// This file ends sessions and access. An app session records that a user signed in from a session
// to an app with back-channel logout. When the session ends, each of its app sessions becomes a
// delivery (a logout token to send) in the same transaction. Exec changes rows, and list reads all.

// renewed is the condition that an app session still has a session. When the user signs in again,
// the new session has the first_hash of the old one, and the app gets no logout token. s.first_hash
// <> s.hash repeats the condition of a partial index.
const renewed = `EXISTS (SELECT 1 FROM sessions s WHERE s.hash = app_sessions.session) OR
	EXISTS (SELECT 1 FROM sessions s WHERE s.first_hash = app_sessions.session AND s.first_hash <> s.hash)`

// endSessions deletes the sessions that condition selects, and returns their number.
func (b Base) endSessions(q Querier, now time.Time, condition string, args ...any) (int, error) {
	ended, err := list(q, `DELETE FROM sessions WHERE `+condition+` RETURNING first_hash`, args,
		func(h *[32]byte) []any { return []any{Hash{h}} })
	if err != nil || len(ended) == 0 {
		return 0, err
	}
	return len(ended), queueLogouts(q, now, func(c *conditions) {
		c.add(b.dialect.InHashes("session", "?")+` AND NOT (`+renewed+`)`, b.dialect.Hashes(ended))
	})
}

// queueLogouts turns app sessions into deliveries. filter adds the conditions that select the app
// sessions; it is called for each of the two statements.
func queueLogouts(q Querier, now time.Time, filter func(*conditions)) error {
	insert := conditions{args: []any{Micros(now)}}
	filter(&insert)
	n, err := q.Exec(`
		INSERT INTO deliveries (kind, target, user_id, session_id, subject, state, created_at, next_at, attempts, last_error)
		SELECT 'logout', app, user_id, session_id, subject, 'waiting', $1, $1, 0, '' FROM app_sessions
		WHERE `+insert.where(), insert.args...)
	if err != nil || n == 0 {
		return err
	}
	var remove conditions
	filter(&remove)
	_, err = q.Exec(`DELETE FROM app_sessions WHERE `+remove.where(), remove.args...)
	return err
}

// endAccess deletes the sessions of a user who is blocked, merged or deleted. It revokes the
// grants, and refuses the tickets (sign-ins by QR code) that the user's phone has scanned or
// approved.
func (b Base) endAccess(q Querier, userID string, now time.Time) error {
	if _, err := b.endSessions(q, now, `user_id = $1`, userID); err != nil {
		return err
	}
	// App sessions may be left of a session that had expired and whose row another session replaced.
	if err := queueLogouts(q, now, func(c *conditions) { c.add(`user_id = ?`, userID) }); err != nil {
		return err
	}
	if err := refuseTickets(q, userID); err != nil {
		return err
	}
	_, err := q.Exec(`UPDATE grants SET revoked_at = $2 WHERE user_id = $1 AND revoked_at = 0`, userID, Micros(now))
	return err
}

// refuseTickets refuses the tickets that the user's phone has scanned or approved, so that no
// desktop gets a session from them.
func refuseTickets(q Querier, userID string) error {
	_, err := q.Exec(`
		UPDATE tickets SET state = 'refused'
		WHERE approver_id = $1 AND approver_id <> '' AND state IN ('scanned', 'approved')`, userID)
	return err
}

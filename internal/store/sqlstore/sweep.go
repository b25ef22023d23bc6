package sqlstore

import (
	"context"
	"time"
)

// How long rows of administration are kept.
const (
	invitationLife = 90 * 24 * time.Hour  // after the invitation has expired
	apiKeyLife     = 90 * 24 * time.Hour  // after the key was revoked or has expired
	deliveryLife   = 30 * 24 * time.Hour  // after its creation
	problemLife    = 30 * 24 * time.Hour  // after its last occurrence
	statisticLife  = 400 * 24 * time.Hour // so that two summers can be compared
)

// Sweep implements gateway.Maintenance: it deletes expired rows. Each table has a transaction of
// its own, so that other writes run in between. Rows that another transaction has locked are left
// for the next sweep.
func (b Base) Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (total int, err error) {
	if batch <= 0 {
		batch = 500
	}
	err = b.db.Do(ctx, "sweep", func(c Conn) error {
		if err := b.postponeGrants(c, now, batch); err != nil {
			return err
		}
		n, err := b.sweepSessions(c, now, batch)
		total = n
		if err != nil {
			return err
		}
		for _, sweep := range []struct {
			query string
			until time.Time
		}{
			{b.deleteBatch("attempts", "key", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("tickets", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("chat_sign_ins", "key", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("saved_requests", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("tokens", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("grants", "id", `sweep_at <= $1 AND expires_at <= $1 ORDER BY sweep_at`), now},
			{b.deleteBatch("keys", "id", `expires_at <> 0 AND expires_at <= $1`), now},
			{b.deleteBatch("events", "id", `at < $1 ORDER BY at`), eventsBefore},
			{b.deleteBatch("invitations", "id", `expires_at <= $1 ORDER BY expires_at`), now.Add(-invitationLife)},
			{b.deleteBatch("api_keys", "id", `expires_at <> 0 AND expires_at <= $1 ORDER BY expires_at`), now.Add(-apiKeyLife)},
			{b.deleteBatch("api_keys", "id", `revoked_at <> 0 AND revoked_at <= $1 ORDER BY revoked_at`), now.Add(-apiKeyLife)},
			{b.deleteBatch("deliveries", "id", `created_at <= $1 ORDER BY created_at`), now.Add(-deliveryLife)},
		} {
			n, err = c.Exec(sweep.query, Micros(sweep.until), batch)
			total += n
			if err != nil {
				return err
			}
		}
		for _, sweep := range []struct {
			table, key, second, condition string
			until                         time.Time
		}{
			{"invitation_uses", "invitation_id", "user_id", `expires_at <= $1 ORDER BY expires_at`, now.Add(-invitationLife)},
			{"problems", "source", "code", `last_at <= $1 ORDER BY last_at`, now.Add(-problemLife)},
		} {
			n, err := b.sweepPairs(c, sweep.table, sweep.key, sweep.second, sweep.condition, sweep.until, batch)
			total += n
			if err != nil {
				return err
			}
		}
		n, err = b.sweepStatistics(c, now.Add(-statisticLife), batch)
		total += n
		return err
	})
	return total, err
}

// sweepSessions deletes sessions that have expired. The same transaction stores the logout tokens
// to send to their apps.
func (b Base) sweepSessions(c Conn, now time.Time, batch int) (n int, err error) {
	err = c.Tx(func(q Querier) error {
		n, err = b.endSessions(q, now, b.batchCondition("sessions", "hash", `expires_at <= $1 ORDER BY expires_at`),
			Micros(now), batch)
		return err
	})
	return n, err
}

// sweepPairs deletes rows of a table whose primary key has two columns, key and second. condition
// is as for deleteBatch.
func (b Base) sweepPairs(c Conn, table, key, second, condition string, until time.Time, batch int) (n int, err error) {
	err = c.Tx(func(q Querier) error {
		rows, err := list(q, `SELECT `+key+`, `+second+` FROM `+table+` WHERE `+condition+` LIMIT $2 `+b.dialect.SkipLocked,
			[]any{Micros(until), batch}, func(pair *[2]string) []any { return []any{&pair[0], &pair[1]} })
		if err != nil {
			return err
		}
		args := make([][]any, 0, len(rows))
		for _, pair := range rows {
			args = append(args, []any{pair[0], pair[1]})
		}
		n = len(rows)
		return q.Bulk(`DELETE FROM `+table+` WHERE `+key+` = $1 AND `+second+` = $2`, args)
	})
	return n, err
}

// sweepStatistics deletes the counts of at most batch old hours. An hour has few rows.
func (b Base) sweepStatistics(c Conn, until time.Time, batch int) (n int, err error) {
	return c.Exec(`DELETE FROM statistics WHERE `+
		b.dialect.InQuery("hour", `SELECT hour FROM statistics WHERE hour <= $1 ORDER BY hour LIMIT $2`), Micros(until),
		batch)
}

// deleteBatch returns a statement that deletes at most $2 rows of a table, and no row that another
// transaction has locked. key is the primary key. condition selects the rows. It has the parameter
// $1, a time, and can end with ORDER BY.
func (b Base) deleteBatch(table, key, condition string) string {
	return `DELETE FROM ` + table + ` WHERE ` + b.batchCondition(table, key, condition)
}

// batchCondition returns the condition that selects the rows of deleteBatch.
func (b Base) batchCondition(table, key, condition string) string {
	return b.dialect.InQuery(key, `SELECT `+key+` FROM `+table+` WHERE `+condition+` LIMIT $2 `+b.dialect.SkipLocked)
}

// postponeGrants sets sweep_at (when a sweep may delete the grant) to expires_at, for grants that
// were extended after their creation. Redeeming a code extends a grant, but sets expires_at only.
// sweep_at has an index, and changing the index in each sign-in would be slow.
func (b Base) postponeGrants(c Conn, now time.Time, batch int) error {
	query := `UPDATE grants SET sweep_at = expires_at WHERE ` +
		b.batchCondition("grants", "id", `sweep_at <= $1 AND expires_at > $1 ORDER BY sweep_at`)
	for {
		n, err := c.Exec(query, Micros(now), batch)
		if err != nil || n < batch {
			return err
		}
	}
}

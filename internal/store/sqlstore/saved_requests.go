package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.SavedRequests: requests whose addresses are too long for a cookie.
// Each statement is a transaction of its own. Rows beyond a limit are deleted after a row was
// stored. A DELETE skips rows that another transaction has locked, so that two DELETEs cannot
// deadlock.

const savedRequestColumns = `hash, browser, network, address, created_at, expires_at`

func savedRequestFields(r *gateway.SavedRequest) []any {
	return []any{Hash{&r.Hash}, Hash{&r.Browser}, &r.Network, &r.Address, Time{&r.CreatedAt}, Time{&r.ExpiresAt}}
}

// saveRequest stores a request, or extends the same request of the same browser.
const saveRequest = `
	INSERT INTO saved_requests (` + savedRequestColumns + `) VALUES ($1, $2, $3, $4, $5, $6)
	ON CONFLICT (hash) DO UPDATE SET expires_at =
		CASE WHEN excluded.expires_at > saved_requests.expires_at THEN excluded.expires_at
			ELSE saved_requests.expires_at END
	WHERE saved_requests.browser = excluded.browser`

// SaveRequest implements gateway.SavedRequests.
func (b Base) SaveRequest(ctx context.Context, r gateway.SavedRequest, now time.Time,
	limits gateway.SavedRequestLimits) error {
	if err := errors.Join(r.Check(), limits.Check()); err != nil {
		return err
	}
	network := gateway.CleanText(r.Network)
	return b.db.Do(ctx, "save_request", func(c Conn) error {
		n, err := c.Exec(saveRequest, r.Hash[:], r.Browser[:], network, r.Address, Micros(r.CreatedAt), Micros(r.ExpiresAt))
		if err == nil && n == 0 {
			err = gateway.ErrConflict
		}
		if err != nil {
			return err
		}
		for _, limit := range []struct {
			column string
			value  any
			most   int
		}{
			{"browser", r.Browser[:], limits.PerBrowser},
			{"network", network, limits.PerNetwork},
		} {
			if _, err := c.Exec(b.deleteOldRequests(limit.column), limit.value, limit.most); err != nil {
				return err
			}
		}
		if !limits.Counts(r) { // counting all rows takes long, so only some calls do it
			return nil
		}
		return b.deleteExcessRequests(c, now, limits)
	})
}

// deleteOldRequests returns the statement that deletes requests with the value $1 in a column,
// except the $2 newest ones. SQLite requires a LIMIT before OFFSET, so the statement has a LIMIT
// that is never reached.
func (b Base) deleteOldRequests(column string) string {
	return b.deleteRequests(`
		SELECT hash FROM saved_requests WHERE ` + column + ` = $1 ORDER BY expires_at DESC LIMIT 1000000 OFFSET $2`)
}

// deleteRequests returns the statement that deletes the requests whose hashes a query returns. It
// locks rows in a SELECT around the query, so that only the rows to delete are locked. A lock in
// the query itself would lock all rows that the query reads.
func (b Base) deleteRequests(query string) string {
	return `DELETE FROM saved_requests WHERE ` + b.dialect.InQuery("hash", `
		SELECT hash FROM saved_requests WHERE `+b.dialect.InQuery("hash", query)+` `+b.dialect.SkipLocked)
}

// deleteExcessRequests deletes limits.Excess() requests when there are more than limits.Total. The
// count stops at Total+1, so that a large table is not read to its end. The column place numbers
// the requests of a network, and 1 is the newest. So the requests with the greatest place are the
// oldest requests of the networks with the most requests. They are deleted first.
func (b Base) deleteExcessRequests(c Conn, now time.Time, limits gateway.SavedRequestLimits) error {
	var count int
	err := c.Get(`
		SELECT count(*) FROM (
			SELECT 1 FROM saved_requests WHERE expires_at > $1 ORDER BY expires_at LIMIT CAST($2 AS bigint)) t`,
		[]any{Micros(now), limits.Total + 1}, &count)
	if err != nil || count <= limits.Total {
		return err
	}
	_, err = c.Exec(b.deleteRequests(`
		SELECT hash FROM (
			SELECT hash, expires_at, row_number() OVER (PARTITION BY network ORDER BY expires_at DESC) AS place
			FROM saved_requests WHERE expires_at > $1) t
		ORDER BY place DESC, expires_at LIMIT $2`), Micros(now), limits.Excess())
	return err
}

// SavedRequest implements gateway.SavedRequests.
func (b Base) SavedRequest(ctx context.Context, hash, browser [32]byte, now time.Time) (gateway.SavedRequest, error) {
	var r gateway.SavedRequest
	err := b.db.Do(ctx, "saved_request", func(c Conn) error {
		return c.Get(`SELECT `+savedRequestColumns+` FROM saved_requests WHERE hash = $1`, []any{hash[:]},
			savedRequestFields(&r)...)
	})
	if err != nil {
		return gateway.SavedRequest{}, err
	}
	return r.AfterRead(browser, now)
}

package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.ServedURLs. Do runs one operation of the store, Get reads one row,
// and Tx runs a transaction.

// rememberedURL is the name of the address in table remembered.
const rememberedURL = "url"

func readServedURL(q Querier, clause string) (u gateway.ServedURL, err error) {
	err = q.Get(`SELECT value, since FROM remembered WHERE name = $1 `+clause, []any{rememberedURL}, &u.URL,
		Time{&u.Since})
	return u, err
}

// RememberURL implements gateway.ServedURLs. It reads first, because usually an address is stored.
func (b Base) RememberURL(ctx context.Context, url string, now time.Time) (u gateway.ServedURL, err error) {
	if url == "" {
		return u, errors.New("an address to remember must not be empty")
	}
	err = b.db.Do(ctx, "remember_url", func(c Conn) error {
		if u, err = readServedURL(c, ""); !errors.Is(err, gateway.ErrNotFound) {
			return err
		}
		// If another process has stored an address meanwhile, that address stays.
		_, err := c.Exec(`INSERT INTO remembered (name, value, since) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING`,
			rememberedURL, url, Micros(now))
		if err == nil {
			u, err = readServedURL(c, "")
		}
		return err
	})
	if err != nil {
		return gateway.ServedURL{}, err
	}
	return u, nil
}

// ServedURL implements gateway.ServedURLs.
func (b Base) ServedURL(ctx context.Context) (u gateway.ServedURL, err error) {
	err = b.db.Do(ctx, "served_url", func(c Conn) error {
		u, err = readServedURL(c, "")
		return err
	})
	return u, err
}

// AcceptURL implements gateway.ServedURLs.
func (b Base) AcceptURL(ctx context.Context, before, url string, e gateway.Event) error {
	if url == "" {
		return errors.New("an address to remember must not be empty")
	}
	return b.db.Do(ctx, "accept_url", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			stored, err := readServedURL(q, b.dialect.LockRow)
			switch {
			case err != nil:
				return err
			case stored.URL != before:
				return gateway.ErrConflict
			}
			if _, err := q.Exec(`UPDATE remembered SET value = $2, since = $3 WHERE name = $1`, rememberedURL, url,
				Micros(e.At)); err != nil {
				return err
			}
			return appendEvents(q, []gateway.Event{e})
		})
	})
}

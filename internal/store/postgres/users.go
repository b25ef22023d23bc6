package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

const userColumns = `id, nickname, avatar_url, locale, profile_at, status, admin, groups, old_id, created_at, updated_at`

func userFields(a *gateway.User) []any {
	return []any{&a.ID, &a.Nickname, &a.AvatarURL, &a.Locale, moment{&a.ProfileAt}, &a.Status, &a.Admin,
		words{&a.Groups}, &a.OldID, moment{&a.CreatedAt}, moment{&a.UpdatedAt}}
}

const identityColumns = `account_id, entry, app_id, open_id, union_id, created_at, seen_at`

func identityFields(i *gateway.Identity) []any {
	return []any{&i.UserID, &i.Connector, &i.AppID, &i.OpenID, &i.UnionID, moment{&i.CreatedAt}, moment{&i.SeenAt}}
}

// resolved is a condition: the row of $1, or of what it was joined into. A join
// keeps joined_into one step long.
const resolved = `id = (SELECT CASE joined_into WHEN '' THEN id ELSE joined_into END FROM accounts WHERE id = $1)`

func readUser(ctx context.Context, q querier, id string) (a gateway.User, err error) {
	err = get(ctx, q, `SELECT `+userColumns+` FROM accounts WHERE `+resolved, []any{id}, userFields(&a)...)
	return a, err
}

// The strengths of a lock on an account.
const (
	forShare  = "FOR SHARE"  // it must not be blocked, joined or changed meanwhile
	forUpdate = "FOR UPDATE" // it is going to be
)

// locked returns the account, or the one it was joined into, and locks its row.
func locked(ctx context.Context, tx pgx.Tx, id, strength string) (gateway.User, error) {
	for {
		var a gateway.User
		var into string
		err := get(ctx, tx, `SELECT `+userColumns+`, joined_into FROM accounts WHERE id = $1 `+strength, []any{id},
			append(userFields(&a), &into)...)
		if err != nil || into == "" {
			return a, err
		}
		id = into
	}
}

// Account implements gateway.Accounts.
func (s *Store) User(ctx context.Context, id string) (gateway.User, error) {
	a, err := readUser(ctx, s.pool, id)
	return a, failed("read an account", err)
}

func identities(ctx context.Context, q querier, userID string) ([]gateway.Identity, error) {
	return list(ctx, q, `SELECT `+identityColumns+` FROM identities WHERE account_id = $1 ORDER BY created_at, app_id`, []any{userID}, identityFields)
}

// Identities implements gateway.Accounts.
func (s *Store) Identities(ctx context.Context, userID string) ([]gateway.Identity, error) {
	a, err := readUser(ctx, s.pool, userID)
	if err != nil {
		return nil, failed("read identities", err)
	}
	all, err := identities(ctx, s.pool, a.ID)
	return all, failed("read identities", err)
}

// Accounts implements gateway.Accounts.
func (s *Store) Users(ctx context.Context, q gateway.UserQuery) ([]gateway.User, error) {
	const query = `
		SELECT ` + userColumns + ` FROM accounts
		WHERE joined_into = ''
		AND ($1 = '' OR status = $1)
		AND ($2 = '' OR id = $2 OR old_id = $2 OR position(lower($2) in lower(nickname)) > 0
			OR id IN (SELECT account_id FROM identities WHERE open_id = $2 OR union_id = $2))
		AND ($3 = '' OR (created_at, id) < (SELECT created_at, id FROM accounts WHERE id = $3))
		ORDER BY created_at DESC, id DESC LIMIT $4`
	all, err := list(ctx, s.pool, query, []any{string(q.Status), gateway.Clean(q.Text), q.After, q.Page()}, userFields)
	return all, failed("list accounts", err)
}

// UpdateAccount implements gateway.Accounts.
func (s *Store) UpdateUser(ctx context.Context, id string, now time.Time, change func(*gateway.User) error) (a gateway.User, err error) {
	err = s.write(ctx, "update an account", func(tx pgx.Tx) error {
		a, err = locked(ctx, tx, id, forUpdate)
		if err != nil {
			return err
		}
		edited := a
		edited.Groups = slices.Clone(a.Groups)
		if err := change(&edited); err != nil {
			return callers{err}
		}
		edited.ID, edited.CreatedAt, edited.UpdatedAt = a.ID, a.CreatedAt, now
		edited.Groups = slices.Compact(slices.Sorted(slices.Values(edited.Groups)))
		if !edited.Status.Valid() {
			return callers{errors.New("an account needs a valid status")}
		}
		if err := putUser(ctx, tx, edited); err != nil {
			return err
		}
		a, err = readUser(ctx, tx, a.ID) // as it is stored
		if err == nil && a.Status == gateway.Blocked {
			err = shutOut(ctx, tx, a.ID, now)
		}
		return err
	})
	if own, ok := errors.AsType[callers](err); ok {
		err = own.error
	}
	if err != nil {
		return gateway.User{}, err
	}
	return a, nil
}

// callers marks an error of the caller's own function, so that it comes back
// as it was.
type callers struct{ error }

func (c callers) Unwrap() error { return c.error }

// putAccount writes an account, whether it is there or not.
func putUser(ctx context.Context, tx pgx.Tx, a gateway.User) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO accounts (`+userColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET nickname = $2, avatar_url = $3, locale = $4, profile_at = $5, status = $6,
			admin = $7, groups = $8, old_id = $9, updated_at = $11`,
		a.ID, gateway.Clean(a.Nickname), gateway.Clean(a.AvatarURL), gateway.Clean(a.Locale), micros(a.ProfileAt), string(a.Status),
		a.Admin, texts(a.Groups), a.OldID, micros(a.CreatedAt), micros(a.UpdatedAt))
	return err
}

// shutOut ends what a blocked account has.
func shutOut(ctx context.Context, tx pgx.Tx, userID string, now time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE account_id = $1`, userID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE tickets SET state = 'refused' WHERE account_id = $1 AND state IN ('held', 'approved')`, userID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE grants SET revoked_at = $2 WHERE account_id = $1 AND revoked_at = 0`, userID, micros(now))
	return err
}

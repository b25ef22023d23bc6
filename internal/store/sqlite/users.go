package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

const userColumns = `id, nickname, avatar_url, locale, profile_at, status, admin, groups, old_id, created_at, updated_at`

func userFields(a *gateway.User) []any {
	return []any{&a.ID, &a.Nickname, &a.AvatarURL, &a.Locale, moment{&a.ProfileAt}, &a.Status, &a.Admin,
		list{&a.Groups}, &a.OldID, moment{&a.CreatedAt}, moment{&a.UpdatedAt}}
}

const identityColumns = `account_id, entry, app_id, open_id, union_id, created_at, seen_at`

func identityFields(i *gateway.Identity) []any {
	return []any{&i.UserID, &i.Connector, &i.AppID, &i.OpenID, &i.UnionID, moment{&i.CreatedAt}, moment{&i.SeenAt}}
}

// resolved is a condition: the row of ?1, or of what it was joined into. A join
// keeps joined_into one step long.
const resolved = `id = (SELECT CASE joined_into WHEN '' THEN id ELSE joined_into END FROM accounts WHERE id = ?1)`

func readUser(t tx, id string) (gateway.User, error) {
	var a gateway.User
	err := t.get(`SELECT `+userColumns+` FROM accounts WHERE `+resolved, []any{id}, userFields(&a)...)
	return a, err
}

// Account implements gateway.Accounts.
func (s *Store) User(ctx context.Context, id string) (a gateway.User, err error) {
	err = s.read(ctx, "read an account", func(t tx) error {
		a, err = readUser(t, id)
		return err
	})
	return a, err
}

func identities(t tx, userID string) (all []gateway.Identity, err error) {
	err = t.each(`SELECT `+identityColumns+` FROM identities WHERE account_id = ?1 ORDER BY created_at, app_id`,
		[]any{userID}, func(r *sql.Rows) error {
			var i gateway.Identity
			err := r.Scan(identityFields(&i)...)
			all = append(all, i)
			return err
		})
	return all, err
}

// Identities implements gateway.Accounts.
func (s *Store) Identities(ctx context.Context, userID string) (all []gateway.Identity, err error) {
	err = s.read(ctx, "read identities", func(t tx) error {
		a, err := readUser(t, userID)
		if err != nil {
			return err
		}
		all, err = identities(t, a.ID)
		return err
	})
	return all, err
}

// Accounts implements gateway.Accounts.
func (s *Store) Users(ctx context.Context, q gateway.UserQuery) (all []gateway.User, err error) {
	const query = `
		SELECT ` + userColumns + ` FROM accounts
		WHERE joined_into = ''
		AND (?1 = '' OR status = ?1)
		AND (?2 = '' OR id = ?2 OR old_id = ?2 OR instr(lower(nickname), lower(?2)) > 0
			OR id IN (SELECT account_id FROM identities WHERE open_id = ?2 OR union_id = ?2))
		AND (?3 = '' OR (created_at, id) < (SELECT created_at, id FROM accounts WHERE id = ?3))
		ORDER BY created_at DESC, id DESC LIMIT ?4`
	err = s.read(ctx, "list accounts", func(t tx) error {
		return t.each(query, []any{string(q.Status), q.Text, q.After, q.Page()}, func(r *sql.Rows) error {
			var a gateway.User
			err := r.Scan(userFields(&a)...)
			all = append(all, a)
			return err
		})
	})
	return all, err
}

// UpdateAccount implements gateway.Accounts.
func (s *Store) UpdateUser(ctx context.Context, id string, now time.Time, change func(*gateway.User) error) (a gateway.User, err error) {
	err = s.write(ctx, "update an account", func(t tx) error {
		a, err = readUser(t, id)
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
		if err := putUser(t, edited); err != nil {
			return err
		}
		a, err = readUser(t, id) // as it is stored
		if err == nil && a.Status == gateway.Blocked {
			err = shutOut(t, a.ID, now)
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
func putUser(t tx, a gateway.User) error {
	_, err := t.exec(`
		INSERT INTO accounts (`+userColumns+`) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
		ON CONFLICT (id) DO UPDATE SET nickname = ?2, avatar_url = ?3, locale = ?4, profile_at = ?5, status = ?6,
			admin = ?7, groups = ?8, old_id = ?9, updated_at = ?11`,
		a.ID, gateway.Clean(a.Nickname), gateway.Clean(a.AvatarURL), gateway.Clean(a.Locale), micros(a.ProfileAt), string(a.Status), a.Admin, text(a.Groups), a.OldID,
		micros(a.CreatedAt), micros(a.UpdatedAt))
	return err
}

// shutOut ends what a blocked account has.
func shutOut(t tx, userID string, now time.Time) error {
	if _, err := t.exec(`DELETE FROM sessions WHERE account_id = ?1`, userID); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE tickets SET state = 'refused' WHERE account_id = ?1 AND state IN ('held', 'approved')`, userID); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE grants SET revoked_at = ?2 WHERE account_id = ?1 AND revoked_at = 0`, userID, micros(now))
	return err
}

package sqlstore

import (
	"context"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements the reading methods of gateway.UserAdministration, except SearchUsers. Do
// runs one operation of the store, Get reads one row, and list reads all.

// countAdmins returns the number of active administrators with an identity, without the users whose
// ids are in except, but at most 100. Nobody can sign in at WeChat as a user without an identity.
func (b Base) countAdmins(q Querier, except []string) (n int, err error) {
	err = q.Get(`SELECT count(*) FROM (SELECT 1 FROM users WHERE admin AND status = 'active' AND joined_into = ''
		AND EXISTS (SELECT 1 FROM identities i WHERE i.user_id = users.id)
		AND NOT (`+b.dialect.In("id", "$1")+`) LIMIT 100) counted`, []any{b.dialect.List(nonNil(except))}, &n)
	return n, err
}

// CountAdmins implements gateway.UserAdministration.
func (b Base) CountAdmins(ctx context.Context) (n int, err error) {
	err = b.db.Do(ctx, "count_admins", func(c Conn) error {
		n, err = b.countAdmins(c, nil)
		return err
	})
	return n, err
}

// JoinedUsers implements gateway.UserAdministration.
func (b Base) JoinedUsers(ctx context.Context, userID string) (all []string, err error) {
	err = b.db.Do(ctx, "joined_users", func(c Conn) error {
		all, err = list(c, `SELECT id FROM users
			WHERE joined_into = (SELECT id FROM users WHERE `+userResolved+`) AND joined_into <> '' ORDER BY id LIMIT 100`,
			[]any{userID}, func(id *string) []any { return []any{id} })
		return err
	})
	return all, err
}

// maxByID is how many users UsersByID looks up.
const maxByID = 500

// UsersByID implements gateway.UserAdministration.
func (b Base) UsersByID(ctx context.Context, ids []string) (map[string]gateway.User, error) {
	users := map[string]gateway.User{}
	wanted := make([]string, 0, len(ids))
	for _, id := range ids[:min(len(ids), maxByID)] {
		wanted = append(wanted, gateway.CleanText(id))
	}
	if len(wanted) == 0 {
		return users, nil
	}
	query := `SELECT asked.id, ` + prefixedUserColumns + ` FROM users asked
		JOIN users u ON u.id = CASE asked.joined_into WHEN '' THEN asked.id ELSE asked.joined_into END
		WHERE ` + b.dialect.In("asked.id", "$1")
	err := b.db.Do(ctx, "users_by_id", func(c Conn) error {
		return c.Each(query, []any{b.dialect.List(wanted)}, func(scan func(...any) error) error {
			var id string
			var u gateway.User
			err := scan(append([]any{&id}, userFields(&u)...)...)
			users[id] = u
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return users, nil
}

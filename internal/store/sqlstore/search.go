package sqlstore

import (
	"context"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements the reading methods of gateway.UserAdministration. Do runs one operation of
// the store, Get reads one row, and list reads all.

// after is the last character of Unicode. In the order of an index, the texts that begin with a text
// are between this text and the text followed by after.
const after = "\U0010FFFF"

// usersWithTerm is another part of the query usersWithID. It selects the users whose real name or
// note contains ?, which is a term (see searchTerm).
const usersWithTerm = `
	UNION ALL SELECT seq FROM user_terms WHERE term >= ? AND term < ? || '` + after + `'`

// SearchUsers implements gateway.UserAdministration. It compares texts by ranges of an index and
// never with LIKE, so % and _ are ordinary characters.
func (b Base) SearchUsers(ctx context.Context, q gateway.UserSearch) (all []gateway.User, err error) {
	var where conditions
	if q.Status != "" {
		where.add(`status = ?`, string(q.Status))
	}
	if q.Status == gateway.Pending || q.Status == gateway.Blocked {
		where.sql = append(where.sql, `status <> 'active'`) // for a partial index
	}
	if q.Admin {
		where.sql = append(where.sql, `admin`)
	}
	// Each part has the condition older. Otherwise a later page would read the users of all earlier
	// pages.
	older := ``
	if q.After != "" {
		where.add(`seq < (SELECT seq FROM users WHERE id = ?)`, gateway.CleanText(q.After))
		older = ` AND ` + where.sql[len(where.sql)-1]
	}
	switch text := indexed(q.Text); {
	case text != "":
		var query string
		query, where.args = b.textQuery(q, text, older, where.args)
		where.sql = append(where.sql, b.dialect.InQuery(`seq`, query))
	case q.Group != "":
		where.add(b.dialect.InQuery(`seq`, usersInGroup+older), indexed(q.Group))
	}
	where.sql = append(where.sql, `joined_into = ''`)
	limit := conditions{args: where.args} // as in Users
	limit.add(`LIMIT ?`, q.Page())
	query := `SELECT ` + userColumns + ` FROM users WHERE ` + where.where() + ` ORDER BY seq DESC ` + limit.where()
	err = b.db.Do(ctx, "search_users", func(c Conn) error {
		all, err = list(c, query, limit.args, userFields)
		return err
	})
	return all, err
}

// usersInGroup selects seq of the users in the group ?.
const usersInGroup = `SELECT seq FROM user_groups WHERE name = ?`

// textQuery returns a query for seq of the users whom a text finds, in q.Group if it is set. older is
// a condition that the query repeats. args are the arguments before those of the query; it returns
// them with its own.
func (b Base) textQuery(q gateway.UserSearch, text, older string, args []any) (string, []any) {
	found := conditions{args: args}
	found.add(usersWithID+b.usersWithNickname(), text)
	switch term := searchTerm(q.Text); {
	case term == "":
	case !strings.HasPrefix(term, beginning):
		found.add(usersWithTerm, term)
	case q.Status == "" && q.Group == "" && !q.Admin: // the newest 500 are enough for a page
		found.add(`
	UNION ALL SELECT seq FROM (
		SELECT seq FROM user_terms WHERE term = ?`+older+` ORDER BY seq DESC LIMIT 500) newest`, term)
	default:
		found.add(`
	UNION ALL SELECT seq FROM user_terms WHERE term = ?`, term)
	}
	query := `SELECT seq FROM (` + found.joined("") + `) found WHERE true` + older
	if q.Group == "" {
		return query, found.args
	}
	inGroup := conditions{args: found.args}
	inGroup.add(query+` AND seq IN (`+usersInGroup+older+`)`, indexed(q.Group))
	return inGroup.where(), inGroup.args
}

// countAdmins counts the active administrators other than the users $1, but at most 100.
func (b Base) countAdmins(q Querier, others []string) (n int, err error) {
	err = q.Get(`SELECT count(*) FROM (SELECT 1 FROM users WHERE admin AND status = 'active' AND joined_into = ''
		AND NOT (`+b.dialect.In("id", "$1")+`) LIMIT 100) counted`, []any{b.dialect.List(nonNil(others))}, &n)
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

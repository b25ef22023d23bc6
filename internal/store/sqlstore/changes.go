package sqlstore

import (
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file writes changes of users by administrators: the row, what searches use, and what follows
// for requests, sessions and grants. Exec changes rows, and Get reads one row.

// writeChange writes a user as an administrator changed it, and what follows from the change. The
// caller has locked the row. by is Event.Actor of the change. It returns the user as stored.
func (b Base) writeChange(q Querier, before, after gateway.User, now time.Time, by string) (gateway.User, error) {
	if _, err := q.Exec(putUser, userArgs(after)...); err != nil {
		return gateway.User{}, err
	}
	stored, err := readUser(q, after.ID) // returns times and texts as they are stored
	if err != nil {
		return gateway.User{}, err
	}
	if err := writeSearch(q, before, stored); err != nil {
		return gateway.User{}, err
	}
	if err := decideRequests(q, before, stored, now, by); err != nil {
		return gateway.User{}, err
	}
	if isAdmin(stored) && !isAdmin(before) {
		if err := revokeMoves(q, stored.ID, now); err != nil {
			return gateway.User{}, err
		}
	}
	if stored.Status == gateway.Blocked {
		return stored, b.endAccess(q, stored.ID, now)
	}
	return stored, b.endLostAccess(q, before, stored, now)
}

// revokeMoves revokes the links that move a user to another WeChat account. An API key may make such a
// link for a user without administrator rights. The link must not give somebody the rights that the
// user gets later.
func revokeMoves(q Querier, userID string, now time.Time) error {
	_, err := q.Exec(`UPDATE invitations SET revoked_at = $2
		WHERE user_id = $1 AND user_id <> '' AND kind = 'move' AND revoked_at = 0`, userID, Micros(now))
	return err
}

// decideRequests updates the access requests of a user whose apps or status have changed.
func decideRequests(q Querier, before, after gateway.User, now time.Time, by string) error {
	decide := func(condition string, state gateway.RequestState, args ...any) error {
		_, err := q.Exec(`
			UPDATE access_requests SET state = $2, reason = '', decided_at = $3, decided_by = $4
			WHERE user_id = $1 AND state <> $2 AND `+condition,
			append([]any{after.ID, string(state), Micros(now), indexed(by)}, args...)...)
		return err
	}
	if before.Status == gateway.Pending && after.Status == gateway.Active {
		if err := decide(`state = 'waiting'`, gateway.RequestApproved); err != nil {
			return err
		}
	}
	for _, app := range without(after.AllowedApps, before.AllowedApps) {
		if err := decide(`app = $5`, gateway.RequestApproved, app); err != nil {
			return err
		}
	}
	for _, app := range without(after.RefusedApps, before.RefusedApps) {
		if err := decide(`app = $5`, gateway.RequestRefused, app); err != nil {
			return err
		}
	}
	return nil
}

// endLostAccess revokes the grants at apps that the user must not use any more, and tells the apps
// that may have lost the user. The store does not have the access rules of apps. So when the user
// has lost a group or the status Active, all apps are told but those that are allowed singly. The
// user may sign in again there, if the rule of the app allows it.
func (b Base) endLostAccess(q Querier, before, after gateway.User, now time.Time) error {
	for _, app := range without(after.RefusedApps, before.RefusedApps) {
		_, err := q.Exec(`UPDATE grants SET revoked_at = $3 WHERE user_id = $1 AND app = $2 AND revoked_at = 0`, after.ID,
			app, Micros(now))
		if err != nil {
			return err
		}
	}
	lost := append(without(after.RefusedApps, before.RefusedApps), without(before.AllowedApps, after.AllowedApps)...)
	if len(lost) > 0 {
		err := tellApps(q, now, func(c *conditions) {
			c.add(`user_id = ?`, after.ID)
			c.add(b.dialect.In("app", "?"), b.dialect.List(lost))
		})
		if err != nil {
			return err
		}
	}
	approved := before.Status == gateway.Active && after.Status != gateway.Active
	if !approved && len(without(before.Groups, after.Groups)) == 0 {
		return nil
	}
	return tellApps(q, now, func(c *conditions) {
		c.add(`user_id = ?`, after.ID)
		c.add(`NOT (`+b.dialect.In("app", "?")+`)`, b.dialect.List(nonNil(after.AllowedApps)))
	})
}

// nonNil returns an empty list instead of nil, which a database would take for NULL.
func nonNil(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// writeSearch writes what searches use and what differs between before and after.
func writeSearch(q Querier, before, after gateway.User) error {
	if !slices.Equal(before.Groups, after.Groups) {
		if err := writeRows(q, "user_groups", "name", after.ID, groupNames(after)); err != nil {
			return err
		}
	}
	if before.RealName == after.RealName && before.Note == after.Note {
		return nil
	}
	return writeRows(q, "user_terms", "term", after.ID, terms(after))
}

// groupNames returns the groups of a user as table user_groups has them.
func groupNames(u gateway.User) []string {
	names := make([]string, len(u.Groups))
	for i, g := range u.Groups {
		names[i] = indexed(g)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// writeRows replaces the rows of a user in table user_groups or user_terms.
func writeRows(q Querier, table, column, userID string, values []string) error {
	var seq int64
	if err := q.Get(`SELECT seq FROM users WHERE id = $1`, []any{userID}, &seq); err != nil {
		return err
	}
	if _, err := q.Exec(`DELETE FROM `+table+` WHERE seq = $1`, seq); err != nil {
		return err
	}
	rows := make([][]any, 0, len(values))
	for _, v := range values {
		rows = append(rows, []any{v, seq})
	}
	return q.Insert(table, column+", seq", rows)
}

// deleteSearch deletes what searches use of a user.
func deleteSearch(q Querier, userID string) error {
	for _, table := range []string{"user_groups", "user_terms"} {
		_, err := q.Exec(`DELETE FROM `+table+` WHERE seq = (SELECT seq FROM users WHERE id = $1)`, userID)
		if err != nil {
			return err
		}
	}
	return nil
}

// without returns the elements of all that are not in some.
func without(all, some []string) (rest []string) {
	for _, s := range all {
		if !slices.Contains(some, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

package sqlstore

import (
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file writes a changed user: the row, the tables that searches read, and the effects on
// access requests, sessions and grants. Exec changes rows, and Get reads one row.

// writeChange writes the user after a change, and the effects of the change. The caller has locked
// the row. by names the administrator (gateway.Event.Actor); "" = none is named. It returns the
// user as stored.
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

// revokeMoves revokes the links that move a user to another WeChat account. An API key can create
// such a link for a user without administrator rights. When this user becomes an administrator, the
// bearer of the link must not get the administrator rights.
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
			append([]any{after.ID, string(state), Micros(now), fitIndex(by)}, args...)...)
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

// endLostAccess revokes the user's grants at apps that the change refuses, and logs the user out of
// the apps to which the user may have lost access (back-channel logout). The store does not know
// the access rules of apps. So when the user has lost a group or the status Active, the user is
// logged out of all apps except those in AllowedApps. If the rule of an app allows it, the user can
// sign in again.
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
		err := queueLogouts(q, now, func(c *conditions) {
			c.add(`user_id = ?`, after.ID)
			c.add(b.dialect.In("app", "?"), b.dialect.List(lost))
		})
		if err != nil {
			return err
		}
	}
	lostStatus := before.Status == gateway.Active && after.Status != gateway.Active
	lostGroup := len(without(before.Groups, after.Groups)) > 0
	if !lostStatus && !lostGroup {
		return nil
	}
	return queueLogouts(q, now, func(c *conditions) {
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

// writeSearch updates the rows of a user in the tables that searches read (user_groups and
// user_terms), if the groups, the real name or the note have changed.
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
		names[i] = fitIndex(g)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// writeRows replaces the rows of a user in table user_groups or user_terms, in which seq identifies
// the user.
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

// deleteSearch deletes the rows of a user in the tables that searches read.
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

package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements the methods of gateway.UserAdministration that merge, unlink, sign out and
// delete users. Do runs one operation of the store. Exec changes rows, Get reads one row, list
// reads all, and Tx runs a transaction.

// MergeUsers implements gateway.UserAdministration.
func (b Base) MergeUsers(ctx context.Context, older, younger string, now time.Time, e gateway.Event) (
	user gateway.User, err error) {
	err = b.db.Do(ctx, "merge_users", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			into, from, err := b.lockTwo(q, older, younger)
			if err != nil {
				return err
			}
			if into.ID == from.ID {
				return gateway.ErrConflict
			}
			var shared int
			err = q.Get(`SELECT count(*) FROM identities x JOIN identities y ON y.user_id = $2 AND y.app_id = x.app_id
				WHERE x.user_id = $1`, []any{into.ID, from.ID}, &shared)
			if err == nil && shared > 0 {
				err = gateway.ErrConflict
			}
			if err != nil {
				return err
			}
			merged, events, err := b.mergeInto(q, into, from, now)
			if err != nil {
				return err
			}
			user = merged
			e.UserID, e.At = user.ID, now
			return appendEvents(q, append([]gateway.Event{e}, events...))
		})
	})
	if err != nil {
		return gateway.User{}, err
	}
	return user, nil
}

// lockTwo locks two users, the smaller id first, as lockUsers does. So concurrent transactions do
// not deadlock: a deadlock would cost a second and a repetition of the transaction.
func (b Base) lockTwo(q Querier, x, y string) (ofX, ofY gateway.User, err error) {
	if y < x {
		ofY, ofX, err = b.lockTwo(q, y, x)
		return ofX, ofY, err
	}
	if ofX, err = lockUser(q, x, b.dialect.ForUpdate); err != nil {
		return ofX, ofY, err
	}
	ofY, err = lockUser(q, y, b.dialect.ForUpdate)
	return ofX, ofY, err
}

// mergeInto joins the user from into the user into, and ends the sessions and grants of both. The
// caller has locked both rows. It returns the joined user, and the events about pinned subjects.
func (b Base) mergeInto(q Querier, into, from gateway.User, now time.Time) (gateway.User, []gateway.Event, error) {
	merged := gateway.Merge(into, from)
	merged.UpdatedAt = now
	if (isAdmin(into) || isAdmin(from)) && !isAdmin(merged) {
		if err := b.requireOtherAdmin(q, into.ID, from.ID); err != nil {
			return gateway.User{}, nil, err
		}
	}
	events, err := b.joinInto(q, gateway.SignIn{At: now}, into.ID, from.ID)
	if err != nil {
		return gateway.User{}, nil, err
	}
	if err := b.endAccess(q, into.ID, now); err != nil {
		return gateway.User{}, nil, err
	}
	user, err := b.writeChange(q, into, merged, now, "")
	return user, events, err
}

// UnlinkIdentity implements gateway.UserAdministration.
func (b Base) UnlinkIdentity(ctx context.Context, userID, appID, openID string, now time.Time, e gateway.Event) error {
	return b.db.Do(ctx, "unlink_identity", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			u, err := lockUser(q, userID, b.dialect.ForUpdate)
			if err != nil {
				return err
			}
			identities, err := readIdentities(q, u.ID)
			switch {
			case err != nil:
				return err
			case !slices.ContainsFunc(identities, identityKey{appID, openID}.is):
				return gateway.ErrNotFound
			case len(identities) == 1:
				return gateway.ErrConflict
			}
			_, err = q.Exec(`DELETE FROM identities WHERE user_id = $1 AND app_id = $2 AND open_id = $3`, u.ID, appID, openID)
			if err != nil {
				return err
			}
			if _, err := b.endSessions(q, now, `user_id = $1 AND app_id = $2 AND open_id = $3`, u.ID, appID,
				openID); err != nil {
				return err
			}
			_, err = q.Exec(`UPDATE grants SET revoked_at = $4
				WHERE user_id = $1 AND app_id = $2 AND open_id = $3 AND revoked_at = 0`, u.ID, appID, openID, Micros(now))
			if err != nil {
				return err
			}
			e.UserID, e.At = u.ID, now
			return appendEvents(q, []gateway.Event{e})
		})
	})
}

// DeleteUser implements gateway.UserAdministration.
func (b Base) DeleteUser(ctx context.Context, userID string, now time.Time, e gateway.Event) error {
	return b.DeleteUserIf(ctx, userID, now, e, func(gateway.User) error { return nil })
}

// DeleteUserIf implements gateway.UserAdministration.
func (b Base) DeleteUserIf(
	ctx context.Context, userID string, now time.Time, e gateway.Event, allowed func(gateway.User) error,
) error {
	return b.db.Do(ctx, "delete_user", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			u, err := lockUser(q, userID, b.dialect.ForUpdate)
			if err == nil {
				err = allowed(u)
			}
			if err != nil {
				return err
			}
			if isAdmin(u) {
				if err := b.requireOtherAdmin(q, u.ID); err != nil {
					return err
				}
			}
			if err := b.endAccess(q, u.ID, now); err != nil {
				return err
			}
			if err := deleteSearch(q, u.ID); err != nil {
				return err
			}
			// Access tokens are left to the sweep: without their grant, they are invalid. joined selects
			// rows about users who were joined into the user, and acted selects the events that they caused.
			// Conditions such as approver_id <> '' repeat the condition of a partial index.
			const joinedUsers = `SELECT id FROM users WHERE joined_into = $1 AND joined_into <> ''`
			joined, acted := b.dialect.InQuery("user_id", joinedUsers), b.dialect.InQuery("actor", joinedUsers)
			ownOpenIDs := b.dialect.InQuery("open_id", `SELECT open_id FROM identities WHERE user_id = $1`)
			for _, query := range []string{
				`DELETE FROM chat_sign_ins WHERE ` + ownOpenIDs + ` AND open_id <> ''`,
				`DELETE FROM identities WHERE user_id = $1`,
				`DELETE FROM subjects WHERE user_id = $1`,
				`DELETE FROM grants WHERE user_id = $1`,
				`DELETE FROM tickets WHERE approver_id = $1 AND approver_id <> ''`,
				`DELETE FROM access_requests WHERE user_id = $1`,
				`DELETE FROM invitation_uses WHERE user_id = $1`,
				`DELETE FROM invitations WHERE user_id = $1 AND user_id <> ''`,
				// A notice has the name of the user. A logout token that waits must still be sent;
				// FinishDelivery deletes its row.
				`DELETE FROM deliveries WHERE user_id = $1 AND user_id <> '' AND (kind <> 'logout' OR state <> 'waiting')`,
				`UPDATE events SET detail = '', address = '' WHERE user_id = $1 AND user_id <> ''`,
				`UPDATE events SET detail = '', address = '' WHERE ` + joined + ` AND user_id <> ''`,
				// What the user did as an administrator stays, without the address of the user.
				`UPDATE events SET address = '' WHERE actor = $1 AND actor <> ''`,
				`UPDATE events SET address = '' WHERE ` + acted + ` AND actor <> ''`,
				`DELETE FROM users WHERE joined_into = $1 AND joined_into <> ''`,
				`DELETE FROM users WHERE id = $1`,
			} {
				if _, err := q.Exec(query, u.ID); err != nil {
					return err
				}
			}
			e.UserID, e.At = u.ID, now
			return appendEvents(q, []gateway.Event{e})
		})
	})
}

// EndSessions implements gateway.UserAdministration.
func (b Base) EndSessions(ctx context.Context, end gateway.SessionsEnd) (n int, err error) {
	err = b.db.Do(ctx, "end_sessions", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			n = 0
			e := end.Event
			e.UserID, e.At = end.UserID, end.Now
			u, err := readUser(q, end.UserID)
			if err == nil {
				e.UserID = u.ID
				n, err = b.endSessionsOf(q, u.ID, end)
			}
			if err != nil && !errors.Is(err, gateway.ErrNotFound) {
				return err
			}
			return appendEvents(q, []gateway.Event{e}) // also for an unknown user or session
		})
	})
	return n, err
}

// endSessionsOf ends the session that end selects, and its grants, or all sessions and grants of a
// user.
func (b Base) endSessionsOf(q Querier, userID string, end gateway.SessionsEnd) (int, error) {
	if end.Session == ([32]byte{}) {
		_, err := q.Exec(`UPDATE grants SET revoked_at = $2 WHERE user_id = $1 AND revoked_at = 0`, userID, Micros(end.Now))
		if err == nil {
			err = refuseTickets(q, userID)
		}
		if err != nil {
			return 0, err
		}
		return b.endSessions(q, end.Now, `user_id = $1`, userID)
	}
	var first [32]byte
	err := q.Get(`SELECT first_hash FROM sessions WHERE hash = $1 AND user_id = $2`, []any{end.Session[:], userID},
		Hash{&first})
	if err != nil {
		return 0, err
	}
	// A grant has the first hash of the session, but a grant of forward auth has the hash itself.
	for _, session := range [][32]byte{end.Session, first} {
		_, err := q.Exec(`UPDATE grants SET revoked_at = $3 WHERE session = $1 AND user_id = $2 AND revoked_at = 0`,
			session[:], userID, Micros(end.Now))
		if err != nil {
			return 0, err
		}
	}
	return b.endSessions(q, end.Now, `hash = $1 AND user_id = $2`, end.Session[:], userID)
}

package sqlstore

import (
	"context"

	"github.com/weigate/weigate/internal/gateway"
)

// ChangeUser implements gateway.UserAdministration. Do runs one operation of the store, and Tx runs
// a transaction.
func (b Base) ChangeUser(ctx context.Context, c gateway.UserChange) (user gateway.User, err error) {
	err = b.db.Do(ctx, "change_user", func(conn Conn) error {
		return conn.Tx(func(q Querier) error {
			before, err := lockUser(q, c.ID, b.dialect.ForUpdate)
			if err != nil {
				return err
			}
			if !c.Unchanged.IsZero() && !gateway.StoredTime(c.Unchanged).Equal(before.UpdatedAt) {
				return gateway.ErrConflict // somebody else has changed the user since
			}
			edited, err := edit(before, c.Now, c.Change)
			if err != nil {
				return err
			}
			if isAdmin(before) && !isAdmin(edited) && !c.AllowNone {
				if err := b.requireOtherAdmin(q, before.ID); err != nil {
					return err
				}
			}
			if user, err = b.writeChange(q, before, edited, c.Now, c.Event.Actor); err != nil {
				return err
			}
			if err := syncRequests(q, before, user, c); err != nil {
				return err
			}
			e := c.Event
			e.UserID, e.At = user.ID, c.Now
			if c.Describe != nil {
				e.Detail = c.Describe(before, user)
			}
			return appendEvents(q, []gateway.Event{e})
		})
	})
	if err != nil {
		return gateway.User{}, err
	}
	return user, nil
}

// isAdmin reports whether a user is an active administrator.
func isAdmin(u gateway.User) bool { return u.Admin && u.Status == gateway.Active }

// requireOtherAdmin returns gateway.ErrLastAdmin when no active administrator besides the users
// with these ids can sign in. It makes transactions that take administrator rights away wait for
// each other. Otherwise two of them could each count the administrator that the other one removes.
func (b Base) requireOtherAdmin(q Querier, ids ...string) error {
	if b.dialect.LockAdmins != nil {
		if err := b.dialect.LockAdmins(q); err != nil {
			return err
		}
	}
	n, err := b.countAdmins(q, ids)
	if err == nil && n == 0 {
		err = gateway.ErrLastAdmin
	}
	return err
}

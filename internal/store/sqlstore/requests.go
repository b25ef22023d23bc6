package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.AccessRequests: users ask for access to apps, and administrators
// decide. Do runs one operation of the store. Exec changes rows, Get reads one row, list reads all,
// and Tx runs a transaction.

const requestColumns = `r.user_id, r.app, r.method, r.state, r.reason, r.requested_at, r.decided_at, r.decided_by`

func requestFields(r *gateway.AccessRequest) []any {
	return []any{&r.UserID, &r.App, &r.Method, &r.State, &r.Reason, Time{&r.RequestedAt}, Time{&r.DecidedAt},
		&r.DecidedBy}
}

// readRequest returns the access request of a user for an app.
func readRequest(q Querier, userID, app string) (r gateway.AccessRequest, err error) {
	err = q.Get(`SELECT `+requestColumns+` FROM access_requests r WHERE r.user_id = $1 AND r.app = $2`,
		[]any{userID, app}, requestFields(&r)...)
	return r, err
}

// approvalGrace is how long after an approval a new access request counts as approved too. The
// gateway may have read the user before the approval, and stores the request after it.
const approvalGrace = time.Minute

// mustWaitAgain reports whether a user whose request was approved has to wait again. The approval was
// taken back since, or it approved the user in general, while the app requires an approval of its own.
func mustWaitAgain(u gateway.User, stored, r gateway.AccessRequest) bool {
	return stored.State == gateway.RequestApproved && !slices.Contains(u.AllowedApps, r.App) &&
		r.RequestedAt.After(stored.DecidedAt.Add(approvalGrace))
}

// RequestAccess implements gateway.AccessRequests. Each HTTP request of a waiting user calls it,
// and usually the access request exists already. So it reads first.
func (b Base) RequestAccess(ctx context.Context, r gateway.AccessRequest) (stored gateway.AccessRequest, created bool,
	err error) {
	if r.App == "" {
		return stored, false, errors.New("an access request needs an app")
	}
	r.App = fitIndex(r.App)
	err = b.db.Do(ctx, "request_access", func(c Conn) error {
		u, err := readUser(c, r.UserID)
		if err != nil {
			return err
		}
		created = false
		stored, err = readRequest(c, u.ID, r.App)
		if err == nil && !mustWaitAgain(u, stored, r) {
			return nil
		}
		if err != nil && !errors.Is(err, gateway.ErrNotFound) {
			return err
		}
		return c.Tx(func(q Querier) error {
			u, err := lockUser(q, r.UserID, b.dialect.ForUpdate)
			if err != nil {
				return err
			}
			created = false // the transaction may run again
			stored, err = readRequest(q, u.ID, r.App)
			if err == nil && !mustWaitAgain(u, stored, r) {
				return nil
			}
			if err != nil && !errors.Is(err, gateway.ErrNotFound) {
				return err
			}
			created = true
			stored = gateway.AccessRequest{UserID: u.ID, App: r.App, Method: fitText(r.Method), State: gateway.RequestWaiting,
				RequestedAt: gateway.StoredTime(r.RequestedAt)}
			return putRequest(q, stored)
		})
	})
	if err != nil {
		return gateway.AccessRequest{}, false, err
	}
	return stored, created, nil
}

// putRequest stores an access request, or replaces the request of this user for this app.
func putRequest(q Querier, r gateway.AccessRequest) error {
	_, err := q.Exec(`
		INSERT INTO access_requests (user_id, app, method, state, reason, requested_at, decided_at, decided_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (user_id, app) DO UPDATE SET method = $3, state = $4, reason = $5, requested_at = $6, decided_at = $7,
			decided_by = $8`,
		r.UserID, r.App, r.Method, string(r.State), fitText(r.Reason), Micros(r.RequestedAt), Micros(r.DecidedAt),
		fitIndex(r.DecidedBy))
	return err
}

// WaitingUsers implements gateway.AccessRequests.
func (b Base) WaitingUsers(ctx context.Context, q gateway.WaitingQuery) (all []gateway.WaitingUser, err error) {
	where := conditions{sql: []string{`r.state = 'waiting'`}}
	if q.App != "" {
		where.add(`r.app = ?`, fitIndex(q.App))
	}
	if !q.After.IsZero() {
		where.sql = append(where.sql, fmt.Sprintf(`(r.requested_at, r.user_id, r.app) > (%s, %s, %s)`,
			where.arg(Micros(q.After)), where.arg(q.AfterUser), where.arg(q.AfterApp)))
	}
	query := `SELECT ` + requestColumns + `, ` + prefixedUserColumns + ` FROM access_requests r
		JOIN users u ON u.id = r.user_id AND u.status <> 'blocked'
		WHERE ` + where.where() + ` ORDER BY r.requested_at, r.user_id, r.app LIMIT ` + where.arg(q.Page())
	err = b.db.Do(ctx, "waiting_users", func(c Conn) error {
		all, err = list(c, query, where.args, func(w *gateway.WaitingUser) []any {
			return append(requestFields(&w.Request), userFields(&w.User)...)
		})
		return err
	})
	return all, err
}

// CountWaiting implements gateway.AccessRequests.
func (b Base) CountWaiting(ctx context.Context, limit int) (n int, err error) {
	err = b.db.Do(ctx, "count_waiting", func(c Conn) error {
		return c.Get(`SELECT count(*) FROM (
			SELECT 1 FROM access_requests r JOIN users u ON u.id = r.user_id AND u.status <> 'blocked'
			WHERE r.state = 'waiting' ORDER BY r.requested_at LIMIT $1) counted`, []any{max(limit, 0)}, &n)
	})
	return n, err
}

// UserRequests implements gateway.AccessRequests.
func (b Base) UserRequests(ctx context.Context, userID string) (all []gateway.AccessRequest, err error) {
	err = b.db.Do(ctx, "user_requests", func(c Conn) error {
		all, err = list(c, `SELECT `+requestColumns+` FROM access_requests r
			WHERE r.user_id = (SELECT id FROM users WHERE `+userResolved+`) ORDER BY r.requested_at DESC, r.app`,
			[]any{userID}, requestFields)
		return err
	})
	return all, err
}

// DecideAccess implements gateway.AccessRequests.
func (b Base) DecideAccess(ctx context.Context, d gateway.AccessDecision) (user gateway.User, err error) {
	if d.State != gateway.RequestApproved && d.State != gateway.RequestRefused {
		return user, errors.New("a decision approves or refuses")
	}
	err = b.db.Do(ctx, "decide_access", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			before, err := lockUser(q, d.UserID, b.dialect.ForUpdate)
			if err == nil && before.Status == gateway.Blocked {
				err = gateway.ErrBlocked
			}
			if err != nil {
				return err
			}
			if user, err = b.decide(q, before, d); err != nil {
				return err
			}
			e := d.Event
			e.UserID, e.At, e.Actor = user.ID, d.At, d.By
			return appendEvents(q, []gateway.Event{e})
		})
	})
	if err != nil {
		return gateway.User{}, err
	}
	return user, nil
}

// decide writes a decision about a user whose row the caller has locked. A decision without apps is
// about all apps that the user has requested and waits for. decide returns the user afterwards.
func (b Base) decide(q Querier, before gateway.User, d gateway.AccessDecision) (gateway.User, error) {
	var apps []string
	for _, app := range d.Apps {
		apps = append(apps, fitIndex(app))
	}
	if len(apps) == 0 {
		waiting, err := list(q, `SELECT r.app FROM access_requests r WHERE r.user_id = $1 AND r.state = 'waiting'`,
			[]any{before.ID}, func(app *string) []any { return []any{app} })
		if err != nil {
			return gateway.User{}, err
		}
		apps = waiting
	}
	for _, app := range apps {
		r, err := readRequest(q, before.ID, app)
		if errors.Is(err, gateway.ErrNotFound) {
			r = gateway.AccessRequest{UserID: before.ID, App: app, RequestedAt: d.At}
		} else if err != nil {
			return gateway.User{}, err
		}
		r.State, r.Reason, r.DecidedAt, r.DecidedBy = d.State, d.Reason, d.At, d.By
		if d.State == gateway.RequestApproved {
			r.Reason = ""
		}
		if err := putRequest(q, r); err != nil {
			return gateway.User{}, err
		}
	}
	after, err := edit(before, d.At, func(u *gateway.User) error {
		switch {
		case d.State == gateway.RequestRefused:
			u.AllowedApps, u.RefusedApps = without(u.AllowedApps, apps), append(u.RefusedApps, apps...)
			return nil
		case len(d.Apps) == 0:
			u.Status = gateway.Active
		default:
			u.AllowedApps, u.RefusedApps = append(u.AllowedApps, apps...), without(u.RefusedApps, apps)
		}
		u.Groups = append(u.Groups, d.Groups...)
		return nil
	})
	if err != nil {
		return gateway.User{}, err
	}
	return b.writeChange(q, before, after, d.At, d.By)
}

// syncRequests adapts the access requests of a user to a change of AllowedApps and RefusedApps. The
// request for an app that is now allowed or refused is decided. The request for an app that is
// neither refused any more nor allowed is deleted: otherwise the user would wait, and no
// administrator would see the request.
func syncRequests(q Querier, before, after gateway.User, c gateway.UserChange) error {
	for _, list := range []struct {
		state     gateway.RequestState
		was, apps []string
	}{
		{gateway.RequestApproved, before.AllowedApps, after.AllowedApps},
		{gateway.RequestRefused, before.RefusedApps, after.RefusedApps},
	} {
		for _, app := range without(slices.Clone(list.apps), list.was) {
			if _, err := q.Exec(`UPDATE access_requests SET state = $3, reason = '', decided_at = $4, decided_by = $5
				WHERE user_id = $1 AND app = $2`,
				after.ID, app, string(list.state), Micros(c.Now), fitIndex(c.Event.Actor)); err != nil {
				return err
			}
		}
	}
	for _, app := range without(slices.Clone(before.RefusedApps), slices.Concat(after.RefusedApps, after.AllowedApps)) {
		if _, err := q.Exec(`DELETE FROM access_requests WHERE user_id = $1 AND app = $2 AND state = 'refused'`,
			after.ID, app); err != nil {
			return err
		}
	}
	return nil
}

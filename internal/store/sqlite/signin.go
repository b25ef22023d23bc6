package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/weigate/weigate/internal/gateway"
)

// RecordSignIn implements gateway.Users.
func (s *Store) RecordSignIn(ctx context.Context, a gateway.SignIn) (user gateway.User, events []gateway.Event, err error) {
	if err := a.Check(); err != nil {
		return gateway.User{}, nil, err
	}
	err = s.write(ctx, "record a sign-in", func(t tx) error {
		if user, events, err = record(t, a); err != nil {
			return err
		}
		return appendEvents(t, events)
	})
	if err != nil {
		return gateway.User{}, nil, err
	}
	return user, events, nil
}

// record writes a sign-in, without its events.
func record(t tx, a gateway.SignIn) (user gateway.User, events []gateway.Event, err error) {
	known, matches, err := candidates(t, a)
	if err != nil {
		return user, nil, err
	}
	plan := gateway.Join(a, known, matches, gateway.NewID())
	if events, err = apply(t, a, plan); err != nil {
		return user, nil, err
	}
	user, err = readUser(t, plan.Keep.ID)
	return user, events, err
}

// CompleteSignIn implements gateway.Users.
func (s *Store) CompleteSignIn(ctx context.Context, c gateway.Completion) (user gateway.User, events []gateway.Event, err error) {
	if err := c.Check(); err != nil {
		return gateway.User{}, nil, err
	}
	err = s.write(ctx, "complete a sign-in", func(t tx) error {
		if user, events, err = record(t, c.SignIn); err != nil {
			return err
		}
		signedIn, out, event := c.Decide(user)
		if err := finishAttempt(t, c.AttemptKey, c.Owner, out, c.Now); err != nil {
			return err
		}
		if signedIn {
			c.Session.UserID = user.ID
			if err := putSession(t, c.Session, c.Now); err != nil {
				return err
			}
			if err := deleteSession(t, c.Previous); err != nil {
				return err
			}
		}
		return appendEvents(t, append([]gateway.Event{event}, events...))
	})
	if err != nil {
		return gateway.User{}, nil, err
	}
	return user, events, nil
}

// parties reads what Join decides from.
func candidates(t tx, a gateway.SignIn) (known *gateway.Candidate, matches []gateway.Candidate, err error) {
	var owner string
	err = t.get(`SELECT account_id FROM identities WHERE app_id = ?1 AND open_id = ?2`, []any{a.AppID, a.OpenID}, &owner)
	switch {
	case err == nil:
		p, err := party(t, owner)
		if err != nil {
			return nil, nil, err
		}
		known = &p
	case !errors.Is(err, gateway.ErrNotFound):
		return nil, nil, err
	}
	appids := a.SharedAppIDs()
	if appids == nil {
		return known, nil, nil
	}
	var ids []string
	err = t.each(`
		SELECT DISTINCT account_id FROM identities
		WHERE union_id = ?1 AND account_id <> ?2 AND app_id IN (SELECT value FROM json_each(?3))`,
		[]any{a.UnionID, owner, text(appids)}, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		p, err := party(t, id)
		if err != nil {
			return nil, nil, err
		}
		matches = append(matches, p)
	}
	return known, matches, nil
}

func party(t tx, userID string) (p gateway.Candidate, err error) {
	if p.User, err = readUser(t, userID); err != nil {
		return p, err
	}
	p.Identities, err = identities(t, p.User.ID)
	return p, err
}

// apply writes a plan and returns all that there is to tell.
func apply(t tx, a gateway.SignIn, plan gateway.Plan) ([]gateway.Event, error) {
	if err := putUser(t, plan.Keep); err != nil {
		return nil, err
	}
	told := plan.Events
	for _, younger := range plan.Joined {
		more, err := joinInto(t, a, plan.Keep.ID, younger)
		if err != nil {
			return nil, err
		}
		told = append(told, more...)
	}
	if plan.Keep.Status == gateway.Blocked {
		if err := shutOut(t, plan.Keep.ID, a.At); err != nil {
			return nil, err
		}
	}
	i := plan.Identity
	_, err := t.exec(`
		INSERT INTO identities (`+identityColumns+`) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT (app_id, open_id) DO UPDATE SET account_id = ?1, entry = ?2, union_id = ?5, seen_at = ?7`,
		i.UserID, i.Connector, i.AppID, i.OpenID, i.UnionID, micros(i.CreatedAt), micros(i.SeenAt))
	return told, err
}

// joinInto makes the younger account part of the older: what it had moves, its
// sessions end, its id resolves to the older.
func joinInto(t tx, a gateway.SignIn, older, younger string) ([]gateway.Event, error) {
	olderPins, err := pins(t, older)
	if err != nil {
		return nil, err
	}
	youngerPins, err := pins(t, younger)
	if err != nil {
		return nil, err
	}
	moved, dropped, told := gateway.JoinPins(a, olderPins, youngerPins)
	for _, p := range dropped {
		if _, err := t.exec(`DELETE FROM subjects WHERE account_id = ?1 AND app = ?2`, p.UserID, p.App); err != nil {
			return nil, err
		}
		// What the app holds names a subject that it will not meet again.
		_, err := t.exec(`UPDATE grants SET revoked_at = ?3 WHERE account_id = ?1 AND app = ?2 AND revoked_at = 0`, p.UserID, p.App, micros(a.At))
		if err != nil {
			return nil, err
		}
	}
	for _, p := range moved {
		if _, err := t.exec(`UPDATE subjects SET account_id = ?1 WHERE account_id = ?2 AND app = ?3`, older, younger, p.App); err != nil {
			return nil, err
		}
	}
	for _, query := range []string{
		`UPDATE identities SET account_id = ?1 WHERE account_id = ?2`,
		`UPDATE grants SET account_id = ?1 WHERE account_id = ?2`,
		`UPDATE tickets SET account_id = ?1 WHERE account_id = ?2`,
		`DELETE FROM sessions WHERE account_id = ?2 AND ?1 <> ?2`,
		`UPDATE accounts SET joined_into = ?1 WHERE joined_into = ?2`,
		`UPDATE accounts SET joined_into = ?1, old_id = '', admin = 0 WHERE id = ?2`,
	} {
		if _, err := t.exec(query, older, younger); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// ImportPeople implements gateway.Accounts.
func (s *Store) ImportUsers(ctx context.Context, people []gateway.ImportedUser) (res gateway.ImportResult, err error) {
	err = s.write(ctx, "import people", func(t tx) error {
		res = gateway.ImportResult{}
		for i, p := range people {
			if err := importOne(t, i, p, &res); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return gateway.ImportResult{}, err
	}
	return res, nil
}

// importOne brings in one person, or notes why not.
func importOne(t tx, index int, p gateway.ImportedUser, res *gateway.ImportResult) error {
	if reason := p.Problem(); reason != "" {
		res.Problems = append(res.Problems, gateway.ImportProblem{Index: index, OldID: p.OldID, Reason: reason})
		return nil
	}
	known, matches, err := candidates(t, p.SignIn)
	if err != nil {
		return err
	}
	var named *gateway.Candidate
	var id string
	err = t.get(`SELECT id FROM accounts WHERE old_id = ?1 AND joined_into = ''`, []any{p.OldID}, &id)
	switch {
	case err == nil:
		n, err := party(t, id)
		if err != nil {
			return err
		}
		named = &n
	case !errors.Is(err, gateway.ErrNotFound):
		return err
	}
	plan, write := gateway.PlanImport(p, index, known, named, matches, gateway.NewID(), res)
	if !write {
		return nil
	}
	told, err := apply(t, p.SignIn, plan)
	if err != nil {
		return err
	}
	return appendEvents(t, told)
}

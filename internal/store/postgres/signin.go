package postgres

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

// RecordSignIn implements gateway.Users.
func (s *Store) RecordSignIn(ctx context.Context, a gateway.SignIn) (user gateway.User, events []gateway.Event, err error) {
	if err := a.Check(); err != nil {
		return gateway.User{}, nil, err
	}
	err = s.write(ctx, "record a sign-in", func(tx pgx.Tx) error {
		if user, events, err = record(ctx, tx, a); err != nil {
			return err
		}
		return appendEvents(ctx, tx, events)
	})
	if err != nil {
		return gateway.User{}, nil, err
	}
	return user, events, nil
}

// record writes a sign-in, without its events.
func record(ctx context.Context, tx pgx.Tx, a gateway.SignIn) (user gateway.User, events []gateway.Event, err error) {
	if err := lockSignIns(ctx, tx, a); err != nil {
		return user, nil, err
	}
	known, matches, err := loadCandidates(ctx, tx, a)
	if err != nil {
		return user, nil, err
	}
	plan := gateway.Join(a, known, matches, gateway.NewID())
	if events, err = apply(ctx, tx, a, plan); err != nil {
		return user, nil, err
	}
	user, err = readUser(ctx, tx, plan.Keep.ID)
	return user, events, err
}

// CompleteSignIn implements gateway.Users. The row of the attempt is locked first: of callers at
// once with the same attempt, one continues and the others find the outcome.
func (s *Store) CompleteSignIn(ctx context.Context, c gateway.Completion) (user gateway.User, events []gateway.Event, err error) {
	if err := c.Check(); err != nil {
		return gateway.User{}, nil, err
	}
	err = s.write(ctx, "complete a sign-in", func(tx pgx.Tx) error {
		var unfinished bool
		err := get(ctx, tx, `
			SELECT true FROM claims WHERE key = $1 AND owner = $2 AND outcome = '' AND lease > $3 AND expires_at > $3 FOR UPDATE`,
			[]any{c.AttemptKey, c.Owner, micros(c.Now)}, &unfinished)
		if errors.Is(err, gateway.ErrNotFound) {
			return gateway.ErrConflict
		}
		if err != nil {
			return err
		}
		if user, events, err = record(ctx, tx, c.SignIn); err != nil {
			return err
		}
		signedIn, out, event := c.Decide(user)
		if signedIn {
			if err := replaceSession(ctx, tx, c, user.ID); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, finishAttempt, c.AttemptKey, c.Owner, out.Kind, micros(out.At), gateway.Clean(out.Text), micros(c.Now))
		if err != nil {
			return err
		}
		return appendEvents(ctx, tx, append([]gateway.Event{event}, events...))
	})
	if err != nil {
		return gateway.User{}, nil, err
	}
	return user, events, nil
}

// replaceSession stores the session of a completion and ends the browser's previous one. The
// user's row is locked, or was made in this transaction.
func replaceSession(ctx context.Context, tx pgx.Tx, c gateway.Completion, userID string) error {
	n := c.Session
	done, err := tx.Exec(ctx, insertSession, n.Hash[:], userID, n.Connector, n.AppID, n.OpenID, n.Method, micros(n.AuthTime), micros(n.CreatedAt),
		micros(n.SeenAt), micros(n.ExpiresAt), n.Data, micros(c.Now))
	if err != nil {
		return err
	}
	if done.RowsAffected() == 0 {
		return gateway.ErrConflict
	}
	_, err = tx.Exec(ctx, `DELETE FROM sessions WHERE hash = $1`, c.Previous[:])
	return err
}

// lockArrivals makes arrivals of one person wait for each other, whether or not
// they have rows yet: those with the same openid, and those with the same
// unionid. All are locked in one order.
func lockSignIns(ctx context.Context, tx pgx.Tx, arrivals ...gateway.SignIn) error {
	var numbers []int32
	number := func(parts ...string) {
		h := fnv.New32a()
		for _, p := range parts {
			h.Write([]byte(p))
			h.Write([]byte{0})
		}
		numbers = append(numbers, int32(h.Sum32()%1024))
	}
	for _, a := range arrivals {
		number("openid", a.AppID, a.OpenID)
		if a.SharedAppIDs() != nil {
			number("unionid", a.UnionID)
		}
	}
	_, err := tx.Exec(ctx, `SELECT n FROM arrival_locks WHERE n = ANY ($1) ORDER BY n FOR UPDATE`, numbers)
	return err
}

// owner returns the id of the account that has the openid; "" when none has.
func owner(ctx context.Context, tx pgx.Tx, a gateway.SignIn) (id string, err error) {
	err = get(ctx, tx, `SELECT account_id FROM identities WHERE app_id = $1 AND open_id = $2`, []any{a.AppID, a.OpenID}, &id)
	if errors.Is(err, gateway.ErrNotFound) {
		err = nil
	}
	return id, err
}

// candidates returns the ids of the accounts with the arrival's unionid.
func candidateIDs(ctx context.Context, tx pgx.Tx, a gateway.SignIn) ([]string, error) {
	appids := a.SharedAppIDs()
	if appids == nil {
		return nil, nil
	}
	return list(ctx, tx, `SELECT DISTINCT account_id FROM identities WHERE union_id = $1 AND app_id = ANY ($2) ORDER BY account_id`,
		[]any{a.UnionID, appids}, func(id *string) []any { return []any{id} })
}

// parties reads what Join decides from, and locks it. Whoever is found without
// a lock is looked up again under it: a join may have moved identities.
func loadCandidates(ctx context.Context, tx pgx.Tx, a gateway.SignIn) (known *gateway.Candidate, matches []gateway.Candidate, err error) {
	mine, err := owner(ctx, tx, a)
	if err != nil {
		return nil, nil, err
	}
	ids, err := candidateIDs(ctx, tx, a)
	if err != nil {
		return nil, nil, err
	}
	all := slices.Clone(ids)
	if mine != "" {
		all = append(all, mine)
	}
	if len(all) == 0 {
		return nil, nil, nil
	}
	users, err := list(ctx, tx, `SELECT `+userColumns+` FROM accounts WHERE id = ANY ($1) AND joined_into = '' ORDER BY id FOR UPDATE`,
		[]any{all}, userFields)
	if err != nil {
		return nil, nil, err
	}
	again, err := owner(ctx, tx, a)
	if err != nil {
		return nil, nil, err
	}
	if now, err := candidateIDs(ctx, tx, a); err != nil || again != mine || !slices.Equal(now, ids) {
		return nil, nil, errors.Join(err, errAgain)
	}
	for _, acc := range users {
		p := gateway.Candidate{User: acc}
		if p.Identities, err = identities(ctx, tx, acc.ID); err != nil {
			return nil, nil, err
		}
		if acc.ID == mine {
			known = &p
		} else {
			matches = append(matches, p)
		}
	}
	if mine != "" && known == nil {
		return nil, nil, errAgain
	}
	return known, matches, nil
}

// apply writes a plan and returns all that there is to tell.
func apply(ctx context.Context, tx pgx.Tx, a gateway.SignIn, plan gateway.Plan) ([]gateway.Event, error) {
	if err := putUser(ctx, tx, plan.Keep); err != nil {
		return nil, err
	}
	told := plan.Events
	for _, younger := range plan.Joined {
		more, err := joinInto(ctx, tx, a, plan.Keep.ID, younger)
		if err != nil {
			return nil, err
		}
		told = append(told, more...)
	}
	if plan.Keep.Status == gateway.Blocked {
		if err := shutOut(ctx, tx, plan.Keep.ID, a.At); err != nil {
			return nil, err
		}
	}
	i := plan.Identity
	_, err := tx.Exec(ctx, `
		INSERT INTO identities (`+identityColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (app_id, open_id) DO UPDATE SET account_id = $1, entry = $2, union_id = $5, seen_at = $7`,
		i.UserID, i.Connector, i.AppID, i.OpenID, i.UnionID, micros(i.CreatedAt), micros(i.SeenAt))
	return told, err
}

// joinInto makes the younger account part of the older: what it had moves, its
// sessions end, its id resolves to the older. Both rows are locked.
func joinInto(ctx context.Context, tx pgx.Tx, a gateway.SignIn, older, younger string) ([]gateway.Event, error) {
	olderPins, err := pins(ctx, tx, older)
	if err != nil {
		return nil, err
	}
	youngerPins, err := pins(ctx, tx, younger)
	if err != nil {
		return nil, err
	}
	moved, dropped, told := gateway.JoinPins(a, olderPins, youngerPins)
	for _, p := range dropped {
		if _, err := tx.Exec(ctx, `DELETE FROM subjects WHERE account_id = $1 AND app = $2`, p.UserID, p.App); err != nil {
			return nil, err
		}
		// What the app holds names a subject that it will not meet again.
		_, err := tx.Exec(ctx, `UPDATE grants SET revoked_at = $3 WHERE account_id = $1 AND app = $2 AND revoked_at = 0`, p.UserID, p.App, micros(a.At))
		if err != nil {
			return nil, err
		}
	}
	for _, p := range moved {
		if _, err := tx.Exec(ctx, `UPDATE subjects SET account_id = $1 WHERE account_id = $2 AND app = $3`, older, younger, p.App); err != nil {
			return nil, err
		}
	}
	for _, query := range []string{
		`UPDATE identities SET account_id = $1 WHERE account_id = $2`,
		`UPDATE grants SET account_id = $1 WHERE account_id = $2`,
		`UPDATE tickets SET account_id = $1 WHERE account_id = $2`,
		`DELETE FROM sessions WHERE account_id = $2 AND $1 <> $2`,
		`UPDATE accounts SET joined_into = $1 WHERE joined_into = $2`,
		`UPDATE accounts SET joined_into = $1, old_id = '', admin = false WHERE id = $2`,
	} {
		if _, err := tx.Exec(ctx, query, older, younger); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// ImportPeople implements gateway.Accounts.
func (s *Store) ImportUsers(ctx context.Context, people []gateway.ImportedUser) (res gateway.ImportResult, err error) {
	err = s.write(ctx, "import people", func(tx pgx.Tx) error {
		res = gateway.ImportResult{}
		var arrivals []gateway.SignIn
		for _, p := range people {
			if p.Problem() == "" {
				arrivals = append(arrivals, p.SignIn)
			}
		}
		if err := lockSignIns(ctx, tx, arrivals...); err != nil {
			return err
		}
		for i, p := range people {
			if err := importOne(ctx, tx, i, p, &res); err != nil {
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
func importOne(ctx context.Context, tx pgx.Tx, index int, p gateway.ImportedUser, res *gateway.ImportResult) error {
	if reason := p.Problem(); reason != "" {
		res.Problems = append(res.Problems, gateway.ImportProblem{Index: index, OldID: p.OldID, Reason: reason})
		return nil
	}
	known, matches, err := loadCandidates(ctx, tx, p.SignIn)
	if err != nil {
		return err
	}
	var named *gateway.Candidate
	var n gateway.Candidate
	err = get(ctx, tx, `SELECT `+userColumns+` FROM accounts WHERE old_id = $1 AND joined_into = '' FOR UPDATE`, []any{p.OldID},
		userFields(&n.User)...)
	switch {
	case err == nil:
		if n.Identities, err = identities(ctx, tx, n.User.ID); err != nil {
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
	told, err := apply(ctx, tx, p.SignIn, plan)
	if err != nil {
		return err
	}
	return appendEvents(ctx, tx, told)
}

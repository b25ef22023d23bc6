package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.ChatSignIns (sign-ins through the chat of an official account)
// except ChatSignInStates, whose statement differs. Do runs one operation of the store. Exec
// changes rows, Get reads one row, and Tx runs a transaction.

const chatColumns = `key, desktop, connector, method, app, browser, masked_ip, network, state, open_id, code,
	created_at, expires_at, data`

func chatFields(s *gateway.ChatSignIn) []any {
	return []any{Hash{&s.Key}, Hash{&s.Desktop}, &s.Connector, &s.Method, &s.App, &s.Browser, &s.MaskedIP, &s.Network,
		&s.State, &s.OpenID, &s.Code, Time{&s.CreatedAt}, Time{&s.ExpiresAt}, &s.Data}
}

// insertChat stores a row, unless a limit is reached. It replaces an expired row with the same key.
// $12 is the time, $13 the limit of a network, and $14 the limit of a connector and method.
const insertChat = `
	INSERT INTO chat_sign_ins (` + chatColumns + `)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'waiting', '', '', $9, $10, $11
	WHERE (SELECT count(*) FROM (
		SELECT 1 FROM chat_sign_ins WHERE network = $8 AND state <> 'completed' AND expires_at > $12
		LIMIT CAST($13 AS bigint)) t) < CAST($13 AS bigint)
	AND (SELECT count(*) FROM (
		SELECT 1 FROM chat_sign_ins WHERE connector = $3 AND method = $4 AND state <> 'completed' AND expires_at > $12
		LIMIT CAST($14 AS bigint)) t) < CAST($14 AS bigint)
	ON CONFLICT (key) DO UPDATE SET desktop = excluded.desktop, connector = excluded.connector,
		method = excluded.method, app = excluded.app, browser = excluded.browser, masked_ip = excluded.masked_ip,
		network = excluded.network, state = excluded.state, open_id = excluded.open_id, code = excluded.code,
		created_at = excluded.created_at, expires_at = excluded.expires_at, data = excluded.data
	WHERE chat_sign_ins.expires_at <= $12`

// unanswered selects the rows that may be deleted when a limit is reached: the rows without an
// answer, and those that ended without a sign-in. The first half of unanswered is the condition of
// the partial indexes.
const unanswered = `state <> 'completed' AND state <> 'answered'`

// PutChatSignIn implements gateway.ChatSignIns. Concurrent calls can exceed a limit by their
// number.
func (b Base) PutChatSignIn(ctx context.Context, s gateway.ChatSignIn, now time.Time, limits gateway.ChatLimits) error {
	if err := errors.Join(s.Check(), limits.Check()); err != nil {
		return err
	}
	s = s.Initial()
	insert := func(q Querier) (stored bool, err error) {
		n, err := q.Exec(insertChat, s.Key[:], s.Desktop[:], s.Connector, s.Method, s.App, s.Browser, s.MaskedIP, s.Network,
			Micros(s.CreatedAt), Micros(s.ExpiresAt), s.Data, Micros(now), limits.PerNetwork, limits.Total)
		return n == 1, err
	}
	return b.db.Do(ctx, "put_chat_sign_in", func(c Conn) error {
		if stored, err := insert(c); stored || err != nil {
			return err
		}
		return c.Tx(func(q Querier) error { return b.replaceChat(q, s, now, limits, insert) })
	})
}

// replaceChat deletes older rows of the network, and calls insert. If a limit is still reached, it
// deletes older rows of all networks, and calls insert again. Each DELETE repeats the condition of
// its subquery, because a person may answer after the subquery has selected the row.
func (b Base) replaceChat(q Querier, s gateway.ChatSignIn, now time.Time, limits gateway.ChatLimits,
	insert func(Querier) (bool, error)) error {
	var found [32]byte
	err := q.Get(`SELECT key FROM chat_sign_ins WHERE key = $1 AND expires_at > $2`, []any{s.Key[:], Micros(now)},
		Hash{&found})
	if err == nil {
		return gateway.ErrConflict // a row with this key exists, and has not expired
	}
	if !errors.Is(err, gateway.ErrNotFound) {
		return err
	}
	// SQLite requires a LIMIT before OFFSET, so the statement has a LIMIT that is never reached.
	ofNetwork := `DELETE FROM chat_sign_ins WHERE ` + unanswered + ` AND ` + b.dialect.InQuery("key", `
		SELECT key FROM chat_sign_ins WHERE network = $1 AND `+unanswered+` AND expires_at > $2
		ORDER BY expires_at DESC LIMIT 1000000 OFFSET $3`)
	// place numbers the rows of each network, from 1 for the newest. So the greatest places belong to
	// the oldest rows of the networks with the most rows.
	ofAll := `DELETE FROM chat_sign_ins WHERE ` + unanswered + ` AND ` + b.dialect.InQuery("key", `
		SELECT key FROM (
			SELECT key, expires_at, row_number() OVER (PARTITION BY network ORDER BY expires_at DESC) AS place
			FROM chat_sign_ins WHERE connector = $1 AND method = $2 AND `+unanswered+` AND expires_at > $3) t
		ORDER BY place DESC, expires_at LIMIT $4`)
	for _, deleteSome := range []func() (int, error){
		func() (int, error) { return q.Exec(ofNetwork, s.Network, Micros(now), limits.KeepOfNetwork()) },
		func() (int, error) { return q.Exec(ofAll, s.Connector, s.Method, Micros(now), limits.Excess()) },
	} {
		if _, err := deleteSome(); err != nil {
			return err
		}
		if stored, err := insert(q); stored || err != nil {
			return err
		}
	}
	return gateway.ErrFull
}

// ChatSignIn implements gateway.ChatSignIns.
func (b Base) ChatSignIn(ctx context.Context, key [32]byte, now time.Time) (s gateway.ChatSignIn, err error) {
	err = b.db.Do(ctx, "chat_sign_in", func(c Conn) error { return readChat(c, key, &s) })
	if err == nil {
		err = s.CheckExpiry(now)
	}
	if err != nil {
		return gateway.ChatSignIn{}, err
	}
	return s, nil
}

func readChat(q Querier, key [32]byte, s *gateway.ChatSignIn) error {
	*s = gateway.ChatSignIn{}
	return q.Get(`SELECT `+chatColumns+` FROM chat_sign_ins WHERE key = $1`, []any{key[:]}, chatFields(s)...)
}

// updateChat writes next, unless the row differs from was, the row as the caller has read it.
func updateChat(q Querier, was, next gateway.ChatSignIn) (written bool, err error) {
	n, err := q.Exec(`
		UPDATE chat_sign_ins SET state = $2, open_id = $3, code = $4, expires_at = $5
		WHERE key = $1 AND state = $6 AND desktop = $7`,
		next.Key[:], string(next.State), next.OpenID, next.Code, Micros(next.ExpiresAt), string(was.State), was.Desktop[:])
	return n == 1, err
}

// changeChat applies a rule to a row and writes the result. rule returns the row afterwards, and
// whether to write it. When another caller has changed the row after it was read, changeChat starts
// again. A row changes only a few times, so this ends.
func (b Base) changeChat(ctx context.Context, op string, key [32]byte,
	rule func(gateway.ChatSignIn) (gateway.ChatSignIn, bool, error)) (next gateway.ChatSignIn, err error) {
	err = b.db.Do(ctx, op, func(c Conn) error {
		for {
			var was gateway.ChatSignIn
			if err := readChat(c, key, &was); err != nil {
				return err
			}
			var write bool
			var err error
			if next, write, err = rule(was); err != nil || !write {
				return err
			}
			if written, err := updateChat(c, was, next); written || err != nil {
				return err
			}
		}
	})
	return chatResult(next, err)
}

// chatResult returns the row also with the errors about its state, so that the caller can explain
// the error. With any other error, it returns the zero value.
func chatResult(s gateway.ChatSignIn, err error) (gateway.ChatSignIn, error) {
	for _, ofState := range []error{gateway.ErrConflict, gateway.ErrReplay, gateway.ErrBlocked, gateway.ErrMismatch} {
		if errors.Is(err, ofState) {
			return s, err
		}
	}
	if err != nil {
		return gateway.ChatSignIn{}, err
	}
	return s, nil
}

// AnswerChatSignIn implements gateway.ChatSignIns.
func (b Base) AnswerChatSignIn(ctx context.Context, a gateway.ChatAnswer, now time.Time) (gateway.ChatSignIn, error) {
	if a.OpenID == "" || a.Code == "" || a.SentAt.IsZero() {
		return gateway.ChatSignIn{}, errors.New("an answer needs its openid, code and time")
	}
	return b.changeChat(ctx, "answer_chat_sign_in", a.Key,
		func(s gateway.ChatSignIn) (gateway.ChatSignIn, bool, error) { return s.AfterAnswer(a, now) })
}

// CancelChatSignIn implements gateway.ChatSignIns.
func (b Base) CancelChatSignIn(ctx context.Context, key, desktop [32]byte, now time.Time) error {
	_, err := b.changeChat(ctx, "cancel_chat_sign_in", key,
		func(s gateway.ChatSignIn) (gateway.ChatSignIn, bool, error) { return s.AfterCancel(desktop, now) })
	return err
}

// RefuseChatSignIns implements gateway.ChatSignIns.
func (b Base) RefuseChatSignIns(ctx context.Context, connector, openID string, now time.Time) (n int, err error) {
	err = b.db.Do(ctx, "refuse_chat_sign_ins", func(c Conn) error {
		n, err = c.Exec(`
			UPDATE chat_sign_ins SET state = 'refused'
			WHERE open_id = $1 AND open_id <> '' AND connector = $2 AND state = 'answered' AND expires_at > $3`,
			openID, connector, Micros(now))
		return err
	})
	return n, err
}

// CompleteChatSignIn implements gateway.ChatSignIns. It locks the rows of the users first and
// changes the row of the chat sign-in afterwards. Transactions that delete users use the same
// order, so no deadlock occurs.
func (b Base) CompleteChatSignIn(ctx context.Context, c gateway.ChatCompletion) (next gateway.ChatSignIn,
	user gateway.User, events []gateway.Event, err error) {
	if err := c.Check(); err != nil {
		return gateway.ChatSignIn{}, gateway.User{}, nil, err
	}
	var outcome error // ErrMismatch or ErrBlocked: the transaction is committed
	err = b.db.Do(ctx, "complete_chat_sign_in", func(conn Conn) error {
		return conn.Tx(func(q Querier) error {
			user, events, outcome = gateway.User{}, nil, nil
			var was gateway.ChatSignIn
			if err := readChat(q, c.Key, &was); err != nil {
				next = was // not the row of an earlier run of the transaction
				return err
			}
			var err error
			if next, err = was.AfterComplete(c); err != nil && !errors.Is(err, gateway.ErrMismatch) {
				return err
			}
			outcome = err // nil or ErrMismatch
			if outcome == nil {
				if c.SignIn.OpenID != was.OpenID {
					return errors.New("the completion is of another person than the answer")
				}
				if user, events, err = b.recordUser(q, c.SignIn); err != nil {
					return err
				}
				_, next.State, _ = c.Decide(user)
			}
			written, err := updateChat(q, was, next)
			if err == nil && !written {
				err = ErrRepeat // the row was changed since it was read
			}
			if err != nil || outcome != nil {
				return err
			}
			if next.State == gateway.ChatRefused {
				outcome = gateway.ErrBlocked
			}
			return b.finishChat(q, c, user, events)
		})
	})
	if err == nil {
		err = outcome
	}
	next, err = chatResult(next, err)
	if err != nil && !errors.Is(err, gateway.ErrBlocked) {
		user, events = gateway.User{}, nil
	}
	return next, user, events, err
}

// finishChat writes what follows from a recorded sign-in: the session and the events.
func (b Base) finishChat(q Querier, c gateway.ChatCompletion, user gateway.User, joinEvents []gateway.Event) error {
	signedIn, _, event := c.Decide(user)
	if signedIn {
		if err := b.replaceSession(q, c.Session, c.Previous, user.ID, c.Now); err != nil {
			return err
		}
	}
	return appendEvents(q, append([]gateway.Event{event}, joinEvents...))
}

// ReadChatStates returns the states that a query selects. The query has the columns key and state,
// and the parameters $1 (keys) and $2 (now). Each store calls ReadChatStates with its own query.
func (b Base) ReadChatStates(ctx context.Context, query string, keys any, now time.Time) (
	map[[32]byte]gateway.ChatState, error) {
	states := map[[32]byte]gateway.ChatState{}
	err := b.db.Do(ctx, "chat_sign_in_states", func(c Conn) error {
		return c.Each(query, []any{keys, Micros(now)}, func(scan func(...any) error) error {
			var key [32]byte
			var state gateway.ChatState
			err := scan(Hash{To: &key}, &state)
			states[key] = state
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}

package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/weigate/weigate/login"
)

// schema creates the app's own tables. The statements are the same for SQLite and PostgreSQL.
//
// A user has one identity for each appid, and at most one unionid for each Open Platform account.
// The appid and the openid are one primary key, and the unionid is another. So two concurrent
// sign-ins of one person cannot create two users.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS users (
		id TEXT PRIMARY KEY, nickname TEXT NOT NULL, created_at BIGINT NOT NULL, blocked INTEGER NOT NULL DEFAULT 0)`,
	`CREATE TABLE IF NOT EXISTS identities (
		app_id TEXT NOT NULL, open_id TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (app_id, open_id))`,
	`CREATE INDEX IF NOT EXISTS identities_by_user ON identities (user_id)`,
	`CREATE TABLE IF NOT EXISTS unions (union_id TEXT PRIMARY KEY, user_id TEXT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS unions_by_user ON unions (user_id)`,
	`CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, text TEXT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS notes_by_user ON notes (user_id)`,
}

// Users are the app's own users.
type Users struct {
	DB       *sql.DB
	Sessions login.SessionStore // of the sign-in handler
}

// CreateTables creates the tables that do not exist. It tries several times: PostgreSQL returns an
// error if another replica creates the same table at the same moment.
func (u *Users) CreateTables(ctx context.Context) (err error) {
	for range 5 {
		if err = u.createTables(ctx); err == nil {
			return nil
		}
	}
	return err
}

func (u *Users) createTables(ctx context.Context) error {
	for _, statement := range schema {
		if _, err := u.DB.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create the tables: %w", err)
		}
	}
	return nil
}

// OnSignIn is Config.OnSignIn: it sets Subject to the id of the app's user, and refuses blocked users.
func (u *Users) OnSignIn(ctx context.Context, in *login.SignIn) error {
	id, joined, err := u.link(ctx, in)
	if err != nil {
		return fmt.Errorf("%w: %w", login.ErrUnavailable, err) // the page asks to try again
	}
	if joined != "" { // link has deleted the user with this id
		if err := u.Sessions.DeleteSessionsOf(ctx, joined, ""); err != nil {
			return fmt.Errorf("%w: %w", login.ErrUnavailable, err)
		}
	}
	var blocked bool
	if err := u.DB.QueryRowContext(ctx, `SELECT blocked <> 0 FROM users WHERE id = $1`, id).Scan(&blocked); err != nil {
		return fmt.Errorf("%w: %w", login.ErrUnavailable, err)
	}
	if blocked {
		return &login.RefusalError{Text: "Your account is blocked. 你的账号已被停用。"}
	}
	in.Subject = id
	return nil
}

// link returns the user of a sign-in, and creates one if necessary. WeChat always returns the
// openid. It returns the unionid only sometimes: usually not with snsapi_base, and never for an
// official account that is not bound to an Open Platform account (开放平台账号). Therefore link looks
// both ids up:
//
//   - Neither is known: the result is a new user.
//   - One is known: the result is its user. The other id is stored for this user too.
//   - Both are known and belong to one user: the result is this user.
//   - They belong to two users: one person signed in at two apps before WeChat returned the unionid.
//     The younger user is joined into the older user. joined is the id of the younger user.
//
// The nickname is never used to find a user: everyone can choose any nickname.
func (u *Users) link(ctx context.Context, in *login.SignIn) (id, joined string, err error) {
	tx, err := u.DB.BeginTx(ctx, nil)
	if err != nil {
		return "", "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	fresh := rand.Text() // the id of a new user
	byUnion := fresh
	if in.UnionID != "" {
		byUnion, err = claim(ctx, tx, `INSERT INTO unions (union_id, user_id) VALUES ($1, $2)
			ON CONFLICT (union_id) DO UPDATE SET user_id = unions.user_id RETURNING user_id`, in.UnionID, fresh)
		if err != nil {
			return "", "", err
		}
	}
	byIdentity, err := claim(ctx, tx, `INSERT INTO identities (app_id, open_id, user_id) VALUES ($1, $2, $3)
		ON CONFLICT (app_id, open_id) DO UPDATE SET user_id = identities.user_id RETURNING user_id`,
		in.AppID, in.OpenID, byUnion)
	if err != nil {
		return "", "", err
	}
	switch {
	case byIdentity == fresh: // neither is known
		id = fresh
		_, err = tx.ExecContext(ctx, `INSERT INTO users (id, nickname, created_at) VALUES ($1, $2, $3)`,
			id, in.Nickname, time.Now().UnixMicro())
	case byUnion == fresh && in.UnionID != "": // the identity is known, the unionid is new
		id = byIdentity
		_, err = tx.ExecContext(ctx, `UPDATE unions SET user_id = $1 WHERE union_id = $2`, id, in.UnionID)
	case in.UnionID == "" || byUnion == byIdentity: // no unionid, or both ids belong to one user
		id = byIdentity
	default:
		id, joined, err = join(ctx, tx, byUnion, byIdentity)
	}
	if err != nil {
		return "", "", err
	}
	return id, joined, tx.Commit()
}

// claim inserts a row that links a key (a unionid, or an appid and openid) to a user. If the key is
// linked already, the row stays as it is. claim returns the user of the row. It locks the row until
// the transaction ends, so another sign-in with the same key waits.
func claim(ctx context.Context, tx *sql.Tx, statement string, arguments ...any) (user string, err error) {
	return user, tx.QueryRowContext(ctx, statement, arguments...).Scan(&user)
}

// join moves everything that the younger of two users has to the older, and deletes the younger.
func join(ctx context.Context, tx *sql.Tx, a, b string) (older, younger string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT id FROM users WHERE id IN ($1, $2) ORDER BY created_at, id LIMIT 1`, a, b).
		Scan(&older)
	if err != nil {
		return "", "", err
	}
	younger = a
	if older == a {
		younger = b
	}
	for _, statement := range []string{
		`UPDATE identities SET user_id = $1 WHERE user_id = $2`,
		`UPDATE unions SET user_id = $1 WHERE user_id = $2`,
		`UPDATE notes SET user_id = $1 WHERE user_id = $2`, // repeat this for each table of the app that has user ids
		// If the younger user is blocked, the older user is blocked too.
		`UPDATE users SET blocked = 1 WHERE id = $1 AND EXISTS (SELECT 1 FROM users WHERE id = $2 AND blocked <> 0)`,
	} {
		if _, err := tx.ExecContext(ctx, statement, older, younger); err != nil {
			return "", "", err
		}
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM users WHERE id = $1`, younger)
	return older, younger, err
}

// Active reports whether a user exists and is not blocked. The app asks in each request: a sign-in that
// OnSignIn accepted just before Block, or just before a join, creates its session afterwards.
func (u *Users) Active(ctx context.Context, id string) (active bool, err error) {
	err = u.DB.QueryRowContext(ctx, `SELECT blocked = 0 FROM users WHERE id = $1`, id).Scan(&active)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return active, err
}

// Block blocks a user: OnSignIn refuses later sign-ins of the user. Then it deletes the user's
// sessions.
func (u *Users) Block(ctx context.Context, id string) error {
	if _, err := u.DB.ExecContext(ctx, `UPDATE users SET blocked = 1 WHERE id = $1`, id); err != nil {
		return err
	}
	return u.Sessions.DeleteSessionsOf(ctx, id, "")
}

package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Users (except sign-ins and imports) and gateway.Subjects. Do runs
// one operation of the store. Exec changes rows, Get reads one row, list reads all, and Tx runs a
// transaction. Micros converts arguments; Time and jsonList convert results.

const userColumns = `id, nickname, avatar_url, locale, profile_at, status, admin, groups, old_id, ` +
	`created_at, updated_at, real_name, note, allowed_apps, refused_apps, agreement`

func userFields(u *gateway.User) []any {
	return []any{&u.ID, &u.Nickname, &u.AvatarURL, &u.Locale, Time{&u.ProfileAt}, &u.Status, &u.Admin,
		jsonList{&u.Groups}, &u.OldID, Time{&u.CreatedAt}, Time{&u.UpdatedAt}, &u.RealName, &u.Note,
		jsonList{&u.AllowedApps}, jsonList{&u.RefusedApps}, agreement{&u.Agreement}}
}

const identityColumns = `user_id, connector, app_id, open_id, union_id, created_at, seen_at`

func identityFields(i *gateway.Identity) []any {
	return []any{&i.UserID, &i.Connector, &i.AppID, &i.OpenID, &i.UnionID, Time{&i.CreatedAt}, Time{&i.SeenAt}}
}

// userResolved is a condition on table users. It selects the user $1. If this user was joined into
// an older user, it selects the older user. joined_into need not be followed twice, because a join
// also updates joined_into of users who were joined before.
const userResolved = `id = (SELECT CASE joined_into WHEN '' THEN id ELSE joined_into END FROM users WHERE id = $1)`

func readUser(q Querier, id string) (u gateway.User, err error) {
	err = q.Get(`SELECT `+userColumns+` FROM users WHERE `+userResolved, []any{id}, userFields(&u)...)
	return u, err
}

// lockUser returns the user, or the user it was joined into, and locks its row. clause is a lock
// clause of Dialect.
func lockUser(q Querier, id, clause string) (gateway.User, error) {
	for {
		var u gateway.User
		var into string
		err := q.Get(`SELECT `+userColumns+`, joined_into FROM users WHERE id = $1 `+clause, []any{id},
			append(userFields(&u), &into)...)
		if err != nil || into == "" {
			return u, err
		}
		id = into
	}
}

// lockAdmittedUser returns the id of the user, or of the older user it was joined into. It returns
// gateway.ErrBlocked when that user is blocked. It locks the row, so that the user cannot be
// blocked or joined before the transaction ends.
func (b Base) lockAdmittedUser(q Querier, id string) (string, error) {
	u, err := lockUser(q, id, b.dialect.ForShare)
	if err == nil && u.Status == gateway.Blocked {
		err = gateway.ErrBlocked
	}
	return u.ID, err
}

// User implements gateway.Users.
func (b Base) User(ctx context.Context, id string) (u gateway.User, err error) {
	err = b.db.Do(ctx, "user", func(c Conn) error {
		u, err = readUser(c, id)
		return err
	})
	return u, err
}

func readIdentities(q Querier, userID string) ([]gateway.Identity, error) {
	return list(q, `SELECT `+identityColumns+` FROM identities WHERE user_id = $1 ORDER BY created_at, app_id`,
		[]any{userID}, identityFields)
}

// Identities implements gateway.Users.
func (b Base) Identities(ctx context.Context, userID string) (all []gateway.Identity, err error) {
	err = b.db.Do(ctx, "identities", func(c Conn) error {
		u, err := readUser(c, userID)
		if err != nil {
			return err
		}
		all, err = readIdentities(c, u.ID)
		return err
	})
	return all, err
}

// usersWithID selects seq (the number of a user in the order of creation) of the users who have ?
// as their user id, old id, openid or unionid. Each part of the query uses an index.
const usersWithID = `
	SELECT seq FROM users WHERE id = ?
	UNION ALL SELECT seq FROM users WHERE old_id = ? AND old_id <> '' AND joined_into = ''
	UNION ALL SELECT u.seq FROM identities i JOIN users u ON u.id = i.user_id WHERE i.open_id = ?
	UNION ALL SELECT u.seq FROM identities i JOIN users u ON u.id = i.user_id WHERE i.union_id = ? AND i.union_id <> ''`

// nicknameBegins returns the condition that a nickname begins with the text ?. In the order of the
// index, these nicknames are between the text and the text followed by the last character of
// Unicode. A search for a text inside of nicknames has no index: the trigram indexes of both
// databases do not find Chinese names of two characters.
func (b Base) nicknameBegins() string {
	return b.dialect.Nickname + ` >= lower(?) AND ` + b.dialect.Nickname + ` < lower(?) || '` + lastCharacter + `'
		AND nickname <> '' AND joined_into = ''`
}

// Users implements gateway.Users. Column seq numbers the users in the order of their creation. The
// condition status <> 'active' repeats the condition of a partial index: the database uses this
// index only for queries that contain its condition.
func (b Base) Users(ctx context.Context, q gateway.UserQuery) (all []gateway.User, err error) {
	var where conditions
	if q.Status != "" {
		where.add(`status = ?`, string(q.Status))
	}
	if q.Status == gateway.Pending || q.Status == gateway.Blocked {
		where.sql = append(where.sql, `status <> 'active'`) // for a partial index
	}
	if q.After != "" {
		where.add(`seq < (SELECT seq FROM users WHERE id = ?)`, q.After)
	}
	if q.ID != "" {
		where.add(b.dialect.InQuery(`seq`, usersWithID), gateway.CleanText(q.ID))
	}
	if q.Text != "" {
		named := ` UNION ALL SELECT seq FROM users WHERE ` + b.nicknameBegins()
		where.add(b.dialect.InQuery(`seq`, usersWithID+named), gateway.CleanText(q.Text))
	}
	where.sql = append(where.sql, `joined_into = ''`)
	query := `SELECT ` + userColumns + ` FROM users WHERE ` + where.where() + ` ORDER BY seq DESC LIMIT ` +
		where.arg(q.Page())
	err = b.db.Do(ctx, "users", func(c Conn) error {
		all, err = list(c, query, where.args, userFields)
		return err
	})
	return all, err
}

// UpdateUser implements gateway.Users.
func (b Base) UpdateUser(ctx context.Context, id string, now time.Time,
	change func(*gateway.User) error) (u gateway.User, err error) {
	err = b.db.Do(ctx, "update_user", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			u, err = lockUser(q, id, b.dialect.ForUpdate)
			if err != nil {
				return err
			}
			edited, err := edit(u, now, change)
			if err != nil {
				return err
			}
			u, err = b.writeChange(q, u, edited, now, "")
			return err
		})
	})
	if err != nil {
		return gateway.User{}, err
	}
	return u, nil
}

// edit returns the user as change edits it, with sorted lists. It returns an error of change, or of
// an invalid status, as a CallerError.
func edit(u gateway.User, now time.Time, change func(*gateway.User) error) (gateway.User, error) {
	edited := u
	for _, l := range []*[]string{&edited.Groups, &edited.AllowedApps, &edited.RefusedApps} {
		*l = slices.Clone(*l)
	}
	if err := change(&edited); err != nil {
		return u, CallerError{err}
	}
	edited.ID, edited.CreatedAt, edited.UpdatedAt = u.ID, u.CreatedAt, now
	for _, l := range []*[]string{&edited.Groups, &edited.AllowedApps, &edited.RefusedApps} {
		for i, s := range *l {
			(*l)[i] = fitIndex(s)
		}
		*l = slices.Compact(slices.Sorted(slices.Values(*l)))
	}
	if !edited.Status.Valid() {
		return u, CallerError{errors.New("a user needs a valid status")}
	}
	return edited, nil
}

// putUser inserts a user, or updates the user with this id.
const putUser = `
	INSERT INTO users (` + userColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
		$16)
	ON CONFLICT (id) DO UPDATE SET nickname = $2, avatar_url = $3, locale = $4, profile_at = $5, status = $6,
		admin = $7, groups = $8, old_id = $9, updated_at = $11, real_name = $12, note = $13, allowed_apps = $14,
		refused_apps = $15, agreement = $16`

func userArgs(u gateway.User) []any {
	return []any{u.ID, fitIndex(u.Nickname), gateway.CleanText(u.AvatarURL), gateway.CleanText(u.Locale),
		Micros(u.ProfileAt), string(u.Status), u.Admin, JSON(u.Groups), u.OldID, Micros(u.CreatedAt), Micros(u.UpdatedAt),
		gateway.CleanText(u.RealName), gateway.CleanText(u.Note), JSON(u.AllowedApps), JSON(u.RefusedApps),
		agreementJSON(u.Agreement)}
}

// putIdentity inserts an identity, or updates the identity with this openid.
const putIdentity = `
	INSERT INTO identities (` + identityColumns + `, user_seq)
	VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT seq FROM users WHERE id = $1))
	ON CONFLICT (open_id, app_id) DO UPDATE SET user_id = $1, connector = $2, union_id = $5, seen_at = $7,
		user_seq = excluded.user_seq`

func identityArgs(i gateway.Identity) []any {
	return []any{i.UserID, i.Connector, i.AppID, i.OpenID, i.UnionID, Micros(i.CreatedAt), Micros(i.SeenAt)}
}

func readPins(q Querier, userID string) ([]gateway.Pin, error) {
	const query = `SELECT user_id, app, subject, created_at FROM subjects WHERE user_id = $1 ORDER BY app`
	return list(q, query, []any{userID}, func(p *gateway.Pin) []any {
		return []any{&p.UserID, &p.App, &p.Subject, Time{&p.CreatedAt}}
	})
}

// insertPin pins a subject for a user in an app, unless one is pinned already. The app receives the
// pinned subject as the id of the user.
const insertPin = `
	INSERT INTO subjects (user_id, app, subject, created_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (user_id, app) DO NOTHING`

// PinSubject implements gateway.Subjects. It reads first, because usually a subject is pinned
// already.
func (b Base) PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (subject string,
	err error) {
	if candidate == "" || app == "" {
		return "", errors.New("a subject needs an app and a candidate")
	}
	err = b.db.Do(ctx, "pin_subject", func(c Conn) error {
		err := c.Get(`
			SELECT coalesce(s.subject, '') FROM users u LEFT JOIN subjects s ON s.user_id = u.id AND s.app = $2
			WHERE u.`+userResolved, []any{userID, app}, &subject)
		if err != nil || subject != "" {
			return err
		}
		return c.Tx(func(q Querier) error {
			u, err := lockUser(q, userID, b.dialect.ForShare)
			if err != nil {
				return err
			}
			if _, err := q.Exec(insertPin, u.ID, app, candidate, Micros(now)); err != nil {
				return b.conflict(err)
			}
			return q.Get(`SELECT subject FROM subjects WHERE user_id = $1 AND app = $2`, []any{u.ID, app}, &subject)
		})
	})
	if err != nil {
		return "", err
	}
	return subject, nil
}

// UserSubjects implements gateway.Subjects.
func (b Base) UserSubjects(ctx context.Context, userID string) (all []gateway.Pin, err error) {
	err = b.db.Do(ctx, "user_subjects", func(c Conn) error {
		u, err := readUser(c, userID)
		if errors.Is(err, gateway.ErrNotFound) {
			return nil
		}
		if err == nil {
			all, err = readPins(c, u.ID)
		}
		return err
	})
	return all, err
}

// SubjectUser implements gateway.Subjects.
func (b Base) SubjectUser(ctx context.Context, app, subject string) (id string, err error) {
	err = b.db.Do(ctx, "subject_user", func(c Conn) error {
		return c.Get(`SELECT user_id FROM subjects WHERE app = $1 AND subject = $2`, []any{app, subject}, &id)
	})
	return id, err
}

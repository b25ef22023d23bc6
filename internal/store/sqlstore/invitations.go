package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Invitations, except RedeemInvitation. Do runs one operation of the
// store. Exec changes rows, Get reads one row, list reads all, and Tx runs a transaction.

const invitationColumns = `id, hash, kind, user_id, apps, groups, note, created_by, created_at, expires_at, max_uses,
	uses, revoked_at`

func invitationFields(i *gateway.Invitation) []any {
	return []any{&i.ID, Hash{&i.Hash}, &i.Kind, &i.UserID, jsonList{&i.Apps}, jsonList{&i.Groups}, &i.Note, &i.CreatedBy,
		Time{&i.CreatedAt}, Time{&i.ExpiresAt}, &i.MaxUses, &i.Uses, Time{&i.RevokedAt}}
}

// CreateInvitation implements gateway.Invitations.
func (b Base) CreateInvitation(ctx context.Context, i gateway.Invitation, e gateway.Event) error {
	switch {
	case i.ID == "" || i.Hash == [32]byte{} || i.ExpiresAt.IsZero() || i.MaxUses < 0:
		return errors.New("an invitation needs an id, a hash and an expiry; its number of uses must not be negative")
	case i.Kind == gateway.InviteMove && i.UserID == "":
		return errors.New("an invitation that moves a user to another WeChat account needs the user")
	}
	return b.db.Do(ctx, "create_invitation", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			_, err := q.Exec(`INSERT INTO invitations (`+invitationColumns+`)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0)`,
				i.ID, i.Hash[:], string(i.Kind), i.UserID, JSON(i.Apps), JSON(i.Groups), fitText(i.Note), fitIndex(i.CreatedBy),
				Micros(i.CreatedAt), Micros(i.ExpiresAt), i.MaxUses)
			if err != nil {
				return b.conflict(err)
			}
			return appendEvents(q, []gateway.Event{e})
		})
	})
}

// readInvitation returns the invitation with this hash. clause is a lock clause of Dialect, or
// empty.
func readInvitation(q Querier, h [32]byte, clause string) (i gateway.Invitation, err error) {
	err = q.Get(`SELECT `+invitationColumns+` FROM invitations WHERE hash = $1 `+clause, []any{h[:]},
		invitationFields(&i)...)
	return i, err
}

// checkUsable returns gateway.ErrExpired when an invitation cannot be used at now.
func checkUsable(q Querier, i gateway.Invitation, now time.Time) error {
	if !now.Before(i.ExpiresAt) || !i.RevokedAt.IsZero() || i.MaxUses > 0 && i.Uses >= i.MaxUses {
		return gateway.ErrExpired
	}
	entitled, err := isEntitled(q, i.CreatedBy)
	if err == nil && !entitled {
		err = gateway.ErrExpired
	}
	return err
}

// isEntitled reports whether creator, who made an invitation or an API key, still has administrator
// rights. These have them: the command line (also written as ""), active administrators, and API keys
// that are not revoked and whose own creator has administrator rights.
func isEntitled(q Querier, creator string) (bool, error) {
	if creator == "" || creator == gateway.ActorCommand {
		return true, nil
	}
	if id, isKey := strings.CutPrefix(creator, gateway.ActorKeyPrefix); isKey {
		var revoked int64
		err := q.Get(`SELECT revoked_at, created_by FROM api_keys WHERE id = $1`, []any{id}, &revoked, &creator)
		switch {
		case errors.Is(err, gateway.ErrNotFound) || err == nil && revoked != 0:
			return false, nil
		case err != nil:
			return false, err
		case creator == "" || creator == gateway.ActorCommand:
			return true, nil
		}
	}
	var entitled bool
	err := q.Get(`SELECT admin AND status = 'active' AND joined_into = '' FROM users WHERE id = $1`, []any{creator},
		&entitled)
	if errors.Is(err, gateway.ErrNotFound) {
		return false, nil
	}
	return entitled, err
}

// Invitation implements gateway.Invitations.
func (b Base) Invitation(ctx context.Context, hash [32]byte, now time.Time) (i gateway.Invitation, err error) {
	err = b.db.Do(ctx, "invitation", func(c Conn) error {
		if i, err = readInvitation(c, hash, ""); err != nil {
			return err
		}
		return checkUsable(c, i, now)
	})
	if err != nil && !errors.Is(err, gateway.ErrExpired) {
		return gateway.Invitation{}, err
	}
	return i, err
}

// InvitationByID implements gateway.Invitations.
func (b Base) InvitationByID(ctx context.Context, id string) (i gateway.Invitation, err error) {
	err = b.db.Do(ctx, "invitation_by_id", func(c Conn) error {
		return c.Get(`SELECT `+invitationColumns+` FROM invitations WHERE id = $1`, []any{gateway.CleanText(id)},
			invitationFields(&i)...)
	})
	if err != nil {
		return gateway.Invitation{}, err
	}
	return i, nil
}

// RevokeInvitation implements gateway.Invitations.
func (b Base) RevokeInvitation(ctx context.Context, id string, now time.Time, e gateway.Event) error {
	return b.revoke(ctx, "revoke_invitation", `UPDATE invitations SET
		revoked_at = CASE revoked_at WHEN 0 THEN $2 ELSE revoked_at END WHERE id = $1`, id, now, e)
}

// Invitations implements gateway.Invitations.
func (b Base) Invitations(ctx context.Context, q gateway.InvitationQuery) (all []gateway.Invitation, err error) {
	where := conditions{sql: []string{`created_at >= 0`}} // always true, so that WHERE is never empty
	if q.Kind != "" {
		where.add(`kind = ?`, string(q.Kind))
	}
	if !q.Before.IsZero() {
		where.sql = append(where.sql, fmt.Sprintf(`(created_at, id) < (%s, %s)`, where.arg(Micros(q.Before)),
			where.arg(gateway.CleanText(q.BeforeID))))
	}
	query := `SELECT ` + invitationColumns + ` FROM invitations WHERE ` + where.where() +
		` ORDER BY created_at DESC, id DESC LIMIT ` + where.arg(q.Page())
	err = b.db.Do(ctx, "invitations", func(c Conn) error {
		all, err = list(c, query, where.args, invitationFields)
		return err
	})
	return all, err
}

// InvitationUses implements gateway.Invitations.
func (b Base) InvitationUses(
	ctx context.Context, q gateway.InvitationUseQuery,
) (all []gateway.InvitationUse, err error) {
	var where conditions
	where.add(`invitation_id = ?`, gateway.CleanText(q.ID))
	if !q.Before.IsZero() {
		where.sql = append(where.sql, fmt.Sprintf(`(at, user_id) < (%s, %s)`, where.arg(Micros(q.Before)),
			where.arg(gateway.CleanText(q.BeforeUser))))
	}
	query := `SELECT user_id, at FROM invitation_uses WHERE ` + where.where() +
		` ORDER BY at DESC, user_id DESC LIMIT ` + where.arg(q.Page())
	err = b.db.Do(ctx, "invitation_uses", func(c Conn) error {
		all, err = list(c, query, where.args, func(u *gateway.InvitationUse) []any {
			return []any{&u.UserID, Time{&u.At}}
		})
		return err
	})
	return all, err
}

package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements RedeemInvitation of gateway.Invitations: a user has opened the link of an
// invitation. Exec changes rows, Get reads one row, and Tx runs a transaction.

// RedeemInvitation implements gateway.Invitations. It locks the row of the invitation first. So of
// concurrent calls, each finds the uses that the others have counted.
func (b Base) RedeemInvitation(ctx context.Context, r gateway.InvitationRedemption) (user gateway.User, used bool,
	err error) {
	withoutUser, withoutWeChat := r.UserID == "", r.WithoutWeChat != nil
	if withoutUser != withoutWeChat {
		return user, false, errors.New("an invitation is used by a user, or without WeChat")
	}
	var refusal error // not an error of the transaction: that would roll back its event
	err = b.db.Do(ctx, "redeem_invitation", func(c Conn) error {
		err := c.Tx(func(q Querier) error {
			i, err := readInvitation(q, r.Hash, b.dialect.LockRow)
			if err != nil {
				return err
			}
			if withoutWeChat {
				used = true
				user, err = b.redeemWithoutWeChat(q, i, r)
			} else {
				user, used, err = b.redeemAsUser(q, i, r)
			}
			refusal = nil
			if errors.Is(err, gateway.ErrBlocked) || errors.Is(err, gateway.ErrRefused) {
				refusal = err
				return appendEvents(q, []gateway.Event{refusedUse(i, r)})
			}
			return err
		})
		return cmp.Or(err, refusal)
	})
	if err != nil {
		return gateway.User{}, false, err
	}
	return user, used, nil
}

// refusedUse returns the event of a blocked or refused user who tries to use an invitation.
func refusedUse(i gateway.Invitation, r gateway.InvitationRedemption) gateway.Event {
	e := r.Event
	e.Kind, e.Outcome, e.At = gateway.EventInvitationRefused, "refused", r.Now
	e.UserID = cmp.Or(r.UserID, i.UserID)
	e.Detail = "invitation " + i.ID + "; created by " + i.CreatedBy
	return e
}

// redeemAsUser uses an invitation for a user who is signed in.
func (b Base) redeemAsUser(q Querier, i gateway.Invitation, r gateway.InvitationRedemption) (user gateway.User,
	used bool, err error) {
	before, err := lockUser(q, r.UserID, b.dialect.ForUpdate)
	if err != nil {
		return user, false, err
	}
	if before.Status == gateway.Blocked {
		return user, false, gateway.ErrBlocked
	}
	var usedBefore bool
	err = q.Get(`SELECT count(*) > 0 FROM invitation_uses WHERE invitation_id = $1 AND user_id = $2`,
		[]any{i.ID, before.ID}, &usedBefore)
	if err != nil || usedBefore {
		return before, false, err
	}
	if err := checkUsable(q, i, r.Now); err != nil {
		return user, false, err
	}
	var effect string
	switch i.Kind {
	case gateway.InviteUser:
		user, effect, err = b.redeemApproval(q, i, before, r)
	case gateway.InviteAdmin:
		user, effect, err = b.redeemAdmin(q, i, before, r)
	case gateway.InviteMove:
		user, effect, err = b.redeemMove(q, i, before, r)
	}
	if err != nil || effect == "" {
		return user, false, err
	}
	return user, true, countUse(q, i, user.ID, effect, r)
}

// redeemApproval uses an InviteUser link. effect describes what the link changed; "" = nothing.
// Apps that an administrator has refused to the user stay refused.
func (b Base) redeemApproval(q Querier, i gateway.Invitation, before gateway.User, r gateway.InvitationRedemption) (
	user gateway.User, effect string, err error) {
	// Without apps, the invitation is for all apps: it makes the user Active.
	hasAccess, apps := before.Status == gateway.Active, without(i.Apps, before.RefusedApps)
	if len(i.Apps) > 0 {
		if len(apps) == 0 {
			return user, "", gateway.ErrRefused
		}
		hasAccess = len(without(apps, before.AllowedApps)) == 0
	}
	if hasAccess && len(without(i.Groups, before.Groups)) == 0 {
		return before, "", nil
	}
	user, err = b.decide(q, before, gateway.AccessDecision{Apps: apps, Groups: i.Groups, State: gateway.RequestApproved,
		At: r.Now, By: i.CreatedBy})
	effect = "approved for " + cmp.Or(strings.Join(apps, ", "), "all apps")
	refused := before.RefusedApps
	if len(i.Apps) > 0 {
		refused = without(i.Apps, apps)
	}
	if len(refused) > 0 {
		effect += "; still refused for " + strings.Join(refused, ", ")
	}
	if len(i.Groups) > 0 {
		effect += "; groups " + strings.Join(i.Groups, ", ")
	}
	return user, effect, err
}

// redeemAdmin uses an InviteAdmin link for a user who is signed in.
func (b Base) redeemAdmin(q Querier, i gateway.Invitation, before gateway.User, r gateway.InvitationRedemption) (
	user gateway.User, effect string, err error) {
	if i.UserID != "" {
		meant, err := readUser(q, i.UserID)
		if err != nil {
			return user, "", err
		}
		if meant.ID != before.ID { // the link is bound to another user
			return user, "", gateway.ErrConflict
		}
	}
	if isAdmin(before) {
		return before, "", nil
	}
	after, err := edit(before, r.Now, func(u *gateway.User) error { u.Admin, u.Status = true, gateway.Active; return nil })
	if err != nil {
		return user, "", err
	}
	user, err = b.writeChange(q, before, after, r.Now, i.CreatedBy)
	return user, "made an administrator", err
}

// redeemMove uses an InviteMove link. The user of the link gets the WeChat account of the user
// from, who is then joined into the user of the link.
func (b Base) redeemMove(q Querier, i gateway.Invitation, from gateway.User, r gateway.InvitationRedemption) (
	user gateway.User, effect string, err error) {
	target, err := lockUser(q, i.UserID, b.dialect.ForUpdate)
	switch {
	case err != nil:
		return user, "", err
	case target.ID == from.ID:
		return from, "", nil
	case target.Status == gateway.Blocked:
		return user, "", gateway.ErrBlocked
	}
	// The old WeChat account must not sign in any more, so all its identities are deleted.
	if _, err := q.Exec(`DELETE FROM identities WHERE user_id = $1`, target.ID); err != nil {
		return user, "", err
	}
	user, events, err := b.mergeInto(q, target, from, r.Now)
	if err != nil {
		return user, "", err
	}
	return user, "moved to another WeChat account; joined user " + from.ID, appendEvents(q, events)
}

// redeemWithoutWeChat uses an InviteAdmin link in a browser in which nobody signed in at WeChat.
// Each use is counted, because each creates a session.
func (b Base) redeemWithoutWeChat(q Querier, i gateway.Invitation, r gateway.InvitationRedemption) (user gateway.User,
	err error) {
	if i.Kind != gateway.InviteAdmin {
		return user, gateway.ErrNotFound
	}
	if err := checkUsable(q, i, r.Now); err != nil {
		return user, err
	}
	effect := "signed in without WeChat"
	meant := i.UserID
	if meant == "" {
		if meant, err = linkAdmin(q); err != nil {
			return user, err
		}
	}
	if meant == "" {
		user = gateway.User{ID: gateway.NewID(), Status: gateway.Active, Admin: true, CreatedAt: r.Now, UpdatedAt: r.Now}
		if _, err := q.Exec(putUser, userArgs(user)...); err != nil {
			return user, err
		}
		effect = "signed in without WeChat; new administrator"
	} else if user, err = lockUser(q, meant, b.dialect.ForUpdate); err != nil {
		return user, err
	}
	if user.Status == gateway.Blocked {
		return user, gateway.ErrBlocked
	}
	if !isAdmin(user) {
		after, err := edit(user, r.Now, func(u *gateway.User) error { u.Admin, u.Status = true, gateway.Active; return nil })
		if err != nil {
			return user, err
		}
		if _, err = b.writeChange(q, user, after, r.Now, i.CreatedBy); err != nil {
			return user, err
		}
	}
	if err := b.putSession(q, *r.WithoutWeChat, user.ID, r.Now); err != nil {
		return user, err
	}
	if user, err = readUser(q, user.ID); err != nil {
		return user, err
	}
	return user, countUse(q, i, user.ID, effect, r)
}

// linkAdmin returns the id of the administrator whom an earlier link without a user made: active,
// without an identity, a name and a note, so that nothing tells one such administrator from another.
// "" = none.
func linkAdmin(q Querier) (id string, err error) {
	err = q.Get(`SELECT id FROM users WHERE admin AND status = 'active' AND joined_into = '' AND nickname = ''
		AND real_name = '' AND note = '' AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.user_id = users.id)
		ORDER BY seq LIMIT 1`, nil, &id)
	if errors.Is(err, gateway.ErrNotFound) {
		return "", nil
	}
	return id, err
}

// countUse counts a use of an invitation, if one is left, and appends the event. Only a use without
// WeChat can repeat an earlier use by the same user: it replaces the time of the earlier use.
func countUse(q Querier, i gateway.Invitation, userID, effect string, r gateway.InvitationRedemption) error {
	n, err := q.Exec(`
		UPDATE invitations SET uses = uses + 1
		WHERE id = $1 AND (max_uses = 0 OR uses < max_uses) AND revoked_at = 0 AND expires_at > $2`, i.ID, Micros(r.Now))
	if err == nil && n == 0 {
		err = gateway.ErrExpired
	}
	if err != nil {
		return err
	}
	_, err = q.Exec(`
		INSERT INTO invitation_uses (invitation_id, user_id, at, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (invitation_id, user_id) DO UPDATE SET at = $3`, i.ID, userID, Micros(r.Now), Micros(i.ExpiresAt))
	if err != nil {
		return err
	}
	e := r.Event
	e.UserID, e.At = userID, r.Now
	details := []string{e.Detail, effect, "invitation " + i.ID, "created by " + i.CreatedBy}
	e.Detail = strings.Join(slices.DeleteFunc(details, func(s string) bool { return s == "" }), "; ")
	return appendEvents(q, []gateway.Event{e})
}

package administration

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Invite describes a new invitation: a link that approves its users (InviteUser), makes a user an
// administrator (InviteAdmin), or moves a user to another WeChat account (InviteMove).
type Invite struct {
	Kind    gateway.InvitationKind
	UserID  string        // the user whom the link is for: required for InviteMove, optional for InviteAdmin
	Apps    []string      // of InviteUser: apps that the user may use; empty = all apps
	Groups  []string      // of InviteUser
	Note    string        // for administrators: whom the link is for
	Expires time.Duration // 0 = DefaultExpiry of the kind
	MaxUses int           // of InviteUser; 0 = no limit; links of the other kinds work once
}

// MaxUses is the highest value of Invite.MaxUses.
const MaxUses = 100_000

// DefaultExpiry returns how long a link of a kind works by default.
func DefaultExpiry(kind gateway.InvitationKind) time.Duration {
	if kind == gateway.InviteUser {
		return 7 * 24 * time.Hour
	}
	return time.Hour
}

// MaxLinkExpiry limits how long an invitation works if an administrator makes it after a sign-in by
// link, without WeChat. The session ends within an hour. Without this limit, an attacker who got
// the link could make an invitation that works for a year.
const MaxLinkExpiry = 24 * time.Hour

// MaxExpiry returns how long a link of a kind works at most. Links for administrators and for
// moving a user can replace a sign-in, so they work for a day at most.
func MaxExpiry(kind gateway.InvitationKind) time.Duration {
	if kind == gateway.InviteUser {
		return 365 * 24 * time.Hour
	}
	return 24 * time.Hour
}

// Invite creates an invitation and returns its link, to be shown once: the store has only a hash of
// the secret.
func (s *Service) Invite(ctx context.Context, by Actor, in Invite) (gateway.Invitation, string, error) {
	if err := s.check(ctx, by); err != nil {
		return gateway.Invitation{}, "", err
	}
	if by.Link && in.Expires == 0 {
		in.Expires = min(DefaultExpiry(in.Kind), MaxLinkExpiry)
	}
	if by.Link && in.Expires > MaxLinkExpiry {
		return gateway.Invitation{}, "", &FieldError{Field: "expires", Key: Invalid, Value: formatSpan(in.Expires)}
	}
	i, err := s.invitation(ctx, in)
	if err != nil {
		return gateway.Invitation{}, "", err
	}
	secret := gateway.NewID()
	i.Hash, i.CreatedBy = gateway.InvitationHash(secret), by.ID
	e := s.event(by, EventInvitationCreated, describeInvitation(i))
	e.UserID = i.UserID
	if err := s.store.CreateInvitation(ctx, i, e); err != nil {
		return gateway.Invitation{}, "", err
	}
	return i, s.cfg.URL + "/invite/" + secret, nil
}

// invitation returns a new invitation without its secret, or a FieldError.
func (s *Service) invitation(ctx context.Context, in Invite) (i gateway.Invitation, err error) {
	now := s.cfg.Now()
	i = gateway.Invitation{ID: gateway.NewID(), Kind: in.Kind, CreatedAt: now, MaxUses: 1}
	if in.Expires == 0 {
		in.Expires = DefaultExpiry(in.Kind)
	}
	if in.Expires < time.Minute || in.Expires > MaxExpiry(in.Kind) {
		return i, &FieldError{Field: "expires", Key: Invalid, Value: formatSpan(in.Expires)}
	}
	i.ExpiresAt = now.Add(in.Expires)
	if i.Note, err = cleanParagraph("note", in.Note, MaxNote); err != nil {
		return i, err
	}
	switch in.Kind {
	case gateway.InviteUser:
		if in.UserID != "" {
			return i, &FieldError{Field: "user_id", Key: Invalid}
		}
		if in.MaxUses < 0 || in.MaxUses > MaxUses {
			return i, &FieldError{Field: "max_uses", Key: Invalid, Value: fmt.Sprint(in.MaxUses)}
		}
		i.MaxUses = in.MaxUses
		if i.Apps, err = s.cleanApps(in.Apps); err != nil {
			return i, err
		}
		i.Groups, err = CleanGroups(in.Groups)
		return i, err
	case gateway.InviteMove:
		if in.UserID == "" {
			return i, &FieldError{Field: "user_id", Key: Required}
		}
	case gateway.InviteAdmin: // with or without a user
	default:
		return i, &FieldError{Field: "kind", Key: Invalid, Value: gateway.CleanLine(string(in.Kind))}
	}
	if len(in.Apps) > 0 || len(in.Groups) > 0 || in.MaxUses > 1 {
		return i, &FieldError{Field: "kind", Key: Invalid, Value: string(in.Kind)}
	}
	if in.UserID == "" {
		return i, nil
	}
	user, err := s.store.User(ctx, in.UserID)
	if err == nil && user.Status == gateway.Blocked {
		err = gateway.ErrBlocked
	}
	i.UserID = user.ID
	return i, err
}

// describeInvitation describes an invitation for an event. It leaves the note out, because a note
// can have the name of a user, and events outlive users.
func describeInvitation(i gateway.Invitation) string {
	parts := []string{"invitation " + i.ID, "kind " + string(i.Kind)}
	if i.Kind == gateway.InviteUser {
		parts = append(parts, "for "+appList(i.Apps))
		if len(i.Groups) > 0 {
			parts = append(parts, "groups "+strings.Join(i.Groups, ", "))
		}
		uses := "any number of uses"
		if i.MaxUses > 0 {
			uses = fmt.Sprintf("uses %d", i.MaxUses)
		}
		parts = append(parts, uses)
	}
	return strings.Join(append(parts, "until "+i.ExpiresAt.UTC().Format(time.RFC3339)), "; ")
}

// Invitations returns invitations, newest first.
func (s *Service) Invitations(ctx context.Context, q gateway.InvitationQuery) ([]gateway.Invitation, error) {
	return s.store.Invitations(ctx, q)
}

// Invitation returns an invitation and a page of its uses, the latest first.
func (s *Service) Invitation(
	ctx context.Context, q gateway.InvitationUseQuery,
) (gateway.Invitation, []gateway.InvitationUse, error) {
	i, err := s.store.InvitationByID(ctx, q.ID)
	if err != nil {
		return gateway.Invitation{}, nil, err
	}
	uses, err := s.store.InvitationUses(ctx, q)
	return i, uses, err
}

// RevokeInvitation makes an invitation unusable.
func (s *Service) RevokeInvitation(ctx context.Context, by Actor, id string) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	return s.store.RevokeInvitation(ctx, id, s.cfg.Now(), s.event(by, EventInvitationRevoked, "invitation "+id))
}

// InvitationState is the state of an invitation.
type InvitationState string

// The states of an invitation.
const (
	InvitationUsable  InvitationState = "usable"
	InvitationExpired InvitationState = "expired"
	InvitationRevoked InvitationState = "revoked"
	InvitationUsedUp  InvitationState = "used_up"
)

// StateOf returns the state of an invitation at now. A usable invitation still does not work when
// its creator is not an administrator any more.
func StateOf(i gateway.Invitation, now time.Time) InvitationState {
	switch {
	case !i.RevokedAt.IsZero():
		return InvitationRevoked
	case i.MaxUses > 0 && i.Uses >= i.MaxUses:
		return InvitationUsedUp
	case !now.Before(i.ExpiresAt):
		return InvitationExpired
	}
	return InvitationUsable
}

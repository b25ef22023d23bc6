package gateway

import (
	"context"
	"time"
)

// InvitationKind is what a link does for the user who opens it.
type InvitationKind string

// The kinds of invitations.
const (
	InviteUser  InvitationKind = "user"  // approves the user for Apps, and adds the user to Groups
	InviteAdmin InvitationKind = "admin" // makes the user an administrator, or signs UserID in without WeChat
	InviteMove  InvitationKind = "move"  // moves the user UserID to the WeChat account in which the link is opened
)

// Invitation is a link that an administrator made. Opening the link changes nothing: previews and
// scanners open links. The user presses a button. What the link grants is read from this row, never
// from the request.
type Invitation struct {
	ID     string   // opaque, for lists
	Hash   [32]byte // SHA-256 of the secret in the link, which is shown once
	Kind   InvitationKind
	UserID string   // of InviteMove, and optional for InviteAdmin: the user whom the link is for
	Apps   []string // of InviteUser: apps that the user may use; empty = all apps: the user becomes Active
	Groups []string // of InviteUser: groups that the user gets in addition
	Note   string   // for administrators: whom the link is for
	// CreatedBy is Event.Actor. If this is a user, the link works only while the user is an
	// administrator. If this is an API key, it works until the key is revoked or its creator loses
	// the rights of an administrator.
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // required
	MaxUses   int       // 0 = no limit
	Uses      int       // how many users have used it
	RevokedAt time.Time // zero = not revoked
}

// InvitationUse is one use of an invitation.
type InvitationUse struct {
	UserID string
	At     time.Time
}

// InvitationUseQuery selects uses of an invitation, the latest first.
type InvitationUseQuery struct {
	ID string // of the invitation
	// Before and BeforeUser are At and UserID of the last use of the previous page; zero = start with
	// the latest.
	Before     time.Time
	BeforeUser string
	Limit      int // 0 = 50; more than 500 counts as 500
}

// Page returns the number of rows that q selects at most.
func (q InvitationUseQuery) Page() int { return pageSize(q.Limit) }

// InvitationQuery selects invitations, newest first. The zero value selects the newest 50.
type InvitationQuery struct {
	Kind InvitationKind // "" = any
	// Before and BeforeID are CreatedAt and ID of the last invitation of the previous page; zero =
	// start with the newest.
	Before   time.Time
	BeforeID string
	Limit    int // 0 = 50; more than 500 counts as 500
}

// Page returns the number of rows that q selects at most.
func (q InvitationQuery) Page() int { return pageSize(q.Limit) }

// InvitationRedemption is the use of an invitation by a user who is signed in.
type InvitationRedemption struct {
	Hash   [32]byte
	UserID string // who uses the link; "" only with WithoutWeChat
	Now    time.Time
	Event  Event // appended in the same transaction; UserID, At and Detail are completed by the store
	// WithoutWeChat redeems an InviteAdmin link in a browser in which nobody signed in at WeChat. The
	// session is stored for Invitation.UserID. When that is empty, it is stored for the active
	// administrator without identity, name and note whom an earlier link made, or for a new user when
	// there is none: without WeChat nothing tells two such users apart, and each link would add one.
	// nil = UserID has signed in.
	WithoutWeChat *Session
}

// Invitations stores invitations and their uses.
type Invitations interface {
	// CreateInvitation stores an invitation and appends e, in one transaction. ErrConflict when its id
	// or hash exists.
	CreateInvitation(ctx context.Context, i Invitation, e Event) error

	// Invitation returns an invitation that can be used at now. ErrNotFound when there is none with
	// this hash. ErrExpired in these cases: it has expired, was revoked, has been used MaxUses times,
	// or CreatedBy is a user without administrator rights now. With ErrExpired, the
	// invitation is returned too.
	Invitation(ctx context.Context, hash [32]byte, now time.Time) (Invitation, error)

	// RedeemInvitation uses an invitation, in one transaction, and returns the changed user. used is
	// false when the invitation gives the user nothing new, or when the user has used it before: then
	// no use is counted and nothing changes. Concurrent calls do not exceed MaxUses either.
	//
	// InviteUser approves the user as DecideAccess does, but never for an app in User.RefusedApps: a
	// refusal is the decision of an administrator about this user, and a link is not. InviteAdmin
	// makes the user Active and an administrator. InviteMove joins the user into the user
	// Invitation.UserID and moves the identities. Earlier identities of Invitation.UserID are deleted,
	// because they belong to the old WeChat account. All sessions and grants of both users end.
	//
	// ErrBlocked when the user is blocked, or for InviteMove when one of the two is. ErrRefused when
	// all apps of the invitation are refused to the user. Both append an event of the kind
	// EventInvitationRefused; nothing else is stored. ErrConflict when an InviteAdmin link for UserID
	// is used by another user. ErrLastAdmin as for ChangeUser. The errors of Invitation apply. With
	// any other error, nothing is stored. No error counts a use.
	RedeemInvitation(ctx context.Context, r InvitationRedemption) (user User, used bool, err error)

	// InvitationByID returns an invitation, usable or not. ErrNotFound when there is none with this
	// id.
	InvitationByID(ctx context.Context, id string) (Invitation, error)

	// RevokeInvitation makes an invitation unusable, and appends e in the same transaction. Revoking
	// it again is not an error. ErrNotFound when there is none with this id.
	RevokeInvitation(ctx context.Context, id string, now time.Time, e Event) error

	// Invitations returns invitations, newest first, usable or not, until a sweep deletes them (90
	// days after they expired).
	Invitations(ctx context.Context, q InvitationQuery) ([]Invitation, error)

	// InvitationUses returns uses of an invitation, the latest first.
	InvitationUses(ctx context.Context, q InvitationUseQuery) ([]InvitationUse, error)
}

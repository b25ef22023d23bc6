package api

import (
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

var invitationOperations = []operation{
	{
		id: "listInvitations", method: http.MethodGet, path: "/invitations", scope: administration.ScopeInvitationsRead,
		query: join([]parameter{
			{name: "kind", kind: wordKind, words: []string{"user", "admin", "move"}, doc: "kind of the links", like: "user"},
		}, pageParameters),
		answer: InvitationPage{}, serve: (*Handler).listInvitations,
		summary: "List invitations",
	},
	{
		id: "createInvitation", method: http.MethodPost, path: "/invitations", scope: administration.ScopeInvitationsWrite,
		body: NewInvitation{}, answer: CreatedInvitation{}, status: http.StatusCreated,
		codes: []string{"browser_only", "not_found", "user_blocked"}, serve: (*Handler).createInvitation,
		summary: "Make an invitation",
		text: "The answer has the link, which cannot be read again. A link of kind move for an administrator needs " +
			"admins:write too. Links that make administrators are made at /admin or by the command weigate admin invite.",
	},
	{
		id: "getInvitation", method: http.MethodGet, path: "/invitations/{invitation}",
		scope: administration.ScopeInvitationsRead, query: pageParameters, answer: InvitationDetails{},
		codes: []string{"not_found"}, serve: (*Handler).getInvitation,
		summary: "Return an invitation, with the users who have used it",
		text:    "The parameters select a page of the users.",
	},
	{
		id: "revokeInvitation", method: http.MethodDelete, path: "/invitations/{invitation}",
		scope: administration.ScopeInvitationsWrite, codes: []string{"not_found"}, serve: (*Handler).revokeInvitation,
		summary: "Revoke an invitation",
		text:    "The link stops working; users who have used it stay. Revoking again is not an error.",
	},
}

func (h *Handler) listInvitations(c *call) (any, error) {
	at := c.after()
	invitations, err := h.cfg.Service.Invitations(c.ctx, gateway.InvitationQuery{
		Kind: gateway.InvitationKind(c.text("kind")), Before: at.Time, BeforeID: at.ID, Limit: c.limit() + 1,
	})
	if err != nil {
		return nil, err
	}
	invitations, next := pageOf(invitations, c.limit(), func(i gateway.Invitation) cursor {
		return cursor{ID: i.ID, Time: i.CreatedAt}
	})
	return InvitationPage{Invitations: convert(invitations, invitationOf), Next: next}, nil
}

// maxExpiresIn is ten years in seconds. More could overflow a time.Duration; the service has
// smaller limits for each kind of invitation.
const maxExpiresIn = 10 * 365 * 24 * 60 * 60

func (h *Handler) createInvitation(c *call) (any, error) {
	b := c.body.(*NewInvitation)
	switch kind := gateway.InvitationKind(b.Kind); {
	case kind == gateway.InviteAdmin:
		// With such a link, the holder of a key could become an administrator, who has more rights.
		return nil, newProblem("browser_only", "links that make administrators")
	case kind == gateway.InviteMove && b.UserID != "":
		if err := h.guardAdmins(c, b.UserID); err != nil {
			return nil, err
		}
	}
	if b.ExpiresIn < 0 || b.ExpiresIn > maxExpiresIn {
		return nil, fieldProblem("invalid_value", "expires_in", "must be a number of seconds")
	}
	i, link, err := h.cfg.Service.Invite(c.ctx, c.by, administration.Invite{
		Kind: gateway.InvitationKind(b.Kind), UserID: b.UserID, Apps: b.Apps, Groups: b.Groups, Note: b.Note,
		Expires: time.Duration(b.ExpiresIn) * time.Second, MaxUses: b.MaxUses,
	})
	if err != nil {
		return nil, err
	}
	return CreatedInvitation{Invitation: invitationOf(i), Link: link}, nil
}

func (h *Handler) getInvitation(c *call) (any, error) {
	at := c.after()
	i, uses, err := h.cfg.Service.Invitation(c.ctx, gateway.InvitationUseQuery{
		ID: c.path("invitation"), Before: at.Time, BeforeUser: at.ID, Limit: c.limit() + 1,
	})
	if err != nil {
		return nil, err
	}
	uses, next := pageOf(uses, c.limit(), func(u gateway.InvitationUse) cursor { return cursor{ID: u.UserID, Time: u.At} })
	return InvitationDetails{Invitation: invitationOf(i), Next: next, Uses: convert(uses,
		func(u gateway.InvitationUse) InvitationUse { return InvitationUse{UserID: u.UserID, At: u.At} })}, nil
}

func (h *Handler) revokeInvitation(c *call) (any, error) {
	return nil, h.cfg.Service.RevokeInvitation(c.ctx, c.by, c.path("invitation"))
}

package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// This file has the acts on one user that need a recent sign-in. Each act has a page that explains
// it, and a form that does it.

// actPage is the page that explains an act.
type actPage struct {
	*screen
	User     gateway.User
	Details  administration.Details
	Act      string // admin, demote, merge, unlink, move, delete; selects the texts
	Action   string // where the form is sent
	Problems problems
	Other    string            // merge: the typed id of the other user
	Found    *gateway.User     // merge: the other user; nil = not found yet
	Identity *gateway.Identity // unlink: the identity to remove
	Typed    string            // delete: what was typed as confirmation
}

// showAct writes the page of an act.
func (h *Handler) showAct(v *visit, status int, p actPage) error {
	p.screen, p.User = h.screen(v), p.Details.User
	p.Action = v.r.URL.EscapedPath()
	return h.write(v, web.Document{View: "act", Status: status, Title: h.text(v, "act."+p.Act+".title"), Data: p})
}

// details returns the user of the path.
func (h *Handler) details(v *visit) (administration.Details, error) {
	return h.cfg.Service.Details(v.r.Context(), v.r.PathValue("id"))
}

// askAdmin serves the page that makes a user an administrator, or takes the rights away.
func (h *Handler) askAdmin(v *visit) error {
	d, err := h.details(v)
	if err != nil {
		return err
	}
	return h.showAct(v, http.StatusOK, actPage{Details: d, Act: adminAct(d.User)})
}

// adminAct returns the act that the page offers: the opposite of the user's present rights.
func adminAct(u gateway.User) string {
	if u.Admin {
		return "demote"
	}
	return "admin"
}

// setAdmin serves the form of askAdmin. The form names the act that the page offered, so that the
// form of an old page does not do the opposite.
func (h *Handler) setAdmin(v *visit) error {
	admin := v.r.PostForm.Get("act") == "admin"
	if !admin && v.r.PostForm.Get("act") != "demote" {
		return errInput
	}
	user, err := h.cfg.Service.SetAdmin(v.r.Context(), h.by(v), v.r.PathValue("id"), admin)
	if err != nil {
		return err
	}
	h.done(v, h.userPath(user.ID), adminDone(admin), 1)
	return nil
}

func adminDone(admin bool) string {
	if admin {
		return "admin"
	}
	return "demote"
}

// askMerge serves the page that joins another user into this one: first a field for the other
// user's id, then both users side by side.
func (h *Handler) askMerge(v *visit) error {
	d, err := h.details(v)
	if err != nil {
		return err
	}
	p := actPage{Details: d, Act: "merge", Other: gateway.CleanLine(v.r.URL.Query().Get("other"))}
	if p.Other == "" {
		return h.showAct(v, http.StatusOK, p)
	}
	found, err := h.cfg.Service.Find(v.r.Context(), strings.TrimSpace(p.Other))
	switch reason := reasonOf(err); {
	case reason == "not_found" || reason == "ambiguous":
		p.Problems = problems{"other": h.text(v, "problem.merge_"+reason)}
	case err != nil:
		return err
	case found.ID == d.User.ID:
		p.Problems = problems{"other": h.text(v, "problem.merge_same")}
	default:
		p.Found = &found
	}
	return h.showAct(v, http.StatusOK, p)
}

// merge serves the form of askMerge. The user of the page stays. The other user is joined into this
// user.
func (h *Handler) merge(v *visit) error {
	user, err := h.cfg.Service.Merge(v.r.Context(), h.by(v), v.r.PathValue("id"), v.r.PostForm.Get("other"))
	if err != nil {
		return err
	}
	h.done(v, h.userPath(user.ID), "merge", 1)
	return nil
}

// askUnlink serves the page that removes one identity of a user.
func (h *Handler) askUnlink(v *visit) error {
	d, err := h.details(v)
	if err != nil {
		return err
	}
	identity, err := findIdentity(d, v.r.URL.Query().Get("identity"))
	if err != nil {
		return err
	}
	return h.showAct(v, http.StatusOK, actPage{Details: d, Act: "unlink", Identity: &identity})
}

// identityKey identifies an identity in addresses and forms, without its openid.
func identityKey(i gateway.Identity) string {
	sum := sha256.Sum256([]byte("weigate identity form\x00" + i.AppID + " " + i.OpenID))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// findIdentity returns the identity of a user with this key. The identity of another user is not
// found.
func findIdentity(d administration.Details, key string) (gateway.Identity, error) {
	for _, identity := range d.Identities {
		if identityKey(identity) == key {
			return identity, nil
		}
	}
	return gateway.Identity{}, gateway.ErrNotFound
}

// Key returns the key of an identity. Templates call it.
func (s *screen) Key(i gateway.Identity) string { return identityKey(i) }

func (h *Handler) unlink(v *visit) error {
	d, err := h.details(v)
	if err != nil {
		return err
	}
	identity, err := findIdentity(d, v.r.PostForm.Get("identity"))
	if err != nil {
		return err
	}
	err = h.cfg.Service.Unlink(v.r.Context(), h.by(v), d.User.ID, identity.AppID, identity.OpenID)
	if err != nil {
		return err
	}
	h.done(v, h.userPath(d.User.ID), "unlink", 1)
	return nil
}

// askMove serves the page that makes the link with which a user continues in another WeChat
// account.
func (h *Handler) askMove(v *visit) error {
	d, err := h.details(v)
	if err != nil {
		return err
	}
	return h.showAct(v, http.StatusOK, actPage{Details: d, Act: "move"})
}

func (h *Handler) move(v *visit) error {
	d, err := h.details(v)
	if err != nil {
		return err
	}
	made, link, err := h.cfg.Service.Invite(v.r.Context(), h.by(v), administration.Invite{
		Kind: gateway.InviteMove, UserID: d.User.ID, Expires: moveLinkTime,
	})
	if err != nil {
		return err
	}
	return h.showLink(v, made, link)
}

// askDelete serves the page that deletes a user.
func (h *Handler) askDelete(v *visit) error {
	d, err := h.details(v)
	if err != nil {
		return err
	}
	return h.showAct(v, http.StatusOK, actPage{Details: d, Act: "delete"})
}

// delete serves the form of askDelete. The administrator types the end of the user's id, because a
// deletion cannot be undone.
func (h *Handler) delete(v *visit) error {
	d, err := h.details(v)
	if err != nil {
		return err
	}
	typed := v.r.PostForm.Get("confirm")
	if typed != confirmation(d.User) {
		return h.showAct(v, http.StatusBadRequest, actPage{
			Details: d, Act: "delete", Typed: typed, Problems: problems{"confirm": h.text(v, "problem.confirm")},
		})
	}
	if err := h.cfg.Service.Delete(v.r.Context(), h.by(v), d.User.ID); err != nil {
		return err
	}
	h.done(v, h.root+"/users", "delete", 1)
	return nil
}

// confirmation is what the administrator types to delete a user.
func confirmation(u gateway.User) string { return u.ID[max(0, len(u.ID)-idTail):] }

// Confirmation returns what the administrator types to delete the user. The template calls it.
func (p actPage) Confirmation() string { return confirmation(p.User) }

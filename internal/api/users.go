package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

var keyOperations = []operation{
	{
		id: "getKey", method: http.MethodGet, path: "/key", answer: Key{}, serve: (*Handler).getKey,
		summary: "Return the API key of the request",
		text:    "To check a key and its scopes. Any valid key may do this. The key itself is not in the answer.",
	},
}

// searchLimitText describes a search that stops after gateway.MaxRead rows.
const searchLimitText = "A search reads at most 5000 rows. When it stops there, cut is true, and the page may have " +
	"few rows or none; next continues it."

// ofAdmins is the sentence about guardAdmins in the OpenAPI document.
const ofAdmins = " If the user is an administrator, the key also needs admins:write."

var userOperations = []operation{
	{
		id: "searchUsers", method: http.MethodGet, path: "/users", scope: administration.ScopeUsersRead,
		query: join(userParameters, pageParameters), answer: UserPage{}, serve: (*Handler).searchUsers,
		summary: "Search users",
		text:    "Without parameters: all users. " + searchLimitText,
	},
	{
		id: "exportUsers", method: http.MethodGet, path: "/users/export", scope: administration.ScopeUsersRead,
		query: exportParameters, media: exportMedia, serve: (*Handler).exportUsers,
		summary: "Export all users as CSV or JSON lines",
	},
	{
		id: "findUser", method: http.MethodGet, path: "/users/find", scope: administration.ScopeUsersRead,
		query: []parameter{
			{name: "id", required: true, doc: "user id, openid, unionid or old id", like: "alice@example.com"},
		},
		answer: User{}, etag: true, codes: []string{"not_found", "conflict"}, serve: (*Handler).findUser,
		summary: "Find a user by an id of another system",
		text: "Unlike searchUsers, it never looks at names, which users can choose. conflict means that several users " +
			"have the id.",
	},
	{
		id: "getUser", method: http.MethodGet, path: "/users/{user}", scope: administration.ScopeUsersRead,
		answer: UserDetails{}, etag: true, codes: []string{"not_found"}, serve: (*Handler).getUser,
		summary: "Return a user with identities, sessions and apps",
		text:    "The id of a user who was joined into another returns the other user.",
	},
	{
		id: "editUser", method: http.MethodPatch, path: "/users/{user}", scope: administration.ScopeUsersWrite,
		body: UserEdit{}, answer: User{}, etag: true, ifMatch: true,
		codes: []string{"not_found", "stale"}, serve: (*Handler).editUser,
		summary: "Change names, notes, groups and apps of a user",
		text: "Fields that the body does not have stay as they are. With If-Match, the change is made only if the " +
			"user was not changed since." + ofAdmins,
	},
	{
		id: "deleteUser", method: http.MethodDelete, path: "/users/{user}", scope: administration.ScopeUsersDelete,
		codes: []string{"not_found", "self", "last_admin"}, serve: (*Handler).deleteUser,
		summary: "Delete a user",
		text: "Sessions, tokens and identities of the user are deleted; events keep the user id. At the next sign-in, " +
			"WeChat's account gets a new user: block a user who must not come back." + ofAdmins,
	},
	{
		id: "setAdmin", method: http.MethodPut, path: "/users/{user}/admin", scope: administration.ScopeAdminsWrite,
		body: AdminEdit{}, answer: User{}, etag: true,
		codes: []string{"not_found", "self", "last_admin", "user_blocked", "user_pending"}, serve: (*Handler).setAdmin,
		summary: "Make a user an administrator, or end it",
	},
	{
		id: "mergeUsers", method: http.MethodPost, path: "/users/{user}/merge", scope: administration.ScopeUsersDelete,
		body: Merge{}, answer: User{}, etag: true, codes: []string{"not_found", "conflict", "self", "last_admin"},
		serve:   (*Handler).mergeUsers,
		summary: "Merge two users of one human",
		text: "The user in the path stays. If one of the two is an administrator, the key also needs admins:write, " +
			"because the identities of the one sign in as the other afterwards.",
	},
	{
		id: "unlinkIdentity", method: http.MethodPost, path: "/users/{user}/unlink", scope: administration.ScopeUsersDelete,
		body: Unlink{}, codes: []string{"not_found", "conflict"}, serve: (*Handler).unlinkIdentity,
		summary: "Delete an identity of a user",
		text:    "The last identity of a user cannot be deleted." + ofAdmins,
	},
	{
		id: "endSession", method: http.MethodDelete, path: "/users/{user}/sessions/{session}",
		scope: administration.ScopeUsersWrite, codes: []string{"not_found"}, serve: (*Handler).endSession,
		summary: "End a session of a user",
		text:    ofAdmins[1:],
	},
}

func (h *Handler) getKey(c *call) (any, error) {
	k := c.key
	return Key{ID: k.ID, Name: k.Name, Scopes: list(k.Scopes), CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt}, nil
}

func (h *Handler) searchUsers(c *call) (any, error) {
	found, err := h.cfg.Service.Search(c.ctx, gateway.UserSearch{
		Text: c.text("text"), Status: gateway.Status(c.text("status")), Group: c.text("group"), Admin: c.yes("admin"),
		After: c.after().ID, Limit: c.limit() + 1,
	})
	if err != nil {
		return nil, err
	}
	users, next := found.Users, ""
	switch {
	case found.Cut != "":
		next = cursor{ID: found.Cut}.String()
	case len(users) > c.limit():
		users = users[:c.limit()]
		next = cursor{ID: found.Positions[c.limit()-1]}.String()
	}
	return UserPage{Users: convert(users, userOf), Next: next, Cut: found.Cut != ""}, nil
}

func (h *Handler) findUser(c *call) (any, error) {
	u, err := h.cfg.Service.Find(c.ctx, c.text("id"))
	return c.userAnswer(u, err)
}

func (h *Handler) getUser(c *call) (any, error) {
	d, err := h.cfg.Service.Details(c.ctx, c.path("user"))
	if err != nil {
		return nil, err
	}
	c.setETag(d.User)
	return detailsOf(d), nil
}

func (h *Handler) editUser(c *call) (any, error) {
	seen, err := c.ifMatch()
	if err != nil {
		return nil, err
	}
	if err := h.guardAdmins(c, c.path("user")); err != nil {
		return nil, err
	}
	b := c.body.(*UserEdit)
	u, err := h.cfg.Service.Edit(c.ctx, c.by, c.path("user"), administration.Edit{
		RealName: b.RealName, Note: b.Note, Groups: b.Groups, AllowedApps: b.AllowedApps, RefusedApps: b.RefusedApps,
	}, seen)
	if errors.Is(err, gateway.ErrConflict) {
		err = newProblem("stale", "")
	}
	return c.userAnswer(u, err)
}

func (h *Handler) deleteUser(c *call) (any, error) {
	if err := h.guardAdmins(c, c.path("user")); err != nil {
		return nil, err
	}
	if err := h.guardSelf(c, c.path("user")); err != nil {
		return nil, err
	}
	return nil, h.cfg.Service.Delete(c.ctx, c.by, c.path("user"))
}

func (h *Handler) setAdmin(c *call) (any, error) {
	admin := c.body.(*AdminEdit).Admin
	if !admin {
		if err := h.guardSelf(c, c.path("user")); err != nil {
			return nil, err
		}
	}
	u, err := h.cfg.Service.SetAdmin(c.ctx, c.by, c.path("user"), admin)
	return c.userAnswer(u, err)
}

func (h *Handler) mergeUsers(c *call) (any, error) {
	older, younger := c.path("user"), c.body.(*Merge).Younger
	if err := h.guardAdmins(c, older, younger); err != nil {
		return nil, err
	}
	if err := h.guardSelf(c, older, younger); err != nil {
		return nil, err
	}
	u, err := h.cfg.Service.Merge(c.ctx, c.by, older, younger)
	return c.userAnswer(u, err)
}

func (h *Handler) unlinkIdentity(c *call) (any, error) {
	if err := h.guardAdmins(c, c.path("user")); err != nil {
		return nil, err
	}
	b := c.body.(*Unlink)
	return nil, h.cfg.Service.Unlink(c.ctx, c.by, c.path("user"), b.AppID, b.OpenID)
}

func (h *Handler) endSession(c *call) (any, error) {
	if err := h.guardAdmins(c, c.path("user")); err != nil {
		return nil, err
	}
	return nil, h.cfg.Service.EndSession(c.ctx, c.by, c.path("user"), c.path("session"))
}

// mayChange returns an error if the user is an administrator and the key lacks the scope
// admins:write. Each call passes it to the service as Actor.MayChange.
func (c *call) mayChange(u gateway.User) error {
	if !u.Admin || requireScope(c.key, administration.ScopeAdminsWrite) == nil {
		return nil
	}
	p := newProblem("missing_scope", "the user is an administrator, and the key lacks the scope admins:write")
	p.Scope = administration.ScopeAdminsWrite
	return p
}

// guardAdmins returns an error if one of the users is an administrator and the key lacks the scope
// admins:write. Every operation that changes a user calls guardAdmins. Otherwise, the holder of a
// key with a lesser scope could become an administrator, or lock the administrators out. For
// operations that change the row of a user, mayChange repeats the check in the transaction.
func (h *Handler) guardAdmins(c *call, ids ...string) error {
	if requireScope(c.key, administration.ScopeAdminsWrite) == nil {
		return nil
	}
	for _, id := range ids {
		u, err := h.cfg.Service.Find(c.ctx, id)
		if err != nil {
			return err
		}
		if err := c.mayChange(u); err != nil {
			return err
		}
	}
	return nil
}

// guardSelf returns an error if one of the users made the key: what administrators cannot do to
// themselves, their keys cannot do to them.
func (h *Handler) guardSelf(c *call, ids ...string) error {
	if c.key.CreatedBy == gateway.ActorCommand {
		return nil
	}
	for _, id := range ids {
		u, err := h.cfg.Service.Find(c.ctx, id)
		if err != nil {
			return err
		}
		if u.ID == c.key.CreatedBy {
			return administration.ErrSelf
		}
	}
	return nil
}

// setETag sets the ETag of a user, which is the time of the last change.
func (c *call) setETag(u gateway.User) {
	c.w.Header().Set("ETag", `"`+strconv.FormatInt(u.UpdatedAt.UnixMicro(), 10)+`"`)
}

// userAnswer returns a user as the response of an operation, with the ETag of the user.
func (c *call) userAnswer(u gateway.User, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	c.setETag(u)
	return userOf(u), nil
}

// ifMatch returns the time in the header If-Match; zero = any. Proxies that compress a response
// turn its ETag into a weak one, so the prefix W/ is ignored.
func (c *call) ifMatch() (time.Time, error) {
	text := strings.TrimSpace(c.request.Header.Get("If-Match"))
	if text == "" || text == "*" {
		return time.Time{}, nil
	}
	text = strings.TrimPrefix(text, "W/")
	micros, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
	if err != nil || micros <= 0 {
		return time.Time{}, newProblem("stale", "If-Match is not the ETag of a user")
	}
	return time.UnixMicro(micros).UTC(), nil
}

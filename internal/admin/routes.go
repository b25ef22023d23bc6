package admin

import (
	"net/http"
	"strings"
)

// page is a route: it serves a page (GET), or the form of a page (POST).
type page struct {
	method string
	path   string // below /admin; "" = the overview
	// fresh means that the route requires a recent sign-in at WeChat, because its form gives rights,
	// cannot be undone, or hands out data.
	fresh bool
	open  bool // everybody may use the route, without a sign-in
	serve func(*Handler, *visit) error
}

// routes returns all routes. A test compares the list with the rights of each kind of caller, so
// that no route is without a check.
func routes() []page {
	const get, post = http.MethodGet, http.MethodPost
	return []page{
		{method: get, path: "", serve: (*Handler).overview},
		{method: get, path: "/sign-in", open: true, serve: (*Handler).signInAgain},

		{method: get, path: "/waiting", serve: (*Handler).waiting},
		{method: post, path: "/waiting", serve: (*Handler).decide},

		{method: get, path: "/users", serve: (*Handler).users},
		{method: post, path: "/users", serve: (*Handler).actOnUsers},
		{method: get, path: "/users/export", fresh: true, serve: (*Handler).askExportUsers},
		{method: post, path: "/users/export", fresh: true, serve: (*Handler).exportUsers},
		{method: get, path: "/users/{id}", serve: (*Handler).user},
		{method: post, path: "/users/{id}/edit", serve: (*Handler).edit},
		{method: post, path: "/users/{id}/decide", serve: (*Handler).decideUser},
		{method: post, path: "/users/{id}/block", serve: (*Handler).block},
		{method: post, path: "/users/{id}/unblock", serve: (*Handler).unblock},
		{method: post, path: "/users/{id}/sign-out", serve: (*Handler).signOut},
		{method: post, path: "/users/{id}/end-session", serve: (*Handler).endSession},
		{method: get, path: "/users/{id}/admin", fresh: true, serve: (*Handler).askAdmin},
		{method: post, path: "/users/{id}/admin", fresh: true, serve: (*Handler).setAdmin},
		{method: get, path: "/users/{id}/merge", fresh: true, serve: (*Handler).askMerge},
		{method: post, path: "/users/{id}/merge", fresh: true, serve: (*Handler).merge},
		{method: get, path: "/users/{id}/unlink", fresh: true, serve: (*Handler).askUnlink},
		{method: post, path: "/users/{id}/unlink", fresh: true, serve: (*Handler).unlink},
		{method: get, path: "/users/{id}/move", fresh: true, serve: (*Handler).askMove},
		{method: post, path: "/users/{id}/move", fresh: true, serve: (*Handler).move},
		{method: get, path: "/users/{id}/delete", fresh: true, serve: (*Handler).askDelete},
		{method: post, path: "/users/{id}/delete", fresh: true, serve: (*Handler).delete},

		{method: get, path: "/invitations", serve: (*Handler).invitations},
		{method: get, path: "/invitations/new", serve: (*Handler).askInvite},
		{method: post, path: "/invitations/new", serve: (*Handler).invite},
		{method: get, path: "/invitations/new-admin", fresh: true, serve: (*Handler).askInviteAdmin},
		{method: post, path: "/invitations/new-admin", fresh: true, serve: (*Handler).inviteAdmin},
		{method: get, path: "/invitations/{id}", serve: (*Handler).invitation},
		{method: post, path: "/invitations/{id}/revoke", serve: (*Handler).revokeInvitation},

		{method: get, path: "/apps", serve: (*Handler).apps},
		{method: get, path: "/apps/{id}", serve: (*Handler).app},

		{method: get, path: "/events", serve: (*Handler).events},
		{method: get, path: "/events/export", fresh: true, serve: (*Handler).askExportEvents},
		{method: post, path: "/events/export", fresh: true, serve: (*Handler).exportEvents},

		{method: get, path: "/health", serve: (*Handler).health},
		{method: post, path: "/health/send-again", serve: (*Handler).sendAgain},
		{method: get, path: "/notifications", serve: (*Handler).notifications},
		{method: post, path: "/notifications", serve: (*Handler).testNotification},

		{method: get, path: "/api-keys", serve: (*Handler).apiKeys},
		{method: get, path: "/api-keys/new", fresh: true, serve: (*Handler).askAPIKey},
		{method: post, path: "/api-keys/new", fresh: true, serve: (*Handler).createAPIKey},
		{method: post, path: "/api-keys/{id}/revoke", serve: (*Handler).revokeAPIKey},
	}
}

// pattern returns the pattern of the route for net/http.
func (p page) pattern(root string) string { return p.method + " " + root + p.path }

// formPage returns the path for the button that goes back from a refused request. For a POST route,
// it is the page that has the form. For a GET route, it is the list of the page's section.
func (p page) formPage() string {
	section, below, _ := strings.Cut(strings.TrimPrefix(p.path, "/"), "/")
	isForm := p.method == http.MethodPost
	switch {
	case isForm && (p.fresh || below == "" || below == "new"):
		return p.path
	case isForm && section == "users":
		return "/users/{id}"
	case section == "":
		return ""
	}
	return "/" + section
}

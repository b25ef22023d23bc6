package portal

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// deletion is the data of the page on which users delete themselves.
type deletion struct {
	Path    string
	Session string // session.FormID of this browser, for the form
	SignIn  string // address of the sign-in that has to come first; "" = the form can be sent
	// Problem is why the user cannot be deleted: last_admin, refused or link. "" = they can.
	Problem string
	Missed  bool // the form was sent without the tick in its checkbox
	Late    bool // the form was sent too late after the sign-in
	Name    string
	ID      string
}

// paramSignIn is the query parameter with which the button of a page begins a sign-in.
const paramSignIn = "sign-in"

// errRefused is the error for a user who could escape from a refusal by deleting themselves.
var errRefused = errors.New("portal: an administrator has refused the user an app")

// mayDelete returns an error for a user who cannot delete themselves: a blocked user, and a user to
// whom an administrator has refused a configured app. Both could otherwise sign in again as a new
// user, who may be allowed what they were not: by the access rule of the app, by a list of openids, or
// by an invitation for several users.
func (h *Handler) mayDelete(u gateway.User) error {
	if u.Status == gateway.Blocked {
		return gateway.ErrBlocked
	}
	if slices.ContainsFunc(h.cfg.Apps, func(app gateway.App) bool { return slices.Contains(u.RefusedApps, app.ID) }) {
		return errRefused
	}
	return nil
}

// deletionID begins the id of a login request that precedes a deletion. Only begin makes such ids.
const deletionID = "delete-account."

// maxClockDifference is how much the clocks of two replicas may differ.
const maxClockDifference = time.Minute

// isConfirmedInChat reports whether the user of a browser has just confirmed the deletion in the
// chat of an official account. It is for a gateway without any other sign-in. An ordinary sign-in
// in a chat is not sufficient: an attacker may have given the user the number of the attacker's
// browser. So the login request of the sign-in must be for a deletion: then the chat has warned the
// user of it.
func (h *Handler) isConfirmedInChat(b session.Browser) bool {
	age := h.cfg.Now().Sub(b.AuthTime)
	return h.cfg.ChatOnly && (b.Method == gateway.MethodMessage || b.Method == gateway.MethodFollow) &&
		strings.HasPrefix(b.LoginRequestID, deletionID) && age >= -maxClockDifference && age <= limit.AdminSignInAge.Duration
}

// readDeletion returns the page for the user of a browser.
func (h *Handler) readDeletion(r *http.Request, b session.Browser) (deletion, error) {
	d := deletion{
		Path: h.path, Session: session.FormID(b.Hash), Name: b.User.Nickname, ID: b.User.ID,
	}
	switch {
	case b.Method == gateway.MethodLink:
		d.Problem = "link"
	case h.mayDelete(b.User) != nil:
		d.Problem = "refused"
	case b.User.Admin && b.User.Status == gateway.Active:
		n, err := h.cfg.Store.CountAdmins(r.Context())
		if err != nil {
			return deletion{}, err
		}
		if n <= 1 {
			d.Problem = "last_admin"
		}
	}
	if d.Problem == "" && !b.IsFresh(h.cfg.Now(), limit.AdminSignInAge.Duration) && !h.isConfirmedInChat(b) {
		d.SignIn = h.path + pathDelete + "?" + paramSignIn + "=1"
	}
	return d, nil
}

// showDelete serves GET /delete-account: what a deletion deletes and what stays, and the form. The
// button begins a sign-in first, unless the last one is recent.
func (h *Handler) showDelete(w http.ResponseWriter, r *http.Request) {
	b, ok := h.signedIn(w, r)
	if !ok {
		return
	}
	d, err := h.readDeletion(r, b)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	if d.SignIn != "" && r.URL.Query().Get(paramSignIn) != "" && r.Method == http.MethodGet {
		methods := []string{gateway.MethodWeChat, gateway.MethodWebsite}
		if h.cfg.ChatOnly {
			methods = []string{gateway.MethodMessage, gateway.MethodFollow}
		}
		h.begin(w, r, h.path+pathDelete, methods, true)
		return
	}
	h.writeDelete(w, r, b, d, http.StatusOK)
}

func (h *Handler) writeDelete(w http.ResponseWriter, r *http.Request, b session.Browser, d deletion, status int) {
	doc := web.Document{
		View: "delete", ID: "delete", Wide: true, User: web.UserOf(b.User), Trail: h.trail(r), Data: d, Status: status,
	}
	if status >= http.StatusBadRequest {
		doc.Rejection = web.Rejection{Request: "delete-account", Reason: d.Problem}
	}
	h.write(w, r, doc, "delete")
}

// delete serves POST /delete-account. It deletes the user of the session, and nobody else.
func (h *Handler) delete(w http.ResponseWriter, r *http.Request) {
	b, ok := h.form(w, r, pathDelete)
	if !ok {
		return
	}
	d, err := h.readDeletion(r, b)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	d.Missed, d.Late = r.PostForm.Get("agree") != "1", d.SignIn != ""
	switch {
	case d.Problem != "" || d.Late:
		h.writeDelete(w, r, b, d, http.StatusForbidden)
		return
	case d.Missed:
		h.writeDelete(w, r, b, d, http.StatusUnprocessableEntity)
		return
	}
	ctx, cancel := lasting(r)
	defer cancel()
	event := h.event(r, EventDeleted, b)
	event.Address = "" // a deletion keeps no address
	err = h.cfg.Store.DeleteUserIf(ctx, b.User.ID, h.cfg.Now(), event, h.mayDelete)
	switch {
	case errors.Is(err, gateway.ErrLastAdmin):
		d.Problem = "last_admin"
		h.writeDelete(w, r, b, d, http.StatusForbidden)
		return
	case errors.Is(err, errRefused), errors.Is(err, gateway.ErrBlocked):
		d.Problem = "refused"
		h.writeDelete(w, r, b, d, http.StatusForbidden)
		return
	case err != nil && !errors.Is(err, gateway.ErrNotFound): // not found: a second press of the button
		h.cfg.Site.Error(w, r, err)
		return
	}
	if err := h.cfg.SignIn.End(w, r); err != nil { // the session is deleted; its cookie is cleared
		h.cfg.Logger.ErrorContext(ctx, "session not ended", "error", err, "request_id", h.cfg.RequestID(ctx))
	}
	h.write(w, r, web.Document{View: "deleted", ID: "deleted", Tone: web.Good, Data: d}, "deleted")
}

package portal

import (
	"errors"
	"net/http"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file ends sessions and authorizations, always those of the user whose session sent the form.

// Kinds of the events that this package appends.
const (
	EventSignOutAll    = "sign_out_everywhere" // a user ended all their sessions
	EventSignOutOthers = "sign_out_others"     // a user ended all their sessions but one
	EventEndBrowser    = "sign_out_browser"    // a user ended the session of one of their browsers
	EventWithdrawn     = "access_withdrawn"    // a user revoked what they had granted an app
	EventDownloaded    = "data_downloaded"     // a user downloaded their data
	EventDeleted       = "account_deleted"     // a user deleted themselves
)

// endEverywhere serves POST /sign-out/everywhere. It ends every session of the user, in all
// browsers. It also revokes all grants (authorizations of apps) of the user.
func (h *Handler) endEverywhere(w http.ResponseWriter, r *http.Request) {
	b, ok := h.signedIn(w, r)
	if !ok {
		return
	}
	ctx, cancel := lasting(r) // does not end when the user closes the page
	defer cancel()
	_, err := h.cfg.Sessions.EndEverywhere(ctx, b.User.ID, h.cfg.Now())
	if err == nil {
		err = h.cfg.SignIn.End(w, r)
	}
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.events.Record(ctx, h.event(r, EventSignOutAll, b))
	h.cfg.Site.Show(w, r, web.Page{Kind: web.EndedAll, Go: h.path + "/"})
}

// endBrowser serves POST /sign-out/browser. It ends one session of the user. The form field session
// identifies the session. endBrowser also revokes the grants (authorizations of apps) that were
// made with the session. If the session has ended already, endBrowser succeeds.
func (h *Handler) endBrowser(w http.ResponseWriter, r *http.Request) {
	b, ok := h.signedIn(w, r)
	if !ok {
		return
	}
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	wanted := r.PostForm.Get("session")
	if err := h.end(r, b, EventEndBrowser, func(s gateway.Session) bool {
		return session.FormID(s.Hash) == wanted
	}); err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.done(w, b, "browser")
}

// endOthers serves POST /sign-out/others. It ends every session of the user but the one of this
// browser. It also revokes the grants (authorizations of apps) that were made with these sessions.
func (h *Handler) endOthers(w http.ResponseWriter, r *http.Request) {
	b, ok := h.signedIn(w, r)
	if !ok {
		return
	}
	if err := h.end(r, b, EventSignOutOthers, func(s gateway.Session) bool { return s.Hash != b.Hash }); err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.done(w, b, "others")
}

// done redirects to the home page, which then confirms what the user has done.
func (h *Handler) done(w http.ResponseWriter, b session.Browser, what string) {
	c := web.Confirmation{Act: what}
	route.SeeOther(w, c.Address(h.path+"/", h.cfg.Keys[0], b.User.ID, h.cfg.Now().Add(web.ConfirmationTime)))
}

// end ends the sessions of the user of b for which selected returns true, with their grants, and
// records an event for each. If one session cannot be ended, the others are ended nevertheless. In
// pocket-id 2.13, one session row without a user made "end all" fail for all sessions.
func (h *Handler) end(r *http.Request, b session.Browser, kind string, selected func(gateway.Session) bool) error {
	ctx, cancel := lasting(r)
	defer cancel()
	now := h.cfg.Now()
	sessions, err := h.cfg.Sessions.UserSessions(ctx, b.User.ID, now)
	if err != nil {
		return err
	}
	var failed []error
	for _, s := range sessions {
		if !selected(s) {
			continue
		}
		if err := h.cfg.Sessions.End(ctx, s.Hash, now); err != nil {
			failed = append(failed, err)
			continue
		}
		event := h.event(r, kind, b)
		event.Connector, event.Method = s.Connector, s.Method
		// For a sign-in by a QR code, the event names the browser that was signed in, and the app that
		// required the sign-in.
		if scan := session.ReadData(s.Data).Scan; scan != nil {
			event.App, event.Detail = scan.App, gateway.BrowserDetail(scan.Browser)
		}
		h.events.Record(ctx, event)
	}
	return errors.Join(failed...)
}

// withdraw serves POST /withdraw. It revokes the user's grants of one app: the tokens of the app
// become invalid. The id by which the app knows the user stays, so that a later sign-in leads to
// the same account there.
func (h *Handler) withdraw(w http.ResponseWriter, r *http.Request) {
	// The form names an app. form also checks that a page of this session contained it, because
	// another user may have signed in since.
	b, ok := h.form(w, r, "/")
	if !ok {
		return
	}
	app := r.PostForm.Get("app")
	if app == "" {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	ctx, cancel := lasting(r)
	defer cancel()
	revoked, err := h.cfg.Store.Revoke(ctx, gateway.Revocation{UserID: b.User.ID, App: app}, h.cfg.Now())
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	if revoked > 0 { // if nothing was revoked, app may not be the id of an app: log no unchecked text
		event := h.event(r, EventWithdrawn, b)
		event.App = app
		h.events.Record(ctx, event)
	}
	h.done(w, b, "withdraw")
}

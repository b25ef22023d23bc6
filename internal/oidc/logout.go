package oidc

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Sign-out by an app (OpenID Connect RP-Initiated Logout 1.0).
//
// The session ends without confirmation only if the app sends an ID token that this provider issued
// to it for the signed-in user. All other requests show a page with a form first, so that a link on
// another site cannot sign a user out.

// signOut is a validated request to sign out.
type signOut struct {
	client  *Client // nil = not known
	subject string  // from the hint; "" = no hint
	address string  // where to continue afterwards, registered by client; "" = nowhere
}

func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	switch r.Method {
	case http.MethodGet:
		h.logoutGet(w, r)
	case http.MethodPost:
		// As at authorize: a POST from the app's site does not have the session cookie.
		form, ok := h.logoutForm(w, r)
		if !ok {
			return
		}
		for name, values := range r.URL.Query() {
			form[name] = append(form[name], values...)
		}
		route.SeeOther(w, h.path+pathLogout+"?"+form.Encode())
	default:
		notAllowed(w, "GET, POST")
	}
}

func (h *Handler) logoutForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err == nil && (len(body) == 0 || isForm(r)) {
		if form, err := url.ParseQuery(string(body)); err == nil {
			return form, true
		}
	}
	h.showError(w, r, "logout", &pageError{kind: web.BadRequest}, links{})
	return nil, false
}

func (h *Handler) logoutGet(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		h.showError(w, r, "logout", &pageError{kind: web.BadRequest}, links{})
		return
	}
	out, problem := h.readSignOut(r, q)
	if problem != nil {
		h.showError(w, r, "logout", problem, links{})
		return
	}
	s, signedIn, err := h.cfg.SignIn.Session(r)
	if err != nil {
		h.showError(w, r, "logout", err, links{})
		return
	}
	if signedIn {
		matches, err := h.matchesUser(r, out, s)
		if err != nil {
			h.showError(w, r, "logout", err, links{})
			return
		}
		if !matches {
			h.askSignOut(w, r, out, q)
			return
		}
		if err := h.endSession(w, r, out.client, s); err != nil {
			h.showError(w, r, "logout", err, links{})
			return
		}
	}
	h.observe("logout", "", out.client, nil)
	// Without a hint the request may come from another site, so the user gets a link instead of a
	// redirect.
	if out.address != "" && out.subject != "" {
		route.SeeOther(w, out.address)
		return
	}
	h.signedOut(w, r, out)
}

func (h *Handler) readSignOut(r *http.Request, q url.Values) (signOut, error) {
	var out signOut
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"} {
		if len(q[name]) > 1 {
			return out, &pageError{kind: web.BadRequest}
		}
	}
	clients := h.cfg.Clients()
	if id := q.Get("client_id"); id != "" {
		if out.client = clients.byID[id]; out.client == nil {
			return out, &pageError{kind: web.UnknownApp}
		}
	}
	if token := q.Get("id_token_hint"); token != "" {
		hint, err := h.readHint(r.Context(), token)
		if err != nil || clients.byID[hint.Audience] == nil || out.client != nil && out.client.ID != hint.Audience {
			return out, &pageError{web.SignOutHint, out.client}
		}
		out.client, out.subject = clients.byID[hint.Audience], hint.Subject
	}
	address := q.Get("post_logout_redirect_uri")
	if address == "" || out.client == nil {
		return out, nil // without a known app the address is ignored
	}
	if !slices.Contains(out.client.PostLogoutRedirectURIs, address) {
		return out, &pageError{web.SignOutAddress, out.client}
	}
	out.address = address
	if state, ok := q["state"]; ok {
		out.address = addQuery(address, url.Values{"state": state})
	}
	return out, nil
}

// matchesUser reports whether the hint of the request identifies the signed-in user.
func (h *Handler) matchesUser(r *http.Request, out signOut, s session.Browser) (bool, error) {
	if out.subject == "" {
		return false, nil
	}
	pins, err := h.cfg.Subjects.UserSubjects(r.Context(), s.User.ID)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(pins, func(p gateway.Pin) bool {
		return p.App == out.client.ID &&
			p.Subject == out.subject
	}), nil
}

func (h *Handler) askSignOut(w http.ResponseWriter, r *http.Request, out signOut, q url.Values) {
	form := web.Form{Action: h.path + pathLogoutConfirm, Label: web.LabelSignOut, Fields: map[string]string{}}
	page := web.Page{Kind: web.AppSignOut, Home: h.path + "/"}
	if out.client != nil {
		page.App, form.Fields["client_id"] = out.client.Name, out.client.ID
	}
	if out.address != "" {
		form.Fields["post_logout_redirect_uri"] = q.Get("post_logout_redirect_uri")
		if q.Has("state") {
			form.Fields["state"] = q.Get("state")
		}
	}
	page.Forms = []web.Form{form}
	h.cfg.Site.Show(w, r, page)
}

// logoutConfirm serves the confirmation by the user, which must come from the gateway's own page.
func (h *Handler) logoutConfirm(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if err := h.foreign.Check(r); err != nil {
		h.showError(w, r, "logout", &pageError{kind: web.ForeignForm}, links{})
		return
	}
	form, ok := h.logoutForm(w, r)
	if !ok {
		return
	}
	out, err := h.readSignOut(r, form)
	if err != nil {
		h.showError(w, r, "logout", err, links{})
		return
	}
	s, signedIn, err := h.cfg.SignIn.Session(r)
	if err == nil && signedIn {
		err = h.endSession(w, r, out.client, s)
	}
	if err != nil {
		h.showError(w, r, "logout", err, links{})
		return
	}
	h.observe("logout", "", out.client, nil)
	h.signedOut(w, r, out)
}

// endSession revokes the grants of the app in this session, then ends the session. In this order,
// if the store fails in between, the user still has a session and can sign out again.
func (h *Handler) endSession(w http.ResponseWriter, r *http.Request, client *Client, s session.Browser) error {
	event := gateway.Event{Kind: EventAppSignOut, UserID: s.User.ID, Connector: s.Connector, Method: s.Method,
		Outcome: "ok"}
	if client != nil {
		event.App = client.ID
		if _, err := h.cfg.Grants.Revoke(r.Context(), gateway.Revocation{Session: s.Hash, App: client.ID},
			h.cfg.Now()); err != nil {
			return err
		}
	}
	if err := h.cfg.SignIn.End(w, r); err != nil {
		return err
	}
	h.events.Record(r.Context(), event)
	return nil
}

// signedOut shows that the session has ended. The page continues to the app by a link and a refresh
// and not by a redirect, since the policy form-action blocks a form that ends at another origin.
func (h *Handler) signedOut(w http.ResponseWriter, r *http.Request, out signOut) {
	page := web.Page{Kind: web.AppSignedOut}
	if out.client != nil {
		page.App = out.client.Name
	}
	if out.address != "" {
		page.GoToApp, page.ContinueAfter = web.ToApp(out.address, out.client.PostLogoutRedirectURIs), time.Second
	}
	h.cfg.Site.Show(w, r, page)
}

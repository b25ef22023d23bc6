package oidc

import (
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file serves sign-out by an app (OpenID Connect RP-Initiated Logout 1.0).
//
// The session ends without confirmation only if the id_token_hint is an ID token that this provider
// issued to the app for the signed-in user. All other requests show a page with a form first, so
// that a link on another site cannot sign a user out. This includes requests with a parameter that
// is not valid: the user has pressed "sign out" in an app, and must not stay signed in. After such
// a request, the browser does not continue to the app.

// signOut is a validated request to sign out.
type signOut struct {
	client     *Client // nil = the request identifies no app
	subject    string  // the sub of the id_token_hint; "" = no hint
	continueTo string  // post_logout_redirect_uri with state; "" = the browser does not continue to the app
	rejected   bool    // a parameter is not valid

	// post_logout_redirect_uri and state, for the form on which the user confirms
	fields map[string]string
}

// logout serves the end session endpoint.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	setPrivate(w)
	switch r.Method {
	case http.MethodGet:
		h.logoutGet(w, r)
	case http.MethodPost:
		// The session cookie is SameSite=Lax, so a browser does not send it with a POST from
		// another site. The browser sends the cookie with the GET that follows.
		form, ok := h.readLogoutForm(w, r)
		if !ok {
			return
		}
		for name, values := range r.URL.Query() {
			form[name] = append(form[name], values...)
		}
		h.cfg.Site.Redirect(w, r, http.StatusSeeOther, h.path+pathLogout+"?"+form.Encode())
	default:
		notAllowed(w, "GET, POST")
	}
}

// readLogoutForm returns the form of a POST request, which may be empty. If the form is malformed,
// it shows an error and returns false.
func (h *Handler) readLogoutForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err == nil && (len(body) == 0 || isForm(r)) {
		if form, err := url.ParseQuery(string(body)); err == nil {
			return form, true
		}
	}
	h.showError(w, r, "logout", &pageError{kind: web.BadRequest}, pageLinks{})
	return nil, false
}

func (h *Handler) logoutGet(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case savedrequest.TooLong(r):
		h.showError(w, r, "logout", &pageError{kind: web.AddressTooLong}, pageLinks{})
		return
	case err != nil:
		h.showError(w, r, "logout", &pageError{kind: web.BadRequest}, pageLinks{})
		return
	}
	req, err := h.parseSignOut(r, q)
	if err != nil {
		h.showError(w, r, "logout", err, pageLinks{})
		return
	}
	browser, signedIn, err := h.cfg.SignIn.Session(r)
	if err != nil {
		h.showError(w, r, "logout", err, pageLinks{})
		return
	}
	if signedIn {
		matches, err := h.matchesUser(r, req, browser)
		if err != nil {
			h.showError(w, r, "logout", err, pageLinks{})
			return
		}
		if !matches || req.rejected {
			h.showConfirmation(w, r, req)
			return
		}
		if err := h.endSession(w, r, req.client, browser); err != nil {
			h.showError(w, r, "logout", err, pageLinks{})
			return
		}
	}
	h.observe("logout", "", req.client, nil)
	// Without an id_token_hint, another site may have made this request. So the browser is not
	// redirected at once: the user first sees the page that the session has ended.
	if req.continueTo != "" && req.subject != "" {
		h.cfg.Site.Redirect(w, r, http.StatusSeeOther, req.continueTo, req.client.PostLogoutRedirectURIs...)
		return
	}
	h.showSignedOut(w, r, req)
}

// parseSignOut reads the parameters of a sign-out. A parameter that is not valid is logged, and sets
// signOut.rejected. The only error is a parameter that is given twice.
func (h *Handler) parseSignOut(r *http.Request, q url.Values) (signOut, error) {
	var req signOut
	if repeated(q, []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}) != "" {
		return req, &pageError{kind: web.BadRequest}
	}
	clients := h.cfg.Clients()
	reject := func(reason string, logAttrs ...slog.Attr) (signOut, error) {
		rejection := web.Rejection{Request: "logout", Reason: reason, Attrs: logAttrs}
		if req.client != nil {
			rejection.App = req.client.ID
		}
		h.cfg.Site.LogRejection(r, rejection)
		return signOut{client: req.client, rejected: true}, nil
	}
	if id := q.Get("client_id"); id != "" {
		req.client = clients.byID[id]
		if req.client == nil {
			return reject("unknown_app", slog.String("client_id", web.LoggedText(id)))
		}
	}
	if token := q.Get("id_token_hint"); token != "" {
		hint, err := h.readHint(r.Context(), token)
		switch {
		case err != nil:
			return reject("id_token_hint_invalid")
		case clients.byID[hint.Audience] == nil, req.client != nil && req.client.ID != hint.Audience:
			return reject("id_token_hint_of_another_app", slog.String("hint_app", hint.Audience))
		}
		req.client, req.subject = clients.byID[hint.Audience], hint.Subject
	}
	address := q.Get("post_logout_redirect_uri")
	if address == "" || req.client == nil {
		return req, nil // an address without an app cannot be checked, and is ignored
	}
	if !isRegistered(address, req.client.PostLogoutRedirectURIs) {
		return reject("post_logout_redirect_uri", slog.String("post_logout_redirect_uri", web.LoggedURL(address)),
			slog.Any("registered", web.LoggedURLs(req.client.PostLogoutRedirectURIs)))
	}
	req.continueTo, req.fields = address, map[string]string{"post_logout_redirect_uri": address}
	if state, ok := q["state"]; ok {
		req.continueTo, req.fields["state"] = addQuery(address, url.Values{"state": state}), state[0]
	}
	return req, nil
}

// matchesUser reports whether the id_token_hint identifies the signed-in user. It compares the
// sub of the hint with the user's pin: the sub that the app has received for this user.
func (h *Handler) matchesUser(r *http.Request, req signOut, browser session.Browser) (bool, error) {
	if req.subject == "" {
		return false, nil
	}
	pins, err := h.cfg.Subjects.UserSubjects(r.Context(), browser.User.ID)
	if err != nil {
		return false, err
	}
	for _, pin := range pins {
		if pin.App == req.client.ID && pin.Subject == req.subject {
			return true, nil
		}
	}
	return false, nil
}

// showConfirmation shows a page with a form, on which the user confirms the sign-out. The form
// repeats the parameters of the request without the hint: the confirmation replaces it.
func (h *Handler) showConfirmation(w http.ResponseWriter, r *http.Request, req signOut) {
	form := web.Form{Action: h.path + pathLogoutConfirm, Label: web.LabelSignOut, Fields: map[string]string{}}
	page := web.Page{Kind: web.AppSignOut, Home: h.path + "/"}
	if req.client != nil {
		page.App, form.Fields["client_id"] = req.client.Name, req.client.ID
	}
	maps.Copy(form.Fields, req.fields)
	page.Forms = []web.Form{form}
	h.cfg.Site.Show(w, r, page)
}

// logoutConfirm serves the form by which the user confirms a sign-out. It rejects a form on
// another site, since that site could sign the user out.
func (h *Handler) logoutConfirm(w http.ResponseWriter, r *http.Request) {
	setPrivate(w)
	if err := h.crossOrigin.Check(r); err != nil {
		h.showError(w, r, "logout", &pageError{kind: web.ForeignForm}, pageLinks{})
		return
	}
	form, ok := h.readLogoutForm(w, r)
	if !ok {
		return
	}
	req, err := h.parseSignOut(r, form)
	if err != nil {
		h.showError(w, r, "logout", err, pageLinks{})
		return
	}
	browser, signedIn, err := h.cfg.SignIn.Session(r)
	if err == nil && signedIn {
		err = h.endSession(w, r, req.client, browser)
	}
	if err != nil {
		h.showError(w, r, "logout", err, pageLinks{})
		return
	}
	h.observe("logout", "", req.client, nil)
	h.showSignedOut(w, r, req)
}

// endSession revokes the grants (codes and tokens) that the app got in this session. Then it ends
// the session. This order lets the user sign out again if the store fails in between.
func (h *Handler) endSession(w http.ResponseWriter, r *http.Request, client *Client, browser session.Browser) error {
	event := gateway.Event{Kind: EventAppSignOut, UserID: browser.User.ID, Connector: browser.Connector,
		Method: browser.Method, Outcome: "ok"}
	if client != nil {
		event.App = client.ID
		revocation := gateway.Revocation{Session: browser.First, App: client.ID}
		if _, err := h.cfg.Grants.Revoke(r.Context(), revocation, h.cfg.Now()); err != nil {
			return err
		}
	}
	if err := h.cfg.SignIn.End(w, r); err != nil {
		return err
	}
	h.events.Record(r.Context(), event)
	return nil
}

// showSignedOut shows the page that the session has ended. The page continues to the app by a
// link, and by a refresh after a second. A redirect would be blocked after a form: browsers apply
// the form-action of the Content-Security-Policy to it.
func (h *Handler) showSignedOut(w http.ResponseWriter, r *http.Request, req signOut) {
	page := web.Page{Kind: web.AppSignedOut}
	if req.client != nil {
		page.App = req.client.Name
	}
	if req.continueTo != "" {
		page.GoToApp = web.ToApp(req.continueTo, req.client.PostLogoutRedirectURIs)
		page.ContinueAfter = time.Second
	} else {
		page.Home = h.path + "/"
	}
	h.cfg.Site.Show(w, r, page)
}

package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

func (h *Handler) authorize(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	switch r.Method {
	case http.MethodGet:
		h.authorizeGet(w, r)
	case http.MethodPost:
		h.authorizePost(w, r)
	default:
		notAllowed(w, "GET, POST")
	}
}

// authorizePost redirects to the same request by GET. A cross-site POST does not contain the
// session cookie, which is SameSite=Lax; the GET that follows does.
func (h *Handler) authorizePost(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil || !isForm(r) {
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	query := string(body)
	if r.URL.RawQuery != "" {
		query = r.URL.RawQuery + "&" + query
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	route.SeeOther(w, h.path+pathAuthorize+"?"+values.Encode())
}

func (h *Handler) authorizeGet(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		h.showError(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	t, err := h.target(q)
	if err != nil {
		h.showError(w, r, "authorize", err, links{})
		return
	}
	req, err := t.parse(q)
	if err != nil {
		h.refuse(w, t, err)
		return
	}
	if err = h.readIDTokenHint(r.Context(), t, req, q.Get("id_token_hint")); err == nil {
		err = h.admit(w, r, t, req)
	}
	if err != nil {
		h.authorizeFailed(w, r, t, req, err)
	}
}

// readIDTokenHint stores the subject that the app expects. A hint that cannot be verified (a
// replaced key is removed after months), or that was issued to another app, is ignored; with
// prompt=none it is an error, since the request may concern another user.
func (h *Handler) readIDTokenHint(ctx context.Context, t *redirectable, req *authorizeRequest, token string) error {
	if token == "" {
		return nil
	}
	hint, err := h.readHint(ctx, token)
	if err == nil && hint.Audience == req.client.ID {
		req.expectedSub = hint.Subject
		return nil
	}
	if t.noPages {
		return &Error{http.StatusUnauthorized, codeLoginRequired,
			"the id_token_hint is not an ID token that this app got here"}
	}
	return nil
}

// hint is the content of an ID token that this provider issued.
type hint struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
}

// readHint verifies the signature and the issuer, but not the expiry: RP-Initiated Logout, section
// 2, requires expired ID tokens to be accepted.
func (h *Handler) readHint(ctx context.Context, token string) (*hint, error) {
	claims, err := h.cfg.Keys.Verify(ctx, keys.TypeJWT, token)
	if err != nil {
		return nil, err
	}
	var out hint
	if err := json.Unmarshal(claims, &out); err != nil || out.Issuer != h.cfg.Issuer {
		return nil, keys.ErrToken
	}
	return &out, nil
}

// authorizeFailed responds to a request that failed. It redirects to the app with an error when the
// app can act on it or when prompt=none forbids a page. Otherwise it shows a page with a link back
// to the app.
func (h *Handler) authorizeFailed(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest,
	err error) {
	e := protocolError(err)
	var page *pageError
	if isPage := errors.As(err, &page); t.noPages || !isPage && e.Status < 500 {
		if isPage {
			e = &Error{e.Status, codeInteraction, e.Description}
		}
		h.logFailure(r, e, err)
		h.refuse(w, t, e)
		return
	}
	if page == nil {
		err = fmt.Errorf("authorize for %s: %w", t.client.ID, err)
	}
	to := links{back: h.errorURL(t, e), retry: h.requestURL(req), registered: t.client.RedirectURIs}
	if page != nil && page.kind == web.WrongMethod {
		to.retry = h.requestURL(req, paramContinue, "1") // signs in again, by an accepted method
	}
	h.showError(w, r, "authorize", err, to)
}

// refuse redirects to the app with an error.
func (h *Handler) refuse(w http.ResponseWriter, t *redirectable, err error) {
	e := protocolError(err)
	h.observe("authorize", "", t.client, e)
	route.SeeOther(w, h.errorURL(t, e))
}

func (h *Handler) errorURL(t *redirectable, e *Error) string {
	return h.appURL(t, "error", e.Code, "error_description", e.Description)
}

func (h *Handler) toApp(w http.ResponseWriter, t *redirectable, pairs ...string) {
	route.SeeOther(w, h.appURL(t, pairs...))
}

// appURL adds parameters to the redirect URI and keeps its query. The parameter iss (RFC 9207)
// identifies this provider to an app that uses several.
func (h *Handler) appURL(t *redirectable, pairs ...string) string {
	q := url.Values{"iss": {h.cfg.Issuer}}
	if t.hasState {
		q.Set("state", t.state)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return addQuery(t.redirectURI, q)
}

func addQuery(address string, q url.Values) string {
	separator := "?"
	if u, err := url.Parse(address); err == nil && (u.RawQuery != "" || u.ForceQuery) {
		separator = "&"
		if u.ForceQuery {
			separator = ""
		}
	}
	return address + separator + q.Encode()
}

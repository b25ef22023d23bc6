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

// authorizePost redirects a form to the same request by GET. A POST from the app's site does not
// have the SameSite session cookie; the GET that follows does.
func (h *Handler) authorizePost(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil || !isForm(r) {
		h.showProblem(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	query := string(body)
	if r.URL.RawQuery != "" {
		query = r.URL.RawQuery + "&" + query
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		h.showProblem(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	route.SeeOther(w, h.path+pathAuthorize+"?"+values.Encode())
}

func (h *Handler) authorizeGet(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		h.showProblem(w, r, "authorize", &pageError{kind: web.BadRequest}, links{})
		return
	}
	t, err := h.target(q)
	if err != nil {
		h.showProblem(w, r, "authorize", err, links{})
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

// readIDTokenHint reads the user whom the app expects. A hint that cannot be verified (its key is
// removed after months), or that was issued to another app, is ignored where a page may be shown,
// and means "not this user" where none may.
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

// hint is an ID token that was issued here.
type hint struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
}

// readHint verifies the signature and the issuer, not the time: RP-Initiated Logout section 2
// requires expired ID tokens to be accepted.
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

// authorizeFailed answers a request that failed: by redirect to the app when the app can act on the
// error or no page may be shown, else by a page with a link back to the app.
func (h *Handler) authorizeFailed(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest,
	err error) {
	e := protocol(err)
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
	to := links{back: h.errorURL(t, e), retry: h.requestURL(req), own: t.client.RedirectURIs}
	if page != nil && page.kind == web.WrongMethod {
		to.retry = h.requestURL(req, paramContinue, "1") // signs in again, by a method that sign-in chooses
	}
	h.showProblem(w, r, "authorize", err, to)
}

// refuse redirects to the app with an error.
func (h *Handler) refuse(w http.ResponseWriter, t *redirectable, err error) {
	e := protocol(err)
	h.observe("authorize", "", t.client, e)
	route.SeeOther(w, h.errorURL(t, e))
}

func (h *Handler) errorURL(t *redirectable, e *Error) string {
	return h.appURL(t, "error", e.Code, "error_description", e.Description)
}

func (h *Handler) toApp(w http.ResponseWriter, t *redirectable, pairs ...string) {
	route.SeeOther(w, h.appURL(t, pairs...))
}

// appURL adds parameters to the redirect URI, whose own query stays as it is. iss is RFC 9207: by
// it an app with several providers recognizes which of them responded.
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

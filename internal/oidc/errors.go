package oidc

import (
	"context"
	"errors"
	"net/http"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// Error is an error for a client. Code is the code of the protocol. Description is one sentence for
// the developer of the client and contains nothing that the request did not contain.
type Error struct {
	Status      int
	Code        string
	Description string
}

// Error returns the code and the description.
func (e *Error) Error() string { return "oidc: " + e.Code + ": " + e.Description }

// The codes of the standards: RFC 6749, 6750, 7009, OpenID Connect Core, RP-Initiated Logout.
const (
	codeInvalidRequest     = "invalid_request"
	codeInvalidClient      = "invalid_client"
	codeInvalidGrant       = "invalid_grant"
	codeInvalidScope       = "invalid_scope"
	codeInvalidToken       = "invalid_token"
	codeUnsupportedGrant   = "unsupported_grant_type"
	codeUnsupportedType    = "unsupported_response_type"
	codeAccessDenied       = "access_denied"
	codeLoginRequired      = "login_required"
	codeInteraction        = "interaction_required"
	codeServerError        = "server_error"
	codeUnavailable        = "temporarily_unavailable"
	codeSlowDown           = "slow_down"
	codeRequestUnsupported = "request_not_supported"
	codeRequestURI         = "request_uri_not_supported"
	codeRegistration       = "registration_not_supported"
)

func badRequest(description string) *Error {
	return &Error{http.StatusBadRequest, codeInvalidRequest, description}
}

// badGrant returns the same description for all causes: whether a code is unknown, expired,
// redeemed or issued to another app is nobody else's concern.
func badGrant() *Error {
	return &Error{http.StatusBadRequest, codeInvalidGrant,
		"the code or token is invalid or has expired, or was not made for this request"}
}

// badClient returns the same description for an unknown client and for a wrong secret.
func badClient() *Error {
	return &Error{http.StatusUnauthorized, codeInvalidClient, "the client is not known, or its authentication failed"}
}

func invalidToken() *Error {
	return &Error{http.StatusUnauthorized, codeInvalidToken, "the access token is invalid or has expired"}
}

// protocolError returns the error for the client. Any error that is not an *Error is a failure of
// the server: 503 when the store is unavailable, so that clients try again and do not discard a
// valid token, else 500.
func protocolError(err error) *Error {
	var e *Error
	var page *pageError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &page):
		return &Error{page.kind.Status(), page.code(), "the user was shown the page " + string(page.kind)}
	case errors.Is(err, gateway.ErrUnavailable), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return &Error{http.StatusServiceUnavailable, codeUnavailable,
			"the server cannot do this right now; try again soon"}
	}
	return &Error{http.StatusInternalServerError, codeServerError, "the server failed"}
}

// pageError is an error that the user reads on a page.
type pageError struct {
	kind   web.Kind
	client *Client // nil = not known
}

func (e *pageError) Error() string { return "oidc: page " + string(e.kind) }

func (e *pageError) code() string {
	switch {
	case e.kind == web.UnknownApp:
		return codeInvalidClient
	case e.kind.Status() == http.StatusBadRequest:
		return codeInvalidRequest
	}
	return codeAccessDenied
}

// links are the addresses of the buttons on an error page; "" = no button. registered are the
// redirect URIs of the app.
type links struct {
	back, retry string
	registered  []string
}

// showError responds with an error page.
func (h *Handler) showError(w http.ResponseWriter, r *http.Request, endpoint string, err error, to links) {
	e := protocolError(err)
	h.logFailure(r, e, err)
	page := web.Page{Kind: web.Fault, Status: e.Status, Go: to.retry, BackToApp: web.ToApp(to.back, to.registered)}
	if to.back == "" {
		page.Home = h.path + "/"
	}
	var known *pageError
	var client *Client
	switch {
	case errors.As(err, &known):
		page.Kind, client = known.kind, known.client
	case e.Status == http.StatusServiceUnavailable:
		page.Kind = web.Busy
	}
	if client != nil {
		page.App = client.Name
	}
	h.observe(endpoint, "", client, e)
	h.cfg.Site.Show(w, r, page)
}

// fail responds with an error as JSON and logs failures of the server.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := protocolError(err)
	h.logFailure(r, e, err)
	switch {
	case e.Code == codeInvalidClient:
		w.Header().Set("WWW-Authenticate", `Basic realm="weigate", charset="UTF-8"`)
	case e.Status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

func (h *Handler) logFailure(r *http.Request, e *Error, err error) {
	if e.Status >= 500 && r.Context().Err() == nil {
		h.cfg.Logger.ErrorContext(r.Context(), "openid connect request failed", "path", r.URL.Path, "request_id",
			h.cfg.RequestID(r.Context()), "error", err)
	}
}

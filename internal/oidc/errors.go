package oidc

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// Error is an error response of the protocol (RFC 6749, section 5.2).
type Error struct {
	Status      int    // HTTP status, if the response is not a redirect
	Code        string // the parameter "error"
	Description string // error_description: for the developer of the client; contains no data of the server

	// For the log only.
	app      string      // id of the app, when its authentication has failed
	reason   string      // a word for the cause; "" = Code
	logAttrs []slog.Attr // such as the sent and the registered redirect URI; no secrets, codes or tokens
}

func newError(status int, code, description string) *Error {
	return &Error{Status: status, Code: code, Description: description}
}

// because sets the cause and returns e. The log has the cause, and the client does not receive
// it.
func (e *Error) because(reason string, logAttrs ...slog.Attr) *Error {
	e.reason, e.logAttrs = reason, logAttrs
	return e
}

// parameters returns the names and values of the parameters of an authorization response with this
// error.
func (e *Error) parameters() []string {
	return []string{"error", e.Code, "error_description", e.Description}
}

// Error returns the code and the description.
func (e *Error) Error() string { return "oidc: " + e.Code + ": " + e.Description }

// The error codes, from RFC 6749, RFC 6750, RFC 7009 and OpenID Connect Core. slow_down is the code
// of RFC 8628 for a client that sends too many requests.
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
	codeConsentRequired    = "consent_required"
	codeServerError        = "server_error"
	codeUnavailable        = "temporarily_unavailable"
	codeSlowDown           = "slow_down"
	codeRequestUnsupported = "request_not_supported"
	codeRequestURI         = "request_uri_not_supported"
	codeRegistration       = "registration_not_supported"
)

func badRequest(description string) *Error {
	return newError(http.StatusBadRequest, codeInvalidRequest, description)
}

// badGrant returns an error with the code invalid_grant. The description is the same for all
// causes. So a client cannot find out whether a code or token exists, has expired, was redeemed
// or belongs to another app. The log has the reason.
func badGrant(reason string, logAttrs ...slog.Attr) *Error {
	return newError(http.StatusBadRequest, codeInvalidGrant,
		"the code or token is invalid or has expired, or was not made for this request").because(reason, logAttrs...)
}

// badClient returns the same description for an unknown client and for a wrong secret.
func badClient(reason string, logAttrs ...slog.Attr) *Error {
	return newError(http.StatusUnauthorized, codeInvalidClient,
		"the client is not known, or its authentication failed").because(reason, logAttrs...)
}

func invalidToken(reason string, logAttrs ...slog.Attr) *Error {
	return newError(http.StatusUnauthorized, codeInvalidToken,
		"the access token is invalid or has expired").because(reason, logAttrs...)
}

// protocolError converts any error into the error for the client:
//   - An *Error is returned unchanged.
//   - A *pageError gets the status and the error code of its page.
//   - If the store is unavailable, the status is 503. Clients then try again, and keep a valid
//     token.
//   - Any other error is a failure of the server, with status 500.
func protocolError(err error) *Error {
	var e *Error
	var page *pageError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &page):
		return newError(page.kind.Status(), page.code(), "the user was shown the page "+string(page.kind))
	case errors.Is(err, gateway.ErrUnavailable), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return newError(http.StatusServiceUnavailable, codeUnavailable,
			"the server cannot do this right now; try again soon")
	}
	return newError(http.StatusInternalServerError, codeServerError, "the server failed")
}

// pageError is an error that is shown to the user on a page of the gateway. Its code method
// returns the error code, for metrics and for an app that receives the error.
type pageError struct {
	kind     web.Kind    // the page
	client   *Client     // nil when the request identified none
	logAttrs []slog.Attr // for the log, as in Error
}

func (e *pageError) Error() string { return "oidc: page " + string(e.kind) }

func (e *pageError) code() string {
	switch {
	case e.kind == web.UnknownApp:
		return codeInvalidClient
	case e.kind.Status() == http.StatusBadRequest, e.kind == web.AddressTooLong:
		return codeInvalidRequest
	}
	return codeAccessDenied
}

// pageLinks are the addresses of the buttons on an error page; "" means no button.
type pageLinks struct {
	retry      string   // makes the same request again
	back       string   // a redirect URI of the app, with the error as parameters
	cancel     string   // instead of back: cancels the request, so that the app gets an error
	registered []string // the redirect URIs of the app: web.ToApp links to no other address
}

// showError responds with an error page. A *pageError names its page; any other error gets a page
// for a failure of the server. A page without a link back to the app has a link to the home page.
func (h *Handler) showError(w http.ResponseWriter, r *http.Request, endpoint string, err error, links pageLinks) {
	e := protocolError(err)
	page := web.Page{
		Kind: web.Fault, Status: e.Status, Go: links.retry, BackToApp: web.ToApp(links.back, links.registered),
		Back: links.cancel,
	}
	if links.back == "" && links.cancel == "" {
		page.Home = h.path + "/"
	}
	var expected *pageError
	var client *Client
	switch {
	case errors.As(err, &expected):
		page.Kind, client = expected.kind, expected.client
	case e.Status == http.StatusServiceUnavailable:
		page.Kind = web.Busy
	}
	if client != nil {
		page.App = client.Name
	}
	const noGrantType = "" // only requests to the token endpoint have one
	h.observe(endpoint, noGrantType, client, e)
	h.logRejection(r, endpoint, client, err)
	page.AlreadyLogged = true // by logRejection, so Show does not log it
	h.cfg.Site.Show(w, r, page)
}

// writeError responds with an error as JSON, and logs it. client is nil when the request identified
// none.
func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, endpoint string, client *Client, err error) {
	e := protocolError(err)
	h.logRejection(r, endpoint, client, err)
	switch {
	case e.Code == codeInvalidClient:
		w.Header().Set("WWW-Authenticate", `Basic realm="weigate", charset="UTF-8"`)
	case e.Status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// logRejection writes the one log line of a request that gets an error. It does not log a failure
// of the server after the client has disconnected: the disconnection cancels the context, which can
// cause the failure.
func (h *Handler) logRejection(r *http.Request, endpoint string, client *Client, err error) {
	e := protocolError(err)
	if e.Status >= http.StatusInternalServerError {
		if r.Context().Err() == nil {
			h.cfg.Logger.ErrorContext(r.Context(), "openid connect request failed", "path", r.URL.Path, "request_id",
				h.cfg.RequestID(r.Context()), "error", err)
		}
		return
	}
	rejection := web.Rejection{Request: endpoint, App: e.app, Reason: cmp.Or(e.reason, e.Code), Attrs: e.logAttrs}
	var page *pageError
	if errors.As(err, &page) {
		rejection.Reason, rejection.Attrs = string(page.kind), page.logAttrs
	}
	if client != nil {
		rejection.App = client.ID
	}
	if rejection.Reason == codeInvalidRequest {
		rejection.Attrs = append(rejection.Attrs, slog.String("problem", e.Description))
	}
	h.cfg.Site.LogRejection(r, rejection)
}

package oidc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file asks the user for consent before a native app gets a code. The redirect URI of a native
// app is not https, so it does not prove which program receives the code. Any program on the device
// can register the same scheme, or listen on the same port. Therefore the user must consent to each
// request, even after earlier consent (RFC 8252, section 8.6). An https redirect URI belongs to the
// owner of its host, and requires no consent.
//
// A secret does not change this. The program on the device does not have the secret, but it can
// start a sign-in at the app's server, and give the code to the server: the program is then signed
// in as the user.
//
// The button of the page is a link and not a form: the page's Content-Security-Policy blocks a form
// that redirects to an app. The link contains a token that only the gateway can make: an HMAC of
// the session, the request and an expiry. So a program that requests a code cannot press the button
// for the user.

// purposeConsent selects the key of the HMAC. keys.Sealer derives a separate key from the master
// key for each purpose.
const purposeConsent = "oidc consent"

// consentLifetime is how long the link of a consent page is valid.
const consentLifetime = 5 * time.Minute

// needsConsent reports whether the user must consent to each request with this redirect URI. An
// http address of a confidential client needs no consent if exactly this address is registered:
// it is the address of a server, such as an app during its development.
func (c *Client) needsConsent(redirectURI string) bool {
	switch {
	case strings.HasPrefix(redirectURI, "https://"):
		return false
	case c.Public, !strings.HasPrefix(redirectURI, "http://"):
		return true
	}
	return !slices.Contains(c.RedirectURIs, redirectURI)
}

// askConsent shows the consent page, or with prompt=none returns an error.
func (h *Handler) askConsent(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest,
	browser session.Browser) error {
	if t.noPages {
		return newError(http.StatusForbidden, codeConsentRequired, "the user must confirm on a page").
			because(codeConsentRequired, slog.String("redirect_uri", web.LoggedURL(req.redirectURI)))
	}
	if !h.shorten(w, r, req) {
		return nil
	}
	until := strconv.FormatInt(h.cfg.Now().Add(consentLifetime).Unix(), 10)
	token := until + "." + h.consentMAC(h.cfg.Sealer.Derive(purposeConsent)[0], req, browser, until)
	page := web.Page{
		Kind: web.Consent, App: req.client.Name, User: web.UserOf(browser.User), Opens: opens(req.redirectURI),
		Go:   h.continueURL(req, paramLoginRequest, req.loginRequestID, paramConsent, token),
		Back: h.continueURL(req, paramCancel, "1"),
	}
	h.cfg.Site.Show(w, r, page)
	return nil
}

// hasConsent reports whether the user has pressed the button on the consent page of this request, in
// this session and within consentLifetime.
func (h *Handler) hasConsent(req *authorizeRequest, browser session.Browser) bool {
	until, mac, found := strings.Cut(req.consent, ".")
	seconds, err := strconv.ParseInt(until, 10, 64)
	if !found || err != nil || !h.cfg.Now().Before(time.Unix(seconds, 0)) {
		return false
	}
	for _, key := range h.cfg.Sealer.Derive(purposeConsent) { // from the current and from previous master keys
		if hmac.Equal([]byte(mac), []byte(h.consentMAC(key, req, browser, until))) {
			return true
		}
	}
	return false
}

// consentMAC returns the HMAC in the token. It covers the session, the expiry and the request.
func (h *Handler) consentMAC(key []byte, req *authorizeRequest, browser session.Browser, until string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(browser.Hash[:])
	mac.Write([]byte(until + "\x00" + h.requestURL(req)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// opens returns the text by which the page names the receiver of the code. It is the scheme of a
// native app, or the host and port of a program on this device.
func opens(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "http":
		return u.Host
	}
	return u.Scheme
}

// sessionAttrs returns the facts of a session that decide whether the app accepts it. They are
// for the log.
func sessionAttrs(client *Client, browser session.Browser, signedIn bool) []slog.Attr {
	if !signedIn {
		return []slog.Attr{slog.Bool("signed_in", false)}
	}
	return []slog.Attr{
		slog.String("user", browser.User.ID), slog.String("status", string(browser.User.Status)),
		slog.String("method", browser.Method), slog.Any("methods", client.Methods),
		slog.String("access", string(client.Access.Rule)), slog.String("connector", browser.Connector),
		slog.String("subject", client.Subject), slog.Time("auth_time", browser.AuthTime),
	}
}

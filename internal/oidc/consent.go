package oidc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file asks the user for consent before a native app gets a code. Nobody assures the identity of
// a public client whose redirect URI is not https: any program on the device can register the same
// scheme, or listen on a port, and request a code in the name of the client. RFC 8252, section 8.6,
// therefore requires consent or another interaction for each request, also of a signed-in user who
// has consented before. An https redirect URI belongs to the owner of its host, and needs no page.
//
// The page continues by a link, since its Content-Security-Policy blocks a form that redirects to an
// app. The link has a token that nobody else can make: an HMAC of the session, the request and an
// expiry. So a program that requests a code cannot press the button for the user.

// purposeConsent is the purpose for which the HMAC key is derived.
const purposeConsent = "oidc consent"

// consentLifetime is how long the link of a consent page is valid.
const consentLifetime = 5 * time.Minute

// needsConsent reports whether the user must consent to each request with this redirect URI.
func (c *Client) needsConsent(redirectURI string) bool {
	return c.Public && !strings.HasPrefix(redirectURI, "https://")
}

// askConsent shows the consent page, or with prompt=none returns an error.
func (h *Handler) askConsent(w http.ResponseWriter, r *http.Request, t *redirectable, req *authorizeRequest,
	browser session.Browser) error {
	if t.noPages {
		return newError(http.StatusForbidden, codeConsentRequired, "the user must confirm on a page").
			because(codeConsentRequired, slog.String("redirect_uri", web.LoggedURL(req.redirectURI)))
	}
	until := strconv.FormatInt(h.cfg.Now().Add(consentLifetime).Unix(), 10)
	token := until + "." + h.consentMAC(h.cfg.Sealer.Derive(purposeConsent)[0], req, browser, until)
	page := web.Page{
		Kind: web.Consent, App: req.client.Name, User: web.UserOf(browser.User), Opens: opens(req.redirectURI),
		Go:   h.requestURL(req, paramLoginRequest, req.loginRequestID, paramConsent, token),
		Back: h.requestURL(req, paramCancel, "1"),
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
	for _, key := range h.cfg.Sealer.Derive(purposeConsent) { // of the current master key, and of those before it
		if hmac.Equal([]byte(mac), []byte(h.consentMAC(key, req, browser, until))) {
			return true
		}
	}
	return false
}

func (h *Handler) consentMAC(key []byte, req *authorizeRequest, browser session.Browser, until string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(browser.Hash[:])
	mac.Write([]byte(until + "\x00" + h.requestURL(req)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// opens returns what a redirect URI opens, for the page: the scheme of a native app, or the host and
// port of a program on this device.
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

// sessionAttrs are the facts about the session by which an app accepts or rejects it, for the log.
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

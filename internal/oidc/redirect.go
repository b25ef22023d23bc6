package oidc

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/web"
)

// This file decides which redirect URIs a client may use, and sends authorization responses to
// them.

// The response modes: how the browser brings the authorization response to the redirect URI.
const (
	ModeQuery    = "query"     // as parameters of the redirect
	ModeFormPost = "form_post" // as a form (OAuth 2.0 Form Post Response Mode)
)

func responseModes() []string { return []string{ModeQuery, ModeFormPost} }

// checkRedirectURI validates a redirect URI of the configuration. A redirect sends the URI
// unchanged in the Location header, so each of its characters must be allowed there. The scheme
// must not make the browser run code.
func checkRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || !u.IsAbs():
		return errors.New("is not an absolute address")
	case strings.Contains(uri, "#"):
		return errors.New("has a fragment")
	case u.User != nil:
		return errors.New("has a user name")
	case strings.Contains(uri, "*"):
		return errors.New("has a wildcard: name each address")
	case strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }):
		return errors.New("has a character that must be percent-encoded")
	case slices.Contains([]string{"javascript", "data", "vbscript", "file", "blob", "about"}, u.Scheme):
		return errors.New("has a scheme that runs in the browser")
	case isHTTP(u) && u.Hostname() == "":
		return errors.New("has no host")
	}
	return nil
}

// isRegistered reports whether the address in a request is a registered address. Addresses are
// compared byte for byte. Only the port of a loopback address may differ: a native app listens on
// any free port, so it cannot register the port (RFC 8252, section 7.3). This applies to
// confidential clients too, since command line tools share the client of their server.
func isRegistered(address string, registered []string) bool {
	if slices.Contains(registered, address) {
		return true
	}
	sent, err := url.Parse(address)
	if err != nil || !isLoopback(sent) || checkRedirectURI(address) != nil {
		return false
	}
	return slices.ContainsFunc(registered, func(text string) bool {
		u, err := url.Parse(text)
		return err == nil && isLoopback(u) && u.Hostname() == sent.Hostname() &&
			u.EscapedPath() == sent.EscapedPath() && u.RawQuery == sent.RawQuery && u.ForceQuery == sent.ForceQuery
	})
}

// isLoopback reports whether a URL is http at a loopback IP address or at localhost. RFC 8252,
// section 8.3, advises against the name localhost, but many tools use it.
func isLoopback(u *url.URL) bool {
	return u.Scheme == "http" && u.Opaque == "" && (u.Hostname() == "localhost" || origin.IsLoopbackIP(u.Hostname()))
}

func isHTTP(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// originOf returns the origin of a redirect URI, in the form of the Origin header. It is "" for a
// URI that is neither http nor https, such as the private scheme of a native app.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return origin.Of(u)
}

// responseMode returns the mode of the response to a request. values are the values of the
// parameter response_mode. A redirect URI with the private scheme of a native app always gets
// ModeQuery, because a browser cannot send a form there. An invalid value gets the default mode.
// checkResponseMode rejects it later, and the error is sent in this mode.
func (c *Client) responseMode(values []string, redirectURI string) string {
	if u, err := url.Parse(redirectURI); err != nil || !isHTTP(u) {
		return ModeQuery
	}
	if len(values) == 1 && slices.Contains(c.ResponseModes, values[0]) {
		return values[0]
	}
	return c.ResponseModes[0]
}

// checkResponseMode validates the parameter response_mode of a request; "" = none was sent.
func (t *redirectable) checkResponseMode(mode string) error {
	switch {
	case mode == "":
		return nil
	case !slices.Contains(t.client.ResponseModes, mode):
		return badRequest("response_mode must be " + strings.Join(t.client.ResponseModes, " or "))
	case mode != t.mode: // t.mode is ModeQuery, because the redirect URI has the scheme of a native app
		return badRequest("response_mode form_post requires a redirect_uri with http or https")
	}
	return nil
}

// respond sends the authorization response to the app, in the response mode of the request. pairs
// are the names and values of its parameters.
func (h *Handler) respond(w http.ResponseWriter, r *http.Request, t *redirectable, pairs ...string) {
	if t.mode == ModeQuery {
		h.cfg.Site.Redirect(w, r, http.StatusSeeOther, h.appURL(t, pairs...), t.redirectURI)
		return
	}
	form := &web.AppForm{Address: t.redirectURI, Fields: map[string]string{}, Redirects: h.redirectsAfterForm(t.client)}
	for name, values := range h.responseParameters(t, pairs...) {
		form.Fields[name] = values[0]
	}
	h.cfg.Site.Show(w, r, web.Page{Kind: web.FormPost, App: t.client.Name, Post: form})
}

// redirectsAfterForm returns the origins to which the app may redirect after form_post. The page's
// Content-Security-Policy has to name them in form-action, which browsers apply to redirects after
// the form too. They are the origins of the app and those of a sign-in, because the app may start
// another sign-in at once.
func (h *Handler) redirectsAfterForm(c *Client) []string {
	origins := slices.Concat(c.Origins, h.cfg.SignInOrigins)
	for _, uri := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
		if o := originOf(uri); o != "" && !slices.Contains(origins, o) {
			origins = append(origins, o)
		}
	}
	return origins
}

// appURL returns the redirect URI with the parameters of the response in its query.
func (h *Handler) appURL(t *redirectable, pairs ...string) string {
	return addQuery(t.redirectURI, h.responseParameters(t, pairs...))
}

// responseParameters returns the parameters of an authorization response. The parameter iss (RFC
// 9207) identifies this provider to an app that uses several providers. Client.OmitIss omits it for
// clients that cannot handle it. Some mistake it for the start of a sign-in (elastic/kibana#43258),
// or make it a part of the redirect_uri (3scale/porta#3859).
func (h *Handler) responseParameters(t *redirectable, pairs ...string) url.Values {
	q := url.Values{}
	if !t.client.OmitIss {
		q.Set("iss", h.cfg.Issuer)
	}
	if t.hasState {
		q.Set("state", t.state)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

// addQuery appends parameters to an address. The address itself stays unchanged, byte for byte,
// since an app may compare it.
func addQuery(address string, q url.Values) string {
	separator := "?"
	u, err := url.Parse(address)
	switch {
	case err == nil && u.ForceQuery: // the address ends in "?"
		separator = ""
	case err == nil && u.RawQuery != "":
		separator = "&"
	}
	return address + separator + q.Encode()
}

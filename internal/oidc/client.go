package oidc

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/route"
)

// Email policies.
const (
	EmailNone      = "none"      // no email claim
	EmailSynthetic = "synthetic" // sub@Domain, not verified: for apps that require an address
)

// EmailPolicy is what an app receives as email. WeChat provides no address. The zero value is none.
type EmailPolicy struct {
	Policy string // EmailNone (or "") or EmailSynthetic
	Domain string // for EmailSynthetic: a domain of the operator
}

// Lifetimes are the lifetimes of the codes and tokens of an app. A zero value is the default.
type Lifetimes struct {
	Code    time.Duration // 0 = 60 s
	Access  time.Duration // access tokens and ID tokens; 0 = 5 min
	Refresh time.Duration // since the last use; 0 = 720 h
}

// Client is an app that uses OpenID Connect. App has its ID, Name, Access and Methods.
type Client struct {
	gateway.App
	Secrets []route.SecretHash // one, or two while a secret is replaced: both are accepted
	Public  bool               // cannot keep a secret: PKCE is required instead
	// compared byte for byte; a public client's http loopback address may have any port
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	Subject                string // a kind of package access; "" = access.SubjectUser
	Email                  EmailPolicy
	IDTokenAlg             string // keys.RS256 ("" too) or keys.ES256
	IDTokenClaims          bool   // the claims of the scopes also in the ID token, not only at userinfo
	Lifetimes              Lifetimes
}

// Registry is a set of apps. It is immutable: a reload of the configuration replaces it. Make it
// with [NewRegistry].
type Registry struct {
	byID    map[string]*Client
	origins map[string]bool // of public clients' redirect URIs: their scripts may send requests
}

// NewRegistry validates the apps and sets their defaults. It returns all problems, joined.
func NewRegistry(clients []Client) (*Registry, error) {
	reg := &Registry{byID: map[string]*Client{}, origins: map[string]bool{}}
	var problems []error
	for i := range clients {
		c := clients[i]
		for _, p := range c.prepare() {
			problems = append(problems, fmt.Errorf("app %q: %w", c.ID, p))
		}
		if reg.byID[c.ID] != nil {
			problems = append(problems, fmt.Errorf("app %q: there are two with this id", c.ID))
		}
		reg.byID[c.ID] = &c
		if c.Public {
			for _, uri := range c.RedirectURIs {
				if o := originOf(uri); o != "" {
					reg.origins[o] = true
				}
			}
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return reg, nil
}

func (c *Client) prepare() (problems []error) {
	fault := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	c.Secrets, c.RedirectURIs = slices.Clone(c.Secrets), slices.Clone(c.RedirectURIs)
	if c.ID == "" || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("the id must be printable ASCII without spaces")
	}
	switch n := len(c.Secrets); {
	case c.Public && n > 0:
		fault("a public app has no secret")
	case !c.Public && (n < 1 || n > 2):
		fault("it has %d secrets, want one, or two while a secret is replaced", n)
	}
	if slices.Contains(c.Secrets, route.SecretHash{}) || slices.Contains(c.Secrets, route.HashSecret("")) {
		fault("a secret is empty")
	}
	if len(c.RedirectURIs) == 0 {
		fault("it has no redirect_uris")
	}
	for _, uri := range append(slices.Clone(c.RedirectURIs), c.PostLogoutRedirectURIs...) {
		if err := checkRedirectURI(uri); err != nil {
			fault("redirect address %q %w", uri, err)
		}
	}
	if c.Subject == "" {
		c.Subject = access.SubjectUser
	}
	if c.Subject != access.SubjectUser && c.Subject != access.SubjectUnionID &&
		access.SubjectConnector(c.Subject) == "" {
		fault("subject %q is none of user, unionid, openid:CONNECTOR", c.Subject)
	}
	switch {
	case c.Email.Policy == "" || c.Email.Policy == EmailNone:
	case c.Email.Policy != EmailSynthetic:
		fault("email policy %q is none of none, synthetic", c.Email.Policy)
	case c.Email.Domain == "" || strings.ContainsAny(c.Email.Domain, "@ "):
		fault("synthetic email addresses need a domain of your own")
	}
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = keys.RS256
	}
	if c.IDTokenAlg != keys.RS256 && c.IDTokenAlg != keys.ES256 {
		fault("id_token_alg %q is none of RS256, ES256", c.IDTokenAlg)
	}
	l := &c.Lifetimes
	if l.Code < 0 || l.Access < 0 || l.Refresh < 0 {
		fault("a lifetime is negative")
	}
	for d, def := range map[*time.Duration]time.Duration{&l.Code: time.Minute, &l.Access: 5 * time.Minute,
		&l.Refresh: 720 * time.Hour} {
		if *d == 0 {
			*d = def
		}
	}
	return problems
}

// checkRedirectURI rejects addresses that must not be in a Location header. Redirect URIs are
// compared byte for byte later, so an accepted one is sent unchanged.
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
	case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() == "":
		return errors.New("has no host")
	}
	return nil
}

// redirectAllowed reports whether a redirect URI is registered, byte for byte. The exception is RFC
// 8252 section 7.3: a program on the user's own machine listens on any free port.
func (c *Client) redirectAllowed(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if !c.Public {
		return false
	}
	asked, err := url.Parse(uri)
	if err != nil || !isLoopbackHTTP(asked) || checkRedirectURI(uri) != nil {
		return false
	}
	for _, known := range c.RedirectURIs {
		u, err := url.Parse(known)
		if err == nil && isLoopbackHTTP(u) && u.Hostname() == asked.Hostname() && u.EscapedPath() == asked.EscapedPath() &&
			u.RawQuery == asked.RawQuery {
			return true
		}
	}
	return false
}

// isLoopbackHTTP reports whether a URL is http at a loopback IP address. The name localhost is not
// accepted, since it may resolve to another machine.
func isLoopbackHTTP(u *url.URL) bool {
	return u.Scheme == "http" && u.Opaque == "" && origin.IsLoopbackIP(u.Hostname())
}

// originOf returns the header Origin of requests from a page at uri; "" for the redirect URI of a
// native app.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

func (c *Client) hasOrigin(origin string) bool {
	return c.Public && slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return originOf(uri) == origin })
}

const maxForm = 64 << 10

func isForm(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

// readForm reads the body of a request of a client. Parameters in the query are rejected, not
// ignored: addresses are logged, so a secret there would leak.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, badRequest("parameters belong in the body, not in the address")
	}
	if !isForm(r) {
		return nil, badRequest("the body must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return nil, badRequest("the body is cut short or too long")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badRequest("the body is not well encoded")
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, badRequest("a parameter is given twice")
		}
	}
	return form, nil
}

// credentials are a client's id and secret.
type credentials struct {
	id      string
	secrets []string // the secret that was sent, as it is and form-decoded
}

// readCredentials reads the credentials of client_secret_basic or client_secret_post, or the
// client_id of a public client.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return credentials{}, badClient()
	}
	if r.Header.Get("Authorization") == "" {
		return credentials{id, []string{secret}}, nil
	}
	user, pass, ok := r.BasicAuth()
	if !ok {
		return credentials{}, badClient()
	}
	if secret != "" {
		return credentials{}, badRequest("the client authenticates in two ways at once")
	}
	c := credentials{user, []string{pass}}
	// RFC 6749 section 2.3.1 requires both halves form-encoded. Many clients do not encode them, so
	// the secret is accepted in either form.
	if decoded, err := url.QueryUnescape(pass); err == nil && decoded != pass {
		c.secrets = append(c.secrets, decoded)
	}
	if decoded, err := url.QueryUnescape(user); err == nil {
		c.id = decoded
	}
	if id != "" && id != c.id {
		return credentials{}, badRequest("client_id differs from the one in the Authorization header")
	}
	return c, nil
}

// authenticate returns the client of a request. An unknown client gets the same error as a wrong
// secret. Only failures are counted, so that a busy app is never slowed down.
func (h *Handler) authenticate(r *http.Request, form url.Values) (*Client, error) {
	cred, err := readCredentials(r, form)
	if err != nil {
		return nil, err
	}
	client := h.cfg.Clients().byID[cred.id]
	from, id := h.cfg.Address(r), ""
	if client != nil {
		id = client.ID
	}
	if h.failures.Exhausted(from, id, h.cfg.Now()) {
		return nil, &Error{http.StatusTooManyRequests, codeSlowDown, "too many failed authentications; wait a minute"}
	}
	if !authenticated(client, cred.secrets) {
		h.failures.Add(from, id, h.cfg.Now())
		h.cfg.Logger.InfoContext(r.Context(), "client authentication failed", "app", id, "request_id",
			h.cfg.RequestID(r.Context()))
		return nil, badClient()
	}
	return client, nil
}

// authenticated reports whether one of the secrets is the client's. It hashes and compares as often
// for an unknown client (nil) as for a known one, so that the time of the response does not reveal
// which client ids exist.
func authenticated(client *Client, secrets []string) bool {
	var known []route.SecretHash
	if client != nil {
		known = client.Secrets
	}
	matches := route.SecretMatches(known, secrets...)
	if client != nil && client.Public {
		return secrets[0] == ""
	}
	return matches
}

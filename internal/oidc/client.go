package oidc

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/route"
)

// Values of EmailPolicy.Policy.
const (
	EmailNone      = "none"      // no email claim
	EmailSynthetic = "synthetic" // sub@Domain, not verified: for apps that require an address
)

// EmailPolicy selects the email claim of an app. WeChat provides no email address of a user. The
// zero value means no claim.
type EmailPolicy struct {
	Policy string // EmailNone (or "") or EmailSynthetic
	Domain string // for EmailSynthetic: a domain that the operator of the gateway owns
}

// Lifetimes are the lifetimes of the codes and tokens of an app. A zero value is the default.
type Lifetimes struct {
	Code    time.Duration // 0 = 60 s
	Access  time.Duration // access tokens and ID tokens; 0 = 5 min
	Refresh time.Duration // since the last use; 0 = 720 h
}

// Client is an app that uses OpenID Connect. The embedded App has what apps of all protocols have:
// id, name, access rule and allowed sign-in methods.
type Client struct {
	gateway.App
	Secrets []route.SecretHash // one, or two while a secret is replaced: both are accepted
	Public  bool               // a public client (RFC 6749, section 2.1): without a secret, so PKCE is required

	// The addresses to which codes may be sent. A redirect_uri must equal one of them byte for
	// byte. For a public client, the port of an http address on loopback may differ (RFC 8252,
	// section 7.3).
	RedirectURIs           []string
	PostLogoutRedirectURIs []string // accepted as post_logout_redirect_uri, compared byte for byte

	// The id that becomes the sub claim: access.SubjectUser (or ""), access.SubjectUnionID, or
	// access.SubjectOpenID with the name of a connector.
	Subject       string
	Email         EmailPolicy
	IDTokenAlg    string // keys.RS256 (or "") or keys.ES256
	IDTokenClaims bool   // the ID token also contains the claims that userinfo returns
	OldIDClaim    bool   // the scope profile has the claim old_id: an imported user's id before the import
	Lifetimes     Lifetimes
}

// Registry is a set of apps. It is immutable: when the configuration is reloaded, a new Registry
// replaces it. Make it with [NewRegistry].
type Registry struct {
	byID    map[string]*Client
	origins map[string]bool // of the redirect URIs of public clients: scripts from there may send requests (CORS)
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

// prepare validates the client and sets its defaults. It returns all problems.
func (c *Client) prepare() (problems []error) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	c.Secrets, c.RedirectURIs = slices.Clone(c.Secrets), slices.Clone(c.RedirectURIs)
	if c.ID == "" || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		add("the id must be printable ASCII without spaces")
	}
	switch n := len(c.Secrets); {
	case c.Public && n > 0:
		add("a public app has no secret")
	case !c.Public && (n < 1 || n > 2):
		add("it has %d secrets, want one, or two while a secret is replaced", n)
	}
	if slices.Contains(c.Secrets, route.SecretHash{}) || slices.Contains(c.Secrets, route.HashSecret("")) {
		add("a secret is empty")
	}
	if len(c.RedirectURIs) == 0 {
		add("it has no redirect_uris")
	}
	for _, uri := range append(slices.Clone(c.RedirectURIs), c.PostLogoutRedirectURIs...) {
		if err := checkRedirectURI(uri); err != nil {
			add("redirect address %q %w", uri, err)
		}
	}
	if c.Subject == "" {
		c.Subject = access.SubjectUser
	}
	if c.Subject != access.SubjectUser && c.Subject != access.SubjectUnionID &&
		access.SubjectConnector(c.Subject) == "" {
		add("subject %q is none of user, unionid, openid:CONNECTOR", c.Subject)
	}
	switch {
	case c.Email.Policy == "" || c.Email.Policy == EmailNone:
	case c.Email.Policy != EmailSynthetic:
		add("email policy %q is none of none, synthetic", c.Email.Policy)
	case c.Email.Domain == "" || strings.ContainsAny(c.Email.Domain, "@ "):
		add("synthetic email addresses need a domain of your own")
	}
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = keys.RS256
	}
	if c.IDTokenAlg != keys.RS256 && c.IDTokenAlg != keys.ES256 {
		add("id_token_alg %q is none of RS256, ES256", c.IDTokenAlg)
	}
	if c.Lifetimes.Code < 0 || c.Lifetimes.Access < 0 || c.Lifetimes.Refresh < 0 {
		add("a lifetime is negative")
	}
	setDefault(&c.Lifetimes.Code, time.Minute)
	setDefault(&c.Lifetimes.Access, 5*time.Minute)
	setDefault(&c.Lifetimes.Refresh, 720*time.Hour)
	return problems
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

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
	case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() == "":
		return errors.New("has no host")
	}
	return nil
}

// redirectAllowed reports whether the client may use a redirect_uri. It must equal a registered
// URI. For a public client, the port of a loopback address may differ: a native app listens on
// any free port, so it cannot register the port (RFC 8252, section 7.3).
func (c *Client) redirectAllowed(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if !c.Public {
		return false
	}
	requested, err := url.Parse(uri)
	if err != nil || !isLoopbackHTTP(requested) || checkRedirectURI(uri) != nil {
		return false
	}
	for _, text := range c.RedirectURIs {
		registered, err := url.Parse(text)
		if err == nil && isLoopbackHTTP(registered) && registered.Hostname() == requested.Hostname() &&
			registered.EscapedPath() == requested.EscapedPath() && registered.RawQuery == requested.RawQuery {
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

// originOf returns the origin of a redirect URI, in the form of the Origin header. It is "" for a
// URI that is neither http nor https, such as the private scheme of a native app.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return origin.Of(u)
}

// hasOrigin reports whether a script from this origin may read responses to the client. Only a
// public client has scripts, and one of its redirect URIs must have this origin.
func (c *Client) hasOrigin(origin string) bool {
	return c.Public && slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return originOf(uri) == origin })
}

func isForm(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

// readForm returns the parameters in the body of a client's request. Parameters in the address
// are an error, because addresses are logged, and a secret would leak. The error shows the
// mistake to the developer of the client.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, badRequest("parameters belong in the body, not in the address")
	}
	if !isForm(r) {
		return nil, badRequest("the body must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit.RequestBody.Bytes)))
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

// credentials are the client id and the secret of a request. Some clients form-encode the secret
// in the Authorization header, and some do not. So the secret may have two readings.
type credentials struct {
	id      string
	secrets []string // as sent, and form-decoded if that differs; at least one, perhaps ""
}

// readCredentials reads the credentials of client_secret_basic or client_secret_post, or the
// client_id of a public client.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return credentials{}, badClient("client_assertion_unsupported") // private_key_jwt, client_secret_jwt
	}
	if r.Header.Get("Authorization") == "" {
		return credentials{id: id, secrets: []string{secret}}, nil
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return credentials{}, badClient("authorization_header_not_basic")
	}
	if secret != "" {
		return credentials{}, badRequest("the client authenticates in two ways at once")
	}
	c := credentials{id: user, secrets: []string{password}}
	// RFC 6749 section 2.3.1 requires clients to form-encode id and secret before Basic. Many do
	// not encode them, so the secret is accepted with and without decoding.
	if decoded, err := url.QueryUnescape(password); err == nil && decoded != password {
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
// secret. Wrong secrets are counted, and after too many, requests with a secret are refused.
// Nothing is counted for a public client: its id is public, so anybody could lock it out by sending
// secrets with it.
func (h *Handler) authenticate(r *http.Request, form url.Values) (*Client, error) {
	cred, err := readCredentials(r, form)
	if err != nil {
		return nil, err
	}
	client := h.cfg.Clients().byID[cred.id]
	address, now := h.cfg.Address(r), h.cfg.Now()
	id := "" // unknown clients are counted together
	if client != nil {
		id = client.ID
	}
	counted := (client == nil || !client.Public) && cred.secrets[0] != ""
	if counted && h.failures.Refused(address, id, now) {
		return nil, newError(http.StatusTooManyRequests, codeSlowDown,
			"too many failed authentications; wait a minute").because("too_many_failed_authentications")
	}
	matches := authenticated(client, cred.secrets)
	switch {
	case counted && matches:
		h.failures.Right(address, id, now)
	case counted:
		h.failures.Wrong(address, id, now)
	}
	if !matches {
		if client == nil {
			return nil, badClient("unknown_client") // without the client_id that was sent: it may be a secret
		}
		failure := badClient("wrong_secret", slog.Bool("public", client.Public))
		failure.app = id
		return nil, failure
	}
	return client, nil
}

// authenticated reports whether one of the secrets is the client's. A public client must send
// none. An unknown client (nil) takes as many hashes and comparisons as a known client. So the
// response time does not reveal which client ids exist.
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

package oidc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/route"
)

// Values of EmailPolicy.Policy.
const (
	EmailNone      = "none"      // no email claim
	EmailSynthetic = "synthetic" // sub@Domain: for apps that require an address
)

// Values of Client.EmailVerified: the value of the claim email_verified for a synthetic address.
const (
	EmailVerifiedOmit  = "omit"  // no claim
	EmailVerifiedFalse = "false" // the default
	EmailVerifiedTrue  = "true"  // only for a domain at which nobody else can receive mail
)

// EmailPolicy selects the email claim of an app. WeChat provides no email address of a user. The
// zero value means no claim.
type EmailPolicy struct {
	Policy string // EmailNone (or "") or EmailSynthetic
	Domain string // for EmailSynthetic: a domain that the administrator owns
}

// Lifetimes are the lifetimes of the codes and tokens of an app. A zero value is the default.
type Lifetimes struct {
	Code    time.Duration // 0 = 60 s
	Access  time.Duration // access tokens; 0 = 5 min
	IDToken time.Duration // ID tokens; 0 = 1 h, since some apps end their session with the ID token
	Refresh time.Duration // since the last use; 0 = 720 h
}

// Client is an app that uses OpenID Connect. The embedded App has what apps of all protocols have:
// id, name, access rule and allowed sign-in methods.
type Client struct {
	gateway.App
	Secrets []route.SecretHash // one, or two while a secret is replaced: both are accepted
	Public  bool               // a public client (RFC 6749, section 2.1): without a secret, so PKCE is required

	RequirePKCE bool // requires PKCE of a confidential client too

	// The addresses to which codes may be sent. A redirect_uri must equal one of them byte for
	// byte; only the port of a loopback address may differ.
	RedirectURIs           []string
	PostLogoutRedirectURIs []string // accepted as post_logout_redirect_uri, compared in the same way

	// Where the app receives logout tokens (OpenID Connect Back-Channel Logout 1.0); "" = nowhere.
	BackchannelLogoutURI string

	// The response modes that requests may use: ModeQuery, ModeFormPost. A request without
	// response_mode gets the first. Empty = both, ModeQuery first.
	ResponseModes []string
	OmitIss       bool // authorization responses have no iss (RFC 9207), for clients that cannot handle it

	// Further origins of the app, in the form of the Origin header. Scripts from there may read
	// responses (CORS), and the app may redirect there after form_post.
	Origins []string

	// The id that becomes the sub claim: access.SubjectUser (or ""), access.SubjectUnionID, or
	// access.SubjectOpenID with the name of a connector.
	Subject       string
	Email         EmailPolicy
	EmailVerified string // EmailVerifiedFalse (or ""), EmailVerifiedOmit or EmailVerifiedTrue
	IDTokenAlg    string // keys.RS256 (or "") or keys.ES256; also of logout tokens
	IDTokenClaims bool   // the ID token also contains the claims that userinfo returns
	OldIDClaim    bool   // the scope profile has the claim old_id: an imported user's id before the import
	Lifetimes     Lifetimes

	// Further claims, each with the value of another claim: name → claim. A further claim is
	// present when the other claim is, so it needs the same scope.
	Claims map[string]string
}

// Registry is a set of apps. It is immutable: when the configuration is reloaded, a new Registry
// replaces it. Make it with [NewRegistry].
type Registry struct {
	byID    map[string]*Client
	origins map[string]bool // of all apps: scripts from there may send requests (CORS)
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
		for _, o := range c.scriptOrigins() {
			reg.origins[o] = true
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return reg, nil
}

// responseModes returns the response modes that at least one app may use. Without apps, it returns
// all.
func (reg *Registry) responseModes() []string {
	if len(reg.byID) == 0 {
		return responseModes()
	}
	return slices.DeleteFunc(responseModes(), func(mode string) bool {
		return !reg.some(func(c *Client) bool { return slices.Contains(c.ResponseModes, mode) })
	})
}

// algorithms returns the algorithms by which ID tokens of the apps are signed. If an app uses RS256,
// it comes first. Without apps, RS256 is the only one.
func (reg *Registry) algorithms() (out []string) {
	for _, alg := range []string{keys.RS256, keys.ES256} {
		if reg.some(func(c *Client) bool { return c.IDTokenAlg == alg }) {
			out = append(out, alg)
		}
	}
	if out == nil {
		out = []string{keys.RS256}
	}
	return out
}

// claims returns the names of the further claims of all apps, sorted.
func (reg *Registry) claims() (out []string) {
	for _, c := range reg.byID {
		for name := range c.Claims {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// some reports whether a condition is true for at least one app.
func (reg *Registry) some(condition func(*Client) bool) bool {
	for _, c := range reg.byID {
		if condition(c) {
			return true
		}
	}
	return false
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
	if err := c.checkBackchannelLogoutURI(); err != nil {
		add("backchannel logout address %w", err)
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
	if c.EmailVerified == "" {
		c.EmailVerified = EmailVerifiedFalse
	}
	if !slices.Contains([]string{EmailVerifiedOmit, EmailVerifiedFalse, EmailVerifiedTrue}, c.EmailVerified) {
		add("email_verified %q is none of omit, false, true", c.EmailVerified)
	}
	for name := range c.Claims {
		if slices.Contains(protocolClaims(), name) {
			add("the claim %q has a meaning in the protocol", name)
		}
	}
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = keys.RS256
	}
	if c.IDTokenAlg != keys.RS256 && c.IDTokenAlg != keys.ES256 {
		add("id_token_alg %q is none of RS256, ES256", c.IDTokenAlg)
	}
	if min(c.Lifetimes.Code, c.Lifetimes.Access, c.Lifetimes.IDToken, c.Lifetimes.Refresh) < 0 {
		add("a lifetime is negative")
	}
	if len(c.ResponseModes) == 0 {
		c.ResponseModes = responseModes()
	}
	for _, mode := range c.ResponseModes {
		if !slices.Contains(responseModes(), mode) {
			add("response mode %q is none of %s", mode, strings.Join(responseModes(), ", "))
		}
	}
	setDefault(&c.Lifetimes.Code, time.Minute)
	setDefault(&c.Lifetimes.Access, 5*time.Minute)
	setDefault(&c.Lifetimes.IDToken, time.Hour)
	setDefault(&c.Lifetimes.Refresh, 720*time.Hour)
	return problems
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

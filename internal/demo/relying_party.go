package demo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// relyingParty is an OpenID Connect client: it builds the requests to the provider (here the
// gateway) and validates the responses. In production, use an OpenID Connect library instead.
type relyingParty struct {
	issuer, id, secret    string
	redirectURI           string
	postLogoutRedirectURI string
	http                  *http.Client
}

// endpoints are the members of the discovery document that the apps use.
type endpoints struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Userinfo      string `json:"userinfo_endpoint"`
	Keys          string `json:"jwks_uri"`
	EndSession    string `json:"end_session_endpoint"`
}

// attempt has the random values of a sign-in in progress. signIn stores them in a cookie. Only the
// browser that started the sign-in has this cookie.
type attempt struct{ state, nonce, verifier string }

// tokens are the tokens that a redeemed code returned, with two claims of the ID token.
type tokens struct {
	access, id string    // the access token and the ID token, as received
	subject    string    // claim sub
	authTime   time.Time // claim auth_time
}

// userInfo is the response of the UserInfo endpoint.
type userInfo struct {
	Subject  string `json:"sub"`
	Name     string `json:"name"`
	Username string `json:"preferred_username"`
	Picture  string `json:"picture"`
	OpenID   string `json:"openid"`
	UnionID  string `json:"unionid"`
}

// errUnauthorized means that the provider answered 401. At the UserInfo endpoint, the user was
// signed out or the access token has expired.
var errUnauthorized = errors.New("demo: access token rejected")

// scopes are the scopes that every app requests. With profile, the gateway asks the user for
// consent to share nickname and picture. With wechat, the gateway also returns openid and unionid.
const scopes = "openid profile wechat"

// maxResponse limits how much of a response is read.
const maxResponse = 1 << 20

// newAttempt returns new random values. A code verifier needs at least 43 characters (RFC 7636).
// Each rand.Text has 26.
func newAttempt() attempt {
	return attempt{state: rand.Text(), nonce: rand.Text(), verifier: rand.Text() + rand.Text()}
}

// discover fetches the discovery document of the provider.
func (p *relyingParty) discover(ctx context.Context) (e endpoints, err error) {
	if err := p.getJSON(ctx, p.issuer+"/.well-known/openid-configuration", "", &e); err != nil {
		return e, err
	}
	if e.Issuer != p.issuer {
		return e, fmt.Errorf("demo: discovery returned issuer %q, want %q", e.Issuer, p.issuer)
	}
	return e, nil
}

// authorizeURL returns the URL of the authentication request.
func (p *relyingParty) authorizeURL(e endpoints, a attempt) string {
	sum := sha256.Sum256([]byte(a.verifier))
	return e.Authorization + "?" + url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {p.redirectURI}, "scope": {scopes},
		"state": {a.state}, "nonce": {a.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// redeem exchanges the code for tokens and validates the ID token. Its errors contain no token.
func (p *relyingParty) redeem(ctx context.Context, code string, a attempt) (tokens, error) {
	e, err := p.discover(ctx)
	if err != nil {
		return tokens{}, err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {p.redirectURI}, "code_verifier": {a.verifier},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return tokens{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.secret)) // RFC 6749 section 2.3.1
	var got struct {
		AccessToken string `json:"access_token"`
		IDToken     string `json:"id_token"`
	}
	if err := p.fetchJSON(req, &got); err != nil {
		return tokens{}, err
	}
	return p.validate(ctx, e, got.AccessToken, got.IDToken, a.nonce)
}

// validate checks the ID token: signature, issuer, audience, expiry and nonce (OpenID Connect Core
// 3.1.3.7). It returns the two tokens and the claims that the app uses.
func (p *relyingParty) validate(ctx context.Context, e endpoints, access, idToken, nonce string) (tokens, error) {
	token, err := jwt.ParseSigned(idToken, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return tokens{}, errors.New("demo: ID token: not a signed JWT")
	}
	// A production app caches the keys and fetches them again for an unknown key ID.
	var keys jose.JSONWebKeySet
	if err := p.getJSON(ctx, e.Keys, "", &keys); err != nil {
		return tokens{}, err
	}
	var standard jwt.Claims
	var more struct {
		Nonce    string `json:"nonce"`
		AuthTime int64  `json:"auth_time"`
	}
	if err := token.Claims(&keys, &standard, &more); err != nil {
		return tokens{}, errors.New("demo: ID token: not signed by the provider")
	}
	want := jwt.Expected{Issuer: p.issuer, AnyAudience: jwt.Audience{p.id}, Time: time.Now()}
	if err := standard.ValidateWithLeeway(want, time.Minute); err != nil {
		return tokens{}, fmt.Errorf("demo: ID token: %w", err)
	}
	if standard.Expiry == nil || standard.Subject == "" || more.Nonce != nonce {
		return tokens{}, errors.New("demo: ID token: not issued for this sign-in")
	}
	return tokens{access: access, id: idToken, subject: standard.Subject, authTime: time.Unix(more.AuthTime, 0)}, nil
}

// userInfo reads the UserInfo endpoint. It returns errUnauthorized if the access token is no longer
// valid.
func (p *relyingParty) userInfo(ctx context.Context, t tokens) (user userInfo, err error) {
	e, err := p.discover(ctx)
	if err != nil {
		return user, err
	}
	if err := p.getJSON(ctx, e.Userinfo, t.access, &user); err != nil {
		return user, err
	}
	if user.Subject != t.subject {
		return user, errors.New("demo: UserInfo: sub differs from the ID token")
	}
	return user, nil
}

// logoutURL returns the URL of the logout request (OpenID Connect RP-Initiated Logout 1.0). The
// request ends the session at the provider.
func (p *relyingParty) logoutURL(e endpoints, t tokens) string {
	return e.EndSession + "?" + url.Values{
		"id_token_hint": {t.id}, "client_id": {p.id}, "post_logout_redirect_uri": {p.postLogoutRedirectURI},
	}.Encode()
}

// getJSON fetches a JSON document and decodes it into the variable into. bearer is the access token
// to send, "" for none.
func (p *relyingParty) getJSON(ctx context.Context, address, bearer string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return p.fetchJSON(req, into)
}

// fetchJSON sends a request and decodes the JSON response into the variable into.
func (p *relyingParty) fetchJSON(req *http.Request, into any) error {
	res, err := p.http.Do(req)
	if err != nil {
		return fmt.Errorf("demo: gateway unavailable: %w", err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return errUnauthorized
	default:
		return fmt.Errorf("demo: %s: status %s", req.URL.Path, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxResponse)).Decode(into); err != nil {
		return fmt.Errorf("demo: %s: %w", req.URL.Path, err)
	}
	return nil
}

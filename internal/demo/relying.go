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

// relyingParty is the OpenID Connect half of a sample app. It knows nothing of WeChat: an issuer, a client id and a secret are all that it is given. A
// production app takes its language's library for this.
type relyingParty struct {
	issuer, id, secret string
	redirectURI        string
	afterSignOut       string // registered as post_logout_redirect_uri
	http               *http.Client
}

// endpoints is what discovery tells of the provider.
type endpoints struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Userinfo      string `json:"userinfo_endpoint"`
	Keys          string `json:"jwks_uri"`
	EndSession    string `json:"end_session_endpoint"`
}

// attempt is a sign-in that has begun. It waits in a cookie of the browser that began it.
type attempt struct{ state, nonce, verifier string }

// tokens are what the provider gave for a code, and what the ID token says.
type tokens struct {
	access, id string
	subject    string
	authTime   time.Time
}

// person is what userinfo tells.
type person struct {
	Subject  string `json:"sub"`
	Name     string `json:"name"`
	Username string `json:"preferred_username"`
	Picture  string `json:"picture"`
	OpenID   string `json:"openid"`
	UnionID  string `json:"unionid"`
}

// errOver says that the provider does not know the access token any more: the person was signed out, or it was too long ago.
var errOver = errors.New("demo: the access token is over")

// scopes are what both apps ask for. With profile the person is asked for nickname and picture; wechat adds openid and unionid.
const scopes = "openid profile wechat"

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

func newAttempt() attempt { return attempt{rand.Text(), rand.Text(), rand.Text() + rand.Text()} }

func (p *relyingParty) discover(ctx context.Context) (e endpoints, err error) {
	if err := p.get(ctx, p.issuer+"/.well-known/openid-configuration", "", &e); err != nil {
		return e, err
	}
	if e.Issuer != p.issuer {
		return e, fmt.Errorf("demo: discovery names the issuer %q, want %q", e.Issuer, p.issuer)
	}
	return e, nil
}

// authorize is where to send the browser.
func (p *relyingParty) authorize(e endpoints, a attempt) string {
	sum := sha256.Sum256([]byte(a.verifier))
	return e.Authorization + "?" + url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {p.redirectURI}, "scope": {scopes}, "state": {a.state}, "nonce": {a.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// redeem trades the code for tokens and reads the ID token. The error names no token.
func (p *relyingParty) redeem(ctx context.Context, code string, a attempt) (tokens, error) {
	e, err := p.discover(ctx)
	if err != nil {
		return tokens{}, err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirectURI}, "code_verifier": {a.verifier}}
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
	if err := p.send(req, &got); err != nil {
		return tokens{}, err
	}
	return p.read(ctx, e, got.AccessToken, got.IDToken, a.nonce)
}

// read checks the ID token: the provider's signature, for this app, of this attempt, in time.
func (p *relyingParty) read(ctx context.Context, e endpoints, access, raw, nonce string) (tokens, error) {
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return tokens{}, errors.New("demo: the ID token is no signed token")
	}
	// Asked for each time: a sign-in of the demo is rare. A production app keeps the keys, and asks again for a key id that it does not know.
	var keys jose.JSONWebKeySet
	if err := p.get(ctx, e.Keys, "", &keys); err != nil {
		return tokens{}, err
	}
	var standard jwt.Claims
	var more struct {
		Nonce    string `json:"nonce"`
		AuthTime int64  `json:"auth_time"`
	}
	if err := token.Claims(&keys, &standard, &more); err != nil {
		return tokens{}, errors.New("demo: the ID token is not signed by the provider")
	}
	if err := standard.ValidateWithLeeway(jwt.Expected{Issuer: p.issuer, AnyAudience: jwt.Audience{p.id}, Time: time.Now()}, time.Minute); err != nil {
		return tokens{}, fmt.Errorf("demo: the ID token: %w", err)
	}
	if standard.Expiry == nil || standard.Subject == "" || more.Nonce != nonce {
		return tokens{}, errors.New("demo: the ID token is not of this sign-in")
	}
	return tokens{access: access, id: raw, subject: standard.Subject, authTime: time.Unix(more.AuthTime, 0)}, nil
}

// userinfo asks who the person is now. errOver when the access token counts no more.
func (p *relyingParty) userinfo(ctx context.Context, t tokens) (who person, err error) {
	e, err := p.discover(ctx)
	if err != nil {
		return who, err
	}
	if err := p.get(ctx, e.Userinfo, t.access, &who); err != nil {
		return who, err
	}
	if who.Subject != t.subject {
		return who, errors.New("demo: userinfo is about somebody else than the ID token")
	}
	return who, nil
}

// signOut is where to send the browser so that its session at the provider ends too.
func (p *relyingParty) signOut(e endpoints, t tokens) string {
	return e.EndSession + "?" + url.Values{"id_token_hint": {t.id}, "client_id": {p.id}, "post_logout_redirect_uri": {p.afterSignOut}}.Encode()
}

func (p *relyingParty) get(ctx context.Context, address, bearer string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return p.send(req, into)
}

func (p *relyingParty) send(req *http.Request, into any) error {
	res, err := p.http.Do(req)
	if err != nil {
		return fmt.Errorf("demo: the gateway is out of reach: %w", err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return errOver
	default:
		return fmt.Errorf("demo: the gateway answers %s at %s", res.Status, req.URL.Path)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("demo: the answer of the gateway at %s: %w", req.URL.Path, err)
	}
	return nil
}

package wechat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxCode is the longest code that is sent, in bytes. WeChat's own have 32; 512 is the most that WeCom's documentation allows.
const maxCode = 512

// Token is what WeChat says about a person who came back with a code. It is a value of its own: nothing in it is shared with the
// Client or with another Token.
type Token struct {
	// AccessToken is for UserInfo and CheckToken. It is not the global access_token of the account.
	AccessToken Secret

	// RefreshToken is for Refresh. It lasts 30 days and is not renewed (WeChat's documentation, api_snsrefreshtoken), though
	// tokens were seen to die earlier.
	RefreshToken Secret

	// ExpiresIn is how long AccessToken lasts from the moment of the answer, 2 hours at WeChat; 0 when WeChat did not say.
	ExpiresIn time.Duration

	// OpenID names the person within this app. It is never empty.
	OpenID string

	// UnionID names the person within all apps of one Open Platform account. Often it is empty: with ScopeBase, from Refresh, and
	// for an app that is not bound to an Open Platform account.
	UnionID string

	// Scopes is what was granted; empty when WeChat did not say.
	Scopes []Scope

	// SnapshotUser says that WeChat showed the snapshot page (快照页): OpenID, UnionID and the profile belong to a virtual
	// account. Do not store them, do not sign anybody in, do not call UserInfo; ask the person to press 使用完整服务.
	SnapshotUser bool
}

// HasScope reports whether s was granted.
func (t *Token) HasScope(s Scope) bool { return slices.Contains(t.Scopes, s) }

// tokenAnswer is the wire form of the access_token and refresh_token endpoints.
type tokenAnswer struct {
	AccessToken    string `json:"access_token"`
	ExpiresIn      number `json:"expires_in"`
	RefreshToken   string `json:"refresh_token"`
	OpenID         string `json:"openid"`
	Scope          string `json:"scope"`
	UnionID        string `json:"unionid"`
	IsSnapshotUser number `json:"is_snapshotuser"`
	fault
}

func (a *tokenAnswer) complete() error {
	switch {
	case !printable(a.OpenID):
		return ErrNoOpenID
	case a.AccessToken == "":
		return ErrNoToken
	}
	return nil
}

func (a *tokenAnswer) token() *Token {
	t := &Token{
		AccessToken:  Secret(a.AccessToken),
		RefreshToken: Secret(a.RefreshToken),
		ExpiresIn:    seconds(a.ExpiresIn),
		OpenID:       a.OpenID,
		Scopes:       scopes(a.Scope),
		SnapshotUser: a.IsSnapshotUser.n != 0 || a.IsSnapshotUser.bad,
	}
	if printable(a.UnionID) {
		t.UnionID = a.UnionID
	}
	return t
}

// seconds turns a number into a duration that cannot overflow.
func seconds(x number) time.Duration {
	return time.Duration(min(max(x.n, 0), 1<<31)) * time.Second
}

// scopes reads a list with commas. Real answers end in a comma now and then (seen in 2018: "snsapi_base,snsapi_userinfo,").
func scopes(list string) []Scope {
	var out []Scope
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, Scope(s))
		}
	}
	return out
}

// Exchange trades a code for a token. A code is good for one exchange: bind it to the browser that began the sign-in first, and
// exchange it once. Exchange itself makes a second attempt only when the first cannot have spent the code: when no connection
// could be made, or when WeChat answered errcode -1. The code is treated as opaque and escaped, whatever it holds.
//
// Every error is an *[Error]. Errors to test for: [ErrCodeUsed], [ErrInvalidCode], and the classes. ErrTemporary means that the same
// code may be tried again; every other doubt is ErrReauthorize.
func (c *Client) Exchange(ctx context.Context, code string) (*Token, error) {
	switch {
	case code == "":
		return nil, refuse(endpointToken, fmt.Errorf("%w: it is empty", ErrInvalidCode))
	case len(code) > maxCode:
		return nil, refuse(endpointToken, fmt.Errorf("%w: it has more than %d bytes", ErrInvalidCode, maxCode))
	case c.Secret == "":
		return nil, refuse(endpointToken, errNoSecret)
	}
	if err := checkAppID(c.AppID); err != nil {
		return nil, refuse(endpointToken, err)
	}
	a, err := do[tokenAnswer](ctx, c, &request{
		endpoint: endpointToken,
		query: "appid=" + c.AppID + "&secret=" + escape(string(c.Secret)) + "&code=" + escape(code) +
			"&grant_type=authorization_code",
		hidden: [2]string{string(c.Secret), code},
		spends: true,
	})
	if err != nil {
		return nil, err
	}
	return a.token(), nil
}

// Refresh trades a refresh token for a new access token, or for the same one with its time extended if it still lives
// (WeChat's documentation, Authorized_Interface_Calling_UnionID). The app secret is not sent. The Token has no UnionID, and it
// keeps refreshToken if WeChat sends none.
//
// Every error is an *[Error]. Errors to test for: the classes; [ErrReauthorize] when the refresh token has died.
func (c *Client) Refresh(ctx context.Context, refreshToken Secret) (*Token, error) {
	if refreshToken == "" {
		return nil, refuse(endpointRefresh, ErrNoToken)
	}
	if err := checkAppID(c.AppID); err != nil {
		return nil, refuse(endpointRefresh, err)
	}
	a, err := do[tokenAnswer](ctx, c, &request{
		endpoint: endpointRefresh,
		query:    "appid=" + c.AppID + "&grant_type=refresh_token&refresh_token=" + escape(string(refreshToken)),
		hidden:   [2]string{string(refreshToken)},
	})
	if err != nil {
		return nil, err
	}
	t := a.token()
	if t.RefreshToken == "" {
		t.RefreshToken = refreshToken
	}
	return t, nil
}

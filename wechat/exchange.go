package wechat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxCode is the longest code that is sent, in bytes. WeChat's codes have 32 bytes; WeCom's
// documentation allows 512.
const maxCode = 512

// Token is the result of [Client.Exchange] and [Client.Refresh]: the user's ids, and the tokens for
// further calls.
type Token struct {
	// AccessToken is for UserInfo and CheckToken. It differs from the global access_token of an
	// official account.
	AccessToken Secret

	// RefreshToken is for Refresh. It is valid for 30 days, which Refresh does not extend (WeChat's
	// documentation, api_snsrefreshtoken). Tokens were seen to expire earlier.
	RefreshToken Secret

	// ExpiresIn is the lifetime of AccessToken from the time of the response: 2 hours at WeChat, 0
	// when the response has none.
	ExpiresIn time.Duration

	// OpenID identifies the user within this app. It is never empty.
	OpenID string

	// UnionID identifies the user within all apps of one Open Platform account (开放平台账号). It
	// is often empty: with ScopeBase, from Refresh, and for an app that is not bound to such an
	// account.
	UnionID string

	// Scopes lists the granted scopes. It is empty when the response has none.
	Scopes []Scope

	// SnapshotUser reports whether WeChat showed the snapshot page (快照页). OpenID, UnionID and
	// the profile then belong to a virtual user: do not store them, do not sign the user in and do
	// not call UserInfo. Ask the user to press 使用完整服务.
	SnapshotUser bool
}

// HasScope reports whether s was granted.
func (t *Token) HasScope(s Scope) bool { return slices.Contains(t.Scopes, s) }

// tokenResponse is the response of the access_token and refresh_token endpoints.
type tokenResponse struct {
	AccessToken    string `json:"access_token"`
	ExpiresIn      number `json:"expires_in"`
	RefreshToken   string `json:"refresh_token"`
	OpenID         string `json:"openid"`
	Scope          string `json:"scope"`
	UnionID        string `json:"unionid"`
	IsSnapshotUser number `json:"is_snapshotuser"`
	errcodeFields
}

func (r *tokenResponse) validate() error {
	switch {
	case !validID(r.OpenID):
		return ErrNoOpenID
	case r.AccessToken == "":
		return ErrNoToken
	}
	return nil
}

func (r *tokenResponse) token() *Token {
	t := &Token{
		AccessToken:  Secret(r.AccessToken),
		RefreshToken: Secret(r.RefreshToken),
		ExpiresIn:    seconds(r.ExpiresIn),
		OpenID:       r.OpenID,
		Scopes:       scopes(r.Scope),
		SnapshotUser: r.IsSnapshotUser.n != 0 || r.IsSnapshotUser.invalid,
	}
	if validID(r.UnionID) {
		t.UnionID = r.UnionID
	}
	return t
}

// seconds converts a number of seconds to a duration. It limits the number, so that the duration
// cannot overflow.
func seconds(x number) time.Duration {
	return time.Duration(min(max(x.n, 0), 1<<31)) * time.Second
}

// scopes parses a list separated by commas. WeChat's lists can end in a comma (seen in 2018:
// "snsapi_base,snsapi_userinfo,").
func scopes(list string) []Scope {
	var out []Scope
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, Scope(s))
		}
	}
	return out
}

// Exchange exchanges the code of a callback for a token. WeChat accepts a code once: compare the
// state with the browser's before you call Exchange, and call it once per code. Exchange tries a
// second time only when the first attempt cannot have spent the code: no connection was made, or
// WeChat answered errcode -1.
//
// Every error is an *[Error]. Errors to test for: [ErrCodeUsed], [ErrInvalidCode], and the classes.
// With [ErrTemporary] the same code may be tried again. Whenever the code may be spent, the class
// is [ErrReauthorize].
func (c *Client) Exchange(ctx context.Context, code string) (*Token, error) {
	switch {
	case code == "":
		return nil, notSent(endpointToken, fmt.Errorf("%w: must not be empty", ErrInvalidCode))
	case len(code) > maxCode:
		return nil, notSent(endpointToken, fmt.Errorf("%w: has more than %d bytes", ErrInvalidCode, maxCode))
	case c.Secret == "":
		return nil, notSent(endpointToken, errNoSecret)
	}
	if err := checkAppID(c.AppID); err != nil {
		return nil, notSent(endpointToken, err)
	}
	r, err := do[tokenResponse](ctx, c, &request{
		endpoint: endpointToken,
		query: "appid=" + c.AppID + "&secret=" + escape(string(c.Secret)) + "&code=" + escape(code) +
			"&grant_type=authorization_code",
		secrets:    [2]string{string(c.Secret), code},
		spendsCode: true,
	})
	if err != nil {
		return nil, err
	}
	return r.token(), nil
}

// Refresh exchanges a refresh token for a new access token. If the old access token is still valid,
// WeChat returns it with an extended lifetime (WeChat's documentation,
// Authorized_Interface_Calling_UnionID). The request does not contain the app secret. The Token has
// no UnionID; it has refreshToken if the response has no refresh token.
//
// Every error is an *[Error]. Errors to test for: the classes; [ErrReauthorize] when the refresh
// token is invalid or expired.
func (c *Client) Refresh(ctx context.Context, refreshToken Secret) (*Token, error) {
	if refreshToken == "" {
		return nil, notSent(endpointRefresh, ErrNoToken)
	}
	if err := checkAppID(c.AppID); err != nil {
		return nil, notSent(endpointRefresh, err)
	}
	r, err := do[tokenResponse](ctx, c, &request{
		endpoint: endpointRefresh,
		query:    "appid=" + c.AppID + "&grant_type=refresh_token&refresh_token=" + escape(string(refreshToken)),
		secrets:  [2]string{string(refreshToken)},
	})
	if err != nil {
		return nil, err
	}
	t := r.token()
	if t.RefreshToken == "" {
		t.RefreshToken = refreshToken
	}
	return t, nil
}

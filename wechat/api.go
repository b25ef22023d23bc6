package wechat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxCode is the longest code that Exchange sends, in bytes. WeChat's codes have 32 bytes. The
// limit is from the documentation of WeCom (企业微信): codes of up to 512 bytes.
const maxCode = 512

// Token is the result of [Client.Exchange] and [Client.Refresh]: the user's ids, and the tokens for
// further calls.
type Token struct {
	// AccessToken is for UserInfo and CheckToken. It is not the global access_token (the token of
	// the official account itself).
	AccessToken Secret

	// RefreshToken is for Refresh. It is valid for 30 days. Refresh does not extend this time
	// (WeChat's documentation, api_snsrefreshtoken). Some refresh tokens were seen to expire
	// earlier.
	RefreshToken Secret

	// ExpiresIn is the lifetime of AccessToken from the time of the response: 2 hours at WeChat. It
	// is 0 when the response has no expires_in.
	ExpiresIn time.Duration

	// OpenID identifies the user within this app. It is never empty.
	OpenID string

	// UnionID identifies the user within all apps of one Open Platform account (开放平台账号). It is
	// empty in three cases: with ScopeBase, from Refresh, and for an app without an Open Platform
	// account.
	UnionID string

	// Scopes lists the granted scopes. It is empty when the response has none.
	Scopes []Scope

	// SnapshotUser reports whether WeChat showed the snapshot page (快照页). OpenID, UnionID and the
	// profile then belong to a virtual user. Do not store them, do not sign the user in, and do not
	// call UserInfo. Ask the user to press 使用完整服务 (use full service).
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
		// An invalid value counts as true: rejecting a real user is a smaller mistake than storing
		// a virtual one.
		SnapshotUser: r.IsSnapshotUser.n != 0 || r.IsSnapshotUser.invalid,
	}
	if validID(r.UnionID) {
		t.UnionID = r.UnionID
	}
	return t
}

// seconds converts a number of seconds to a duration. It limits the number to 0 … 1<<31, because a
// larger duration could overflow.
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

// Exchange exchanges the code of a callback for a token. First compare the state of the callback
// with the state that you stored for the browser. Call Exchange once per code, because WeChat
// accepts a code once. Exchange sends a second request only if the code cannot be spent: no
// connection was made, or WeChat answered errcode -1 (system busy).
//
// Every error is an *[Error]. Errors to test for: [ErrCodeUsed], [ErrInvalidCode], and the classes
// (what the caller should do), such as [ErrReauthorize]. After [ErrTemporary] you may call Exchange
// again with the same code. If the code may be spent, the class is ErrReauthorize.
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

// Refresh exchanges a refresh token for an access token. While the old access token is valid,
// WeChat extends its lifetime and returns it again (WeChat's documentation,
// Authorized_Interface_Calling_UnionID). The request does not contain the app secret. The Token has
// no UnionID. If the response has no refresh token, Token.RefreshToken is the argument
// refreshToken.
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

// Lang is the language of the place names in a [UserInfo].
type Lang string

const (
	LangZhCN Lang = "zh_CN" // simplified Chinese
	LangZhTW Lang = "zh_TW" // traditional Chinese
	LangEN   Lang = "en"    // English
)

// UserInfo is a user's profile at WeChat. All fields but OpenID may be empty. All fields but OpenID
// and UnionID can change, so never use a nickname or an avatar as a key.
type UserInfo struct {
	// OpenID is the argument openID of UserInfo.
	OpenID string

	// UnionID is set only for an app that is bound to an Open Platform account.
	UnionID string

	// Nickname is any text that the user has chosen. It may be "". A deregistered user has the
	// nickname "用户已经注销". Control characters are removed, and invalid UTF-8 is replaced with U+FFFD.
	// Characters that change the text direction are kept.
	Nickname string

	// AvatarURL is the URL of the avatar at WeChat, on a host below qlogo.cn; "" without an avatar.
	// The URL becomes invalid when the user changes the avatar. This package does not validate the
	// URL: check it before you put it into a page.
	AvatarURL string

	// Sex is 1 for male, 2 for female, 0 for unknown. Since 2021-10-20 WeChat sends 0 for every
	// user, and "" for Language, Province, City and Country (WeChat's announcement of 2021-09-26).
	Sex      int
	Language string // such as "zh_CN"
	Province string // a place name in the requested language
	City     string // a place name in the requested language
	Country  string // a place name in the requested language

	// Privileges lists WeChat's names of privileges such as "chinaunicom". It is usually empty.
	Privileges []string
}

// userInfoResponse is the response of /sns/userinfo.
type userInfoResponse struct {
	OpenID     string   `json:"openid"`
	Nickname   string   `json:"nickname"`
	Sex        number   `json:"sex"`
	Language   string   `json:"language"`
	City       string   `json:"city"`
	Province   string   `json:"province"`
	Country    string   `json:"country"`
	HeadImgURL string   `json:"headimgurl"`
	Privilege  []string `json:"privilege"`
	UnionID    string   `json:"unionid"`
	errcodeFields
}

func (r *userInfoResponse) validate() error {
	if !validID(r.OpenID) {
		return ErrNoOpenID
	}
	return nil
}

// UserInfo returns the user's nickname and avatar. The access token must have the scope
// ScopeUserInfo or ScopeLogin; with ScopeBase, WeChat answers errcode 48001, of class
// [ErrConfiguration]. Do not call it for a snapshot user. lang may be "".
//
// Every error is an *[Error]. Errors to test for: the classes, mainly [ErrTokenExpired], and
// [ErrOtherOpenID].
func (c *Client) UserInfo(ctx context.Context, accessToken Secret, openID string, lang Lang) (*UserInfo, error) {
	langParam := ""
	switch lang {
	case "":
	case LangZhCN, LangZhTW, LangEN:
		langParam = "&lang=" + string(lang)
	default:
		return nil, notSent(endpointUserInfo, fmt.Errorf("%w: must be zh_CN, zh_TW or en", ErrLang))
	}
	if err := checkArguments(endpointUserInfo, accessToken, openID); err != nil {
		return nil, err
	}
	r, err := do[userInfoResponse](ctx, c, &request{
		endpoint: endpointUserInfo,
		query:    "access_token=" + escape(string(accessToken)) + "&openid=" + escape(openID) + langParam,
		secrets:  [2]string{string(accessToken)},
		openID:   openID,
	})
	if err != nil {
		return nil, err
	}
	u := &UserInfo{
		OpenID:     r.OpenID,
		Nickname:   removeControl(r.Nickname),
		AvatarURL:  removeControl(r.HeadImgURL),
		Sex:        int(r.Sex.n),
		Language:   removeControl(r.Language),
		Province:   removeControl(r.Province),
		City:       removeControl(r.City),
		Country:    removeControl(r.Country),
		Privileges: r.Privilege,
	}
	if u.Sex < 0 || u.Sex > 2 {
		u.Sex = 0
	}
	if validID(r.UnionID) {
		u.UnionID = r.UnionID
	}
	return u, nil
}

// authResponse is the response of /sns/auth, the only endpoint that reports success with errcode 0.
type authResponse struct{ errcodeFields }

func (r *authResponse) validate() error {
	if !r.Errcode.set {
		return fmt.Errorf("%w: no errcode", ErrEmpty)
	}
	return nil
}

// CheckToken returns nil if WeChat reports the access token as valid for openID. WeChat's result is
// not reliable: it was seen to accept tokens that UserInfo rejects, and to reject valid ones.
// Prefer UserInfo where you can.
//
// Every error is an *[Error]. Errors to test for: the classes. [ErrTokenExpired] and
// [ErrReauthorize] mean that WeChat rejected the token; [ErrTemporary] means that the result is
// unknown.
func (c *Client) CheckToken(ctx context.Context, accessToken Secret, openID string) error {
	if err := checkArguments(endpointAuth, accessToken, openID); err != nil {
		return err
	}
	_, err := do[authResponse](ctx, c, &request{
		endpoint: endpointAuth,
		query:    "access_token=" + escape(string(accessToken)) + "&openid=" + escape(openID),
		secrets:  [2]string{string(accessToken)},
	})
	return err
}

// checkArguments rejects an empty token and an invalid openid before anything is sent. WeChat
// itself was seen to ignore a wrong openid.
func checkArguments(endpoint string, accessToken Secret, openID string) error {
	if accessToken == "" {
		return notSent(endpoint, ErrNoToken)
	}
	if !validID(openID) {
		return notSent(endpoint, ErrNoOpenID)
	}
	return nil
}

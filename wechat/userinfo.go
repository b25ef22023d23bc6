package wechat

import (
	"context"
	"fmt"
)

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
	// OpenID is the openid that was requested.
	OpenID string

	// UnionID is set only for an app that is bound to an Open Platform account.
	UnionID string

	// Nickname is any text that the user has chosen; it may be "" or "用户已经注销" (deregistered).
	// Control characters are removed, and invalid UTF-8 is replaced with U+FFFD. It may contain
	// characters that change the text direction.
	Nickname string

	// AvatarURL is the URL of the avatar, on a host below qlogo.cn; "" when there is none. It
	// becomes invalid when the user changes the avatar. It is not validated: check it before you
	// put it into a page.
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

// checkArguments rejects an empty token and an invalid openid before anything is sent. WeChat was
// seen to ignore a wrong openid.
func checkArguments(endpoint string, accessToken Secret, openID string) error {
	if accessToken == "" {
		return notSent(endpoint, ErrNoToken)
	}
	if !validID(openID) {
		return notSent(endpoint, ErrNoOpenID)
	}
	return nil
}

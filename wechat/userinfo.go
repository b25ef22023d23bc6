package wechat

import (
	"context"
	"fmt"
)

// Lang is the language of place names in a UserInfo.
type Lang string

const (
	LangZhCN Lang = "zh_CN" // simplified Chinese
	LangZhTW Lang = "zh_TW" // traditional Chinese
	LangEN   Lang = "en"    // English
)

// UserInfo is what WeChat shows of a person. All but OpenID may be empty, and all but OpenID and UnionID changes: never use a
// nickname or a picture as a key.
type UserInfo struct {
	// OpenID is the one that was asked for.
	OpenID string

	// UnionID is set only for an app that is bound to an Open Platform account.
	UnionID string

	// Nickname is what the person calls themselves: any text, also "" and "用户已经注销" (deregistered). Control characters are
	// taken out; bad UTF-8 has become U+FFFD. It may hold characters that change the direction of writing.
	Nickname string

	// AvatarURL is the address of the picture, on a host under qlogo.cn; "" when there is none. It dies when the person changes
	// the picture. It comes as WeChat sent it: check it before you put it into a page.
	AvatarURL string

	// Sex is 1 for male, 2 for female, 0 for unknown. WeChat sends 0 for everybody since 2021-10-20, and "" for Language,
	// Province, City and Country (WeChat's announcement of 2021-09-26).
	Sex                               int
	Language, Province, City, Country string

	// Privileges is a list of names such as "chinaunicom", usually empty.
	Privileges []string
}

// userAnswer is the wire form of /sns/userinfo.
type userAnswer struct {
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
	fault
}

func (a *userAnswer) complete() error {
	if !printable(a.OpenID) {
		return ErrNoOpenID
	}
	return nil
}

// UserInfo trades an access token for nickname and picture. The token must have been granted with ScopeUserInfo or ScopeLogin;
// with ScopeBase, WeChat answers errcode 48001, of class [ErrConfiguration]. Do not call it for a snapshot user. lang may be "".
//
// Every error is an *[Error]. Errors to test for: the classes, [ErrTokenExpired] above all, and [ErrOtherOpenID].
func (c *Client) UserInfo(ctx context.Context, accessToken Secret, openID string, lang Lang) (*UserInfo, error) {
	tail := ""
	switch lang {
	case "":
	case LangZhCN, LangZhTW, LangEN:
		tail = "&lang=" + string(lang)
	default:
		return nil, refuse(endpointUserInfo, fmt.Errorf("%w: this call takes zh_CN, zh_TW or en", ErrLang))
	}
	if err := checkPair(endpointUserInfo, accessToken, openID); err != nil {
		return nil, err
	}
	a, err := do[userAnswer](ctx, c, &request{
		endpoint: endpointUserInfo,
		query:    "access_token=" + escape(string(accessToken)) + "&openid=" + escape(openID) + tail,
		hidden:   [2]string{string(accessToken)},
		openID:   openID,
	})
	if err != nil {
		return nil, err
	}
	u := &UserInfo{
		OpenID: a.OpenID, Nickname: visible(a.Nickname), AvatarURL: visible(a.HeadImgURL), Sex: int(a.Sex.n),
		Language: visible(a.Language), Province: visible(a.Province), City: visible(a.City), Country: visible(a.Country),
		Privileges: a.Privilege,
	}
	if u.Sex < 0 || u.Sex > 2 {
		u.Sex = 0
	}
	if printable(a.UnionID) {
		u.UnionID = a.UnionID
	}
	return u, nil
}

// authAnswer is the wire form of /sns/auth, the one endpoint whose success is an errcode: 0.
type authAnswer struct{ fault }

func (a *authAnswer) complete() error {
	if !a.Errcode.set {
		return fmt.Errorf("%w of an errcode", ErrEmpty)
	}
	return nil
}

// CheckToken returns nil when WeChat says that the access token is valid for openID, and for no other answer. It is of little
// use: it was seen to say yes to tokens that UserInfo refuses, and no to good ones. Call UserInfo instead where you can.
//
// Every error is an *[Error]. Errors to test for: the classes. [ErrTokenExpired] and [ErrReauthorize] mean that WeChat said no;
// ErrTemporary means that nobody knows.
func (c *Client) CheckToken(ctx context.Context, accessToken Secret, openID string) error {
	if err := checkPair(endpointAuth, accessToken, openID); err != nil {
		return err
	}
	_, err := do[authAnswer](ctx, c, &request{
		endpoint: endpointAuth,
		query:    "access_token=" + escape(string(accessToken)) + "&openid=" + escape(openID),
		hidden:   [2]string{string(accessToken)},
	})
	return err
}

// checkPair refuses to ask about nothing: WeChat is known to ignore a wrong openid, so an empty one would go unnoticed.
func checkPair(endpoint string, accessToken Secret, openID string) error {
	if accessToken == "" {
		return refuse(endpoint, ErrNoToken)
	}
	if !printable(openID) {
		return refuse(endpoint, ErrNoOpenID)
	}
	return nil
}

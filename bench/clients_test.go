package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/silenceper/wechat/v2/officialaccount/config"
	oacontext "github.com/silenceper/wechat/v2/officialaccount/context"
	"github.com/silenceper/wechat/v2/officialaccount/oauth"
	"github.com/silenceper/wechat/v2/util"

	"github.com/weigate/weigate/wechat"
)

const (
	appID  = "wx0123456789abcdef"
	secret = "0123456789abcdef0123456789abcdef"
)

// person is the result of a sign-in.
type person struct{ OpenID, UnionID, Nickname, Avatar string }

// signIn exchanges a code and fetches the profile.
type signIn func(ctx context.Context, code string) (person, error)

// clients are the compared clients. Their names are the columns of benchstat.
var clients = []struct {
	name string
	over func(*http.Client) signIn
}{
	{"bare", byHand},
	{"weigate", byWeigate},
	{"silenceper", bySilenceper},
}

func byWeigate(hc *http.Client) signIn {
	c := &wechat.Client{AppID: appID, Secret: secret, HTTPClient: hc}
	return func(ctx context.Context, code string) (person, error) {
		token, err := c.Exchange(ctx, code)
		if err != nil {
			return person{}, err
		}
		info, err := c.UserInfo(ctx, token.AccessToken, token.OpenID, wechat.LangZhCN)
		if err != nil {
			return person{}, err
		}
		return person{OpenID: info.OpenID, UnionID: info.UnionID, Nickname: info.Nickname, Avatar: info.AvatarURL}, nil
	}
}

// bySilenceper sets the HTTP client of the whole process, because the library has no
// other setting. The benchmarks run one after the other.
func bySilenceper(hc *http.Client) signIn {
	util.DefaultHTTPClient = hc
	o := oauth.NewOauth(&oacontext.Context{Config: &config.Config{AppID: appID, AppSecret: secret}})
	return func(ctx context.Context, code string) (person, error) {
		token, err := o.GetUserAccessTokenContext(ctx, code)
		if err != nil {
			return person{}, err
		}
		info, err := o.GetUserInfoContext(ctx, token.AccessToken, token.OpenID, "zh_CN")
		if err != nil {
			return person{}, err
		}
		return person{OpenID: info.OpenID, UnionID: info.Unionid, Nickname: info.Nickname, Avatar: info.HeadImgURL}, nil
	}
}

// byHand calls WeChat without a library, as a careful engineer would: it escapes values,
// limits the size of the body and checks the errcode. It has no timeout and no error
// classes, and does not clean nicknames or remove secrets from errors. It is the baseline
// of the comparison.
func byHand(hc *http.Client) signIn {
	get := func(ctx context.Context, path string, query url.Values, answer any) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.weixin.qq.com"+path+"?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		resp, err := hc.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return err
		}
		return json.Unmarshal(body, answer)
	}
	return func(ctx context.Context, code string) (person, error) {
		var token struct {
			ErrCode      int    `json:"errcode"`
			ErrMsg       string `json:"errmsg"`
			AccessToken  string `json:"access_token"`
			ExpiresIn    int    `json:"expires_in"`
			RefreshToken string `json:"refresh_token"`
			OpenID       string `json:"openid"`
			Scope        string `json:"scope"`
			UnionID      string `json:"unionid"`
			Snapshot     int    `json:"is_snapshotuser"`
		}
		err := get(ctx, "/sns/oauth2/access_token", url.Values{
			"appid": {appID}, "secret": {secret}, "code": {code}, "grant_type": {"authorization_code"},
		}, &token)
		if err != nil {
			return person{}, err
		}
		if token.ErrCode != 0 || token.OpenID == "" {
			return person{}, fmt.Errorf("errcode %d: %s", token.ErrCode, token.ErrMsg)
		}
		var info struct {
			ErrCode  int      `json:"errcode"`
			ErrMsg   string   `json:"errmsg"`
			OpenID   string   `json:"openid"`
			Nickname string   `json:"nickname"`
			Sex      int      `json:"sex"`
			Province string   `json:"province"`
			City     string   `json:"city"`
			Country  string   `json:"country"`
			Avatar   string   `json:"headimgurl"`
			Rights   []string `json:"privilege"`
			UnionID  string   `json:"unionid"`
		}
		err = get(ctx, "/sns/userinfo", url.Values{
			"access_token": {token.AccessToken}, "openid": {token.OpenID}, "lang": {"zh_CN"},
		}, &info)
		if err != nil {
			return person{}, err
		}
		if info.ErrCode != 0 || info.OpenID != token.OpenID {
			return person{}, errors.New("user info has another openid")
		}
		return person{OpenID: info.OpenID, UnionID: info.UnionID, Nickname: info.Nickname, Avatar: info.Avatar}, nil
	}
}

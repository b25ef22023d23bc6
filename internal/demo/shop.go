package demo

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// shop is an app that uses WeChat's own protocol, as many existing apps do. The gateway's relay
// serves this protocol to apps. So the shop works with WeChat and with the relay. Only its settings
// differ: the appid, the secret and the two base URLs.
type shop struct {
	*app
	openURL       string // base URL of the authorize page; https://open.weixin.qq.com at WeChat
	apiURL        string // base URL of the API; https://api.weixin.qq.com at WeChat
	appID, secret string
	url           string // the shop's own base URL
	http          *http.Client

	mu       sync.Mutex
	sessions map[string]wechatUser // by the value of the session cookie
}

// wechatUser is the response of /sns/userinfo.
type wechatUser struct {
	OpenID   string `json:"openid"`
	UnionID  string `json:"unionid"`
	Nickname string `json:"nickname"`
	Picture  string `json:"headimgurl"`
}

const (
	shopCookie      = "shop"
	shopStateCookie = "shop-state"
)

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	sameOrigin := http.NewCrossOriginProtection() // a form on another website must not end a session
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /sign-in", s.signIn)
	mux.HandleFunc("GET /callback", s.callback)
	mux.Handle("POST /sign-out", sameOrigin.Handler(http.HandlerFunc(s.signOut)))
	s.mountAssets(mux)
	mux.HandleFunc("/", s.notFound)
	return mux
}

func (s *shop) home(w http.ResponseWriter, r *http.Request) {
	// The first two rows show, for each base URL of WeChat, the address that replaces it here.
	p := page{Heading: "shop.welcome", Facts: []fact{
		{"https://open.weixin.qq.com", s.openURL}, {"https://api.weixin.qq.com", s.apiURL}, {"appid", s.appID},
	}}
	if c, err := r.Cookie(shopCookie); err == nil {
		s.mu.Lock()
		user, found := s.sessions[c.Value]
		s.mu.Unlock()
		if found {
			p.Heading, p.Nickname, p.AvatarURL = "signed_in", user.Nickname, user.Picture
			p.OpenID, p.UnionID = user.OpenID, user.UnionID
		}
	}
	s.show(w, r, http.StatusOK, "shop", p)
}

// signIn redirects to the authorize page. The parameters are in the order of WeChat's
// documentation, because WeChat rejects any other order.
func (s *shop) signIn(w http.ResponseWriter, r *http.Request) {
	state := rand.Text()
	s.setCookie(w, shopStateCookie, state, int((10 * time.Minute).Seconds()))
	redirect(w, s.openURL+"/connect/oauth2/authorize?appid="+url.QueryEscape(s.appID)+
		"&redirect_uri="+url.QueryEscape(s.url+"/callback")+
		"&response_type=code&scope=snsapi_userinfo&state="+state+"#wechat_redirect")
}

// callback redeems the code and starts a session. The state must equal the state in the browser's
// cookie. Otherwise another browser has started the sign-in (login CSRF).
func (s *shop) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	state, err := r.Cookie(shopStateCookie)
	if err != nil || subtle.ConstantTimeCompare([]byte(state.Value), []byte(q.Get("state"))) != 1 {
		s.notice(w, r, http.StatusBadRequest, "expired")
		return
	}
	s.setCookie(w, shopStateCookie, "", -1)
	user, err := s.exchange(r, q.Get("code"))
	if err != nil {
		s.log.ErrorContext(r.Context(), "WeChat call failed", "error", err)
		s.notice(w, r, http.StatusBadGateway, "error")
		return
	}
	id := rand.Text()
	s.mu.Lock()
	if len(s.sessions) >= maxSessions {
		clear(s.sessions)
	}
	s.sessions[id] = user
	s.mu.Unlock()
	s.setCookie(w, shopCookie, id, 0)
	redirect(w, s.url+"/")
}

// exchange redeems the code and reads the nickname and picture.
func (s *shop) exchange(r *http.Request, code string) (user wechatUser, err error) {
	if code == "" {
		return user, errors.New("demo: callback without a code")
	}
	var token struct {
		AccessToken string `json:"access_token"`
		OpenID      string `json:"openid"`
	}
	params := url.Values{
		"appid": {s.appID}, "secret": {s.secret}, "code": {code}, "grant_type": {"authorization_code"},
	}
	if err := s.call(r, "/sns/oauth2/access_token", params, &token); err != nil {
		return user, err
	}
	params = url.Values{"access_token": {token.AccessToken}, "openid": {token.OpenID}, "lang": {"zh_CN"}}
	err = s.call(r, "/sns/userinfo", params, &user)
	if err == nil && (user.OpenID == "" || user.OpenID != token.OpenID) {
		err = errors.New("demo: /sns/userinfo: openid differs from the token's")
	}
	return user, err
}

// call makes a call of WeChat's API. Its errors omit the URL, because the URL contains the app
// secret.
func (s *shop) call(r *http.Request, path string, params url.Values, into any) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.apiURL+path+"?"+params.Encode(), nil)
	if err != nil {
		return fmt.Errorf("demo: %s: invalid URL", path)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("demo: %s: unavailable", path)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	if err != nil {
		return fmt.Errorf("demo: %s: read the response: %w", path, err)
	}
	var failed struct {
		Errcode int `json:"errcode"`
	}
	if err := json.Unmarshal(body, &failed); err != nil {
		return fmt.Errorf("demo: %s: response is not JSON", path)
	}
	if failed.Errcode != 0 {
		return fmt.Errorf("demo: %s: errcode %d", path, failed.Errcode)
	}
	return json.Unmarshal(body, into)
}

func (s *shop) signOut(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(shopCookie); err == nil {
		s.mu.Lock()
		delete(s.sessions, c.Value)
		s.mu.Unlock()
	}
	s.setCookie(w, shopCookie, "", -1)
	redirect(w, s.url+"/")
}

// setCookie sets a cookie. A maxAge of 0 means until the browser closes. A negative maxAge deletes
// the cookie.
func (s *shop) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func newShop(a *app, g *GatewayConfig) *shop {
	return &shop{
		app: a, openURL: g.Issuer, apiURL: g.Issuer, appID: ShopAppID, secret: g.ShopSecret, url: ShopURL(a.config.URL),
		http: &http.Client{Timeout: 10 * time.Second}, sessions: map[string]wechatUser{},
	}
}

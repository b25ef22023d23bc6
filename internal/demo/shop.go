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

// shop is an old app as many teams have one: WeChat's three calls, written by hand, with WeChat's documents beside the keyboard. It speaks no OpenID
// Connect, and it does not know that Weigate exists. What has changed in it is what its configuration holds: open and api were
// https://open.weixin.qq.com and https://api.weixin.qq.com, and appid and secret were the service account's own.
type shop struct {
	*app
	open, api     string
	appID, secret string
	self          string // its own address
	http          *http.Client

	mu       sync.Mutex
	sessions map[string]buyer
}

// buyer is who is signed in: what user info says, with WeChat's names.
type buyer struct {
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
	own := http.NewCrossOriginProtection()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /sign-in", s.begin)
	mux.HandleFunc("GET /callback", s.callback)
	mux.Handle("POST /sign-out", own.Handler(http.HandlerFunc(s.signOut)))
	s.assets(mux)
	mux.HandleFunc("/", s.notFound)
	return mux
}

func (s *shop) home(w http.ResponseWriter, r *http.Request) {
	words := wordsFor(r)
	p := page{Heading: words.ShopWelcome, Facts: []fact{
		{"https://open.weixin.qq.com", s.open}, {"https://api.weixin.qq.com", s.api}, {words.FactAppID, s.appID}, {words.FactSecret, words.ShopOwnSecret},
	}}
	if c, err := r.Cookie(shopCookie); err == nil {
		s.mu.Lock()
		who, in := s.sessions[c.Value]
		s.mu.Unlock()
		if in {
			p.Heading, p.Nickname, p.AvatarURL, p.OpenID, p.UnionID = words.SignedIn, who.Nickname, who.Picture, who.OpenID, who.UnionID
		}
	}
	s.show(w, r, http.StatusOK, "shop", p)
}

// begin sends the browser to the authorize page, with the parameters in the order that WeChat wants.
func (s *shop) begin(w http.ResponseWriter, r *http.Request) {
	state := rand.Text()
	s.cookie(w, shopStateCookie, state, 600)
	s.leave(w, s.open+"/connect/oauth2/authorize?appid="+url.QueryEscape(s.appID)+"&redirect_uri="+url.QueryEscape(s.self+"/callback")+
		"&response_type=code&scope=snsapi_userinfo&state="+state+"#wechat_redirect")
}

func (s *shop) callback(w http.ResponseWriter, r *http.Request) {
	words, q := wordsFor(r), r.URL.Query()
	state, err := r.Cookie(shopStateCookie)
	if err != nil || subtle.ConstantTimeCompare([]byte(state.Value), []byte(q.Get("state"))) != 1 {
		s.show(w, r, http.StatusBadRequest, "notice", page{Heading: words.Over, Text: words.OverNote})
		return
	}
	s.cookie(w, shopStateCookie, "", -1)
	who, err := s.exchange(r, q.Get("code"))
	if err != nil {
		s.log.ErrorContext(r.Context(), "shop", "error", err)
		s.show(w, r, http.StatusBadGateway, "notice", page{Heading: words.Trouble, Text: words.TroubleNote})
		return
	}
	id := rand.Text()
	s.mu.Lock()
	if len(s.sessions) >= maxSessions {
		clear(s.sessions)
	}
	s.sessions[id] = who
	s.mu.Unlock()
	s.cookie(w, shopCookie, id, 0)
	s.leave(w, s.self+"/")
}

// exchange makes the two calls from server to server: the code for a token, the token for nickname and picture.
func (s *shop) exchange(r *http.Request, code string) (who buyer, err error) {
	if code == "" {
		return who, errors.New("demo: the callback has no code")
	}
	var token struct {
		AccessToken string `json:"access_token"`
		OpenID      string `json:"openid"`
	}
	if err := s.call(r, "/sns/oauth2/access_token", url.Values{"appid": {s.appID}, "secret": {s.secret}, "code": {code}, "grant_type": {"authorization_code"}}, &token); err != nil {
		return who, err
	}
	err = s.call(r, "/sns/userinfo", url.Values{"access_token": {token.AccessToken}, "openid": {token.OpenID}, "lang": {"zh_CN"}}, &who)
	if err == nil && (who.OpenID == "" || who.OpenID != token.OpenID) {
		err = errors.New("demo: user info is about somebody else than the code")
	}
	return who, err
}

// call asks WeChat, or who answers in its place. The error has no address in it, since the address has the secret.
func (s *shop) call(r *http.Request, path string, params url.Values, into any) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.api+path+"?"+params.Encode(), nil)
	if err != nil {
		return errors.New("demo: no request can be made of the address of the API")
	}
	res, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("demo: %s is out of reach", path)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("demo: the answer of %s broke off: %w", path, err)
	}
	var failed struct {
		Errcode int `json:"errcode"`
	}
	if err := json.Unmarshal(body, &failed); err != nil {
		return fmt.Errorf("demo: the answer of %s is no JSON", path)
	}
	if failed.Errcode != 0 {
		return fmt.Errorf("demo: %s answers errcode %d", path, failed.Errcode)
	}
	return json.Unmarshal(body, into)
}

func (s *shop) signOut(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(shopCookie); err == nil {
		s.mu.Lock()
		delete(s.sessions, c.Value)
		s.mu.Unlock()
	}
	s.cookie(w, shopCookie, "", -1)
	s.leave(w, s.self+"/")
}

func (s *shop) cookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func newShop(a *app, g *Gateway) *shop {
	return &shop{app: a, open: g.Issuer, api: g.Issuer, appID: ShopAppID, secret: g.ShopSecret, self: ShopURL(a.conf.URL),
		http: &http.Client{Timeout: 10 * time.Second}, sessions: map[string]buyer{}}
}

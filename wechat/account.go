package wechat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// This file contains the calls that an official account makes as itself, without a user's code.

// refreshAhead is how long before its end a token is replaced. WeChat returns a new token from five
// minutes before the end; the old one stays valid (documentation of getStableAccessToken, 2026).
const refreshAhead = 5 * time.Minute

// maxScene is the longest scene_str, in bytes.
const maxScene = 64

// maxQRCodeLife is the longest life of a temporary QR code.
const maxQRCodeLife = 30 * 24 * time.Hour

// ErrScene means that the scene or the life of a QR code is invalid.
var ErrScene = errors.New("invalid scene")

// StableToken makes the calls of an official account itself, and holds the access_token that they
// need. Create one for each [Client] and use it for the life of the program. Client is required. A
// StableToken is safe for concurrent use. Do not copy it after its first use.
//
// The token is fetched at the first call, and replaced five minutes before it ends. Concurrent
// calls wait for one request. WeChat returns the same token to every program that asks for it by
// this method, so replicas need not share it, and they do not end each other's tokens. The other
// method, cgi-bin/token, has tokens of its own: programs that use it are not disturbed.
//
// An account may make these calls only if WeChat has given it the permission. Most of them need a
// verified service account (认证服务号).
type StableToken struct {
	Client *Client          // of the official account; with Secret
	Now    func() time.Time // returns the time; nil means time.Now

	mu      sync.Mutex
	token   Secret
	expires time.Time
	fetch   *tokenFetch // the request in progress; nil = none
}

// tokenFetch is a request for a token. done is closed after the other fields are set.
type tokenFetch struct {
	done  chan struct{}
	token Secret
	err   error
}

// stableTokenResponse is the response of cgi-bin/stable_token.
type stableTokenResponse struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   number `json:"expires_in"`
	errcodeFields
}

func (r *stableTokenResponse) validate() error {
	if r.AccessToken == "" {
		return ErrNoToken
	}
	return nil
}

// Token returns the access_token. If WeChat cannot be reached, it returns the former token as long
// as that token is valid. Every error is an *[Error]. Errors to test for: its classes, mainly
// [ErrConfiguration].
func (s *StableToken) Token(ctx context.Context) (Secret, error) { return s.get(ctx, "") }

// get returns the stored token. If there is none, or it ends soon, get fetches a new token. It does
// so too if WeChat has just rejected the stored token. rejected is that token, or "".
func (s *StableToken) get(ctx context.Context, rejected Secret) (Secret, error) {
	s.mu.Lock()
	now := s.now()
	if s.token != "" && s.token != rejected && now.Before(s.expires.Add(-refreshAhead)) {
		defer s.mu.Unlock()
		return s.token, nil
	}
	f := s.fetch
	if f == nil {
		f = &tokenFetch{done: make(chan struct{})}
		s.fetch = f
		// The request continues when the first of its callers gives up: others wait for it.
		go s.run(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return "", notSent(endpointStableToken, fmt.Errorf("%w: %w", ErrTransport, ctx.Err()))
	}
	if f.err == nil {
		return f.token, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && s.token != rejected && s.now().Before(s.expires) {
		return s.token, nil
	}
	return "", f.err
}

func (s *StableToken) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// run fetches a token, stores it, and closes f.done.
func (s *StableToken) run(ctx context.Context, f *tokenFetch) {
	began := s.now()
	r, err := s.request(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.err = err; err == nil {
		f.token = Secret(r.AccessToken)
		s.token, s.expires = f.token, began.Add(seconds(r.ExpiresIn))
	}
	s.fetch = nil
	close(f.done)
}

// request fetches a token from WeChat. force_refresh is false: true would end the tokens of other
// programs.
func (s *StableToken) request(ctx context.Context) (*stableTokenResponse, error) {
	c := s.Client
	if c.Secret == "" {
		return nil, notSent(endpointStableToken, errNoSecret)
	}
	if err := checkAppID(c.AppID); err != nil {
		return nil, notSent(endpointStableToken, err)
	}
	body, err := json.Marshal(map[string]any{
		"grant_type": "client_credential", "appid": c.AppID, "secret": string(c.Secret), "force_refresh": false,
	})
	if err != nil {
		return nil, notSent(endpointStableToken, err)
	}
	return do[stableTokenResponse](ctx, c, &request{
		endpoint: endpointStableToken, body: body, secrets: [2]string{string(c.Secret)},
	})
}

// withToken calls call with the token. When WeChat rejects the token, it calls once more with a new
// one. WeChat ends a token early when the AppSecret is changed.
func withToken[R any](ctx context.Context, s *StableToken, call func(token Secret) (*R, error)) (*R, error) {
	token, err := s.get(ctx, "")
	if err != nil {
		return nil, err
	}
	r, err := call(token)
	if !errors.Is(err, ErrTokenExpired) {
		return r, err
	}
	if token, err = s.get(ctx, token); err != nil {
		return nil, err
	}
	return call(token)
}

// QRCodeRequest has the parameters of [StableToken.CreateQRCode].
type QRCodeRequest struct {
	// Scene is the parameter of the QR code: 1 to 64 of the characters A-Z, a-z, 0-9, "_" and "-".
	// WeChat pushes it when somebody scans the code.
	Scene string
	// Life is how long the code is valid, up to 30 days. It is required, because WeChat's default
	// differs between its documents.
	Life time.Duration
}

// QRCode is a temporary QR code with a parameter (临时带参数二维码).
type QRCode struct {
	URL       string        // the content of the QR code, to be drawn
	Ticket    string        // identifies the code at mp.weixin.qq.com/cgi-bin/showqrcode
	ExpiresIn time.Duration // from the time of the response
}

// qrCodeResponse is the response of cgi-bin/qrcode/create.
type qrCodeResponse struct {
	Ticket        string `json:"ticket"`
	ExpireSeconds number `json:"expire_seconds"`
	URL           string `json:"url"`
	errcodeFields
}

func (r *qrCodeResponse) validate() error {
	if r.Ticket == "" || !strings.HasPrefix(r.URL, "http") {
		return fmt.Errorf("%w: no ticket or no url", ErrEmpty)
	}
	return nil
}

// CreateQRCode returns a QR code with a parameter. A person who scans it follows the account, or
// opens its chat as a follower. WeChat pushes the scene in both cases, see package push. An account
// may make 100,000 codes a day.
//
// Every error is an *[Error]. Errors to test for: [ErrScene], and its classes. [ErrConfiguration]
// with errcode 48001 means that the account is not a verified service account (认证服务号).
func (s *StableToken) CreateQRCode(ctx context.Context, q QRCodeRequest) (*QRCode, error) {
	life := int64(q.Life / time.Second)
	lettersAndDigits := strings.NewReplacer("_", "", "-", "").Replace(q.Scene)
	switch {
	case q.Scene == "" || len(q.Scene) > maxScene || !alphanumeric(lettersAndDigits):
		return nil, notSent(endpointQRCode, fmt.Errorf("%w: must have 1 to 64 of A-Z, a-z, 0-9, _ and -", ErrScene))
	case life < 1 || q.Life > maxQRCodeLife:
		return nil, notSent(endpointQRCode, fmt.Errorf("%w: the life must be 1 second to 30 days", ErrScene))
	}
	body, err := json.Marshal(map[string]any{
		"expire_seconds": life, "action_name": "QR_STR_SCENE",
		"action_info": map[string]any{"scene": map[string]string{"scene_str": q.Scene}},
	})
	if err != nil {
		return nil, notSent(endpointQRCode, err)
	}
	r, err := withToken(ctx, s, func(token Secret) (*qrCodeResponse, error) {
		return do[qrCodeResponse](ctx, s.Client, &request{
			endpoint: endpointQRCode, query: "access_token=" + escape(string(token)), body: body,
			secrets: [2]string{string(token)},
		})
	})
	if err != nil {
		return nil, err
	}
	return &QRCode{URL: r.URL, Ticket: r.Ticket, ExpiresIn: seconds(r.ExpireSeconds)}, nil
}

// AccountUser is a user of an official account, as the account sees them. WeChat has sent no
// nickname and no avatar since 2021-12-27.
type AccountUser struct {
	OpenID   string
	UnionID  string // set only for a follower, and only if the account is bound to an Open Platform account
	Follower bool   // the user follows the account
}

// accountUserResponse is the response of cgi-bin/user/info.
type accountUserResponse struct {
	Subscribe number `json:"subscribe"`
	OpenID    string `json:"openid"`
	UnionID   string `json:"unionid"`
	errcodeFields
}

func (r *accountUserResponse) validate() error {
	if !validID(r.OpenID) {
		return ErrNoOpenID
	}
	return nil
}

// AccountUser returns whether a user follows the account, and the unionid of a follower.
//
// Every error is an *[Error]. Errors to test for: its classes, and [ErrOtherOpenID]. Errcode 48001,
// of class [ErrConfiguration], means that the account is not verified.
func (s *StableToken) AccountUser(ctx context.Context, openID string) (*AccountUser, error) {
	if !validID(openID) {
		return nil, notSent(endpointAccountUser, ErrNoOpenID)
	}
	r, err := withToken(ctx, s, func(token Secret) (*accountUserResponse, error) {
		return do[accountUserResponse](ctx, s.Client, &request{
			endpoint: endpointAccountUser, secrets: [2]string{string(token)}, openID: openID,
			query: "access_token=" + escape(string(token)) + "&openid=" + escape(openID) + "&lang=zh_CN",
		})
	})
	if err != nil {
		return nil, err
	}
	u := &AccountUser{OpenID: r.OpenID, Follower: r.Subscribe.n == 1}
	if validID(r.UnionID) {
		u.UnionID = r.UnionID
	}
	return u, nil
}

// Format prints a StableToken without its token, whatever the verb.
func (s *StableToken) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "&wechat.StableToken{Client:%v}", s.Client)
}

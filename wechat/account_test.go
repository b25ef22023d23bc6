package wechat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

// account simulates the calls of an account. Tokens are numbered.
type account struct {
	mu       sync.Mutex
	tokens   int           // how many were issued
	delay    time.Duration // of each response
	fail     string        // response of stable_token instead of a token
	rejected string        // token that the other calls reject
	answer   string        // of the other calls
	requests []string      // path, query and body of each
}

// newAccount returns an account and its client's StableToken, whose time is the fake time of a bubble.
func newAccount(answer string) (*account, *wechat.StableToken) {
	a := &account{answer: answer}
	return a, &wechat.StableToken{Client: clientOf(a.respond)}
}

func (a *account) respond(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	time.Sleep(a.delay)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery+" "+string(body))
	if r.URL.Path == "/cgi-bin/stable_token" {
		if a.fail != "" {
			return respond(r, 200, a.fail), nil
		}
		a.tokens++
		return respond(r, 200, fmt.Sprintf(`{"access_token":"%s%d","expires_in":7200}`, leaktest.Mark, a.tokens)), nil
	}
	if a.rejected != "" && r.URL.Query().Get("access_token") == a.rejected {
		return respond(r, 200,
			`{"errcode":40001,"errmsg":"invalid credential, could get access_token by getStableAccessToken rid: x"}`), nil
	}
	return respond(r, 200, a.answer), nil
}

func (a *account) count(path string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, each := range a.requests {
		if strings.Contains(each, path) {
			n++
		}
	}
	return n
}

// One hundred callers without a token cause one request, also when the first of them gives up.
func TestTokenIsFetchedOnceForAllCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := newAccount("")
		a.delay = time.Second
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		go func() { _, _ = s.Token(impatient) }()
		time.Sleep(time.Millisecond)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if token, err := s.Token(t.Context()); err != nil || token != leaktest.Mark+"1" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := a.count("stable_token"); n != 1 {
			t.Errorf("%d requests", n)
		}
		var body map[string]any
		_, document, _ := strings.Cut(a.requests[0], "? ")
		if err := json.Unmarshal([]byte(document), &body); err != nil || body["force_refresh"] != false ||
			body["grant_type"] != "client_credential" || !strings.HasPrefix(a.requests[0], "POST ") {
			t.Errorf("%v: %v", err, body)
		}
	})
}

// A token is replaced five minutes before its end. If that fails, the old one is used until its end.
func TestTokenIsReplacedAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := newAccount("")
		want := func(number int) {
			t.Helper()
			token, err := s.Token(t.Context())
			if err != nil || string(token) != fmt.Sprint(leaktest.Mark, number) {
				t.Errorf("not token %d: %v", number, err)
			}
		}
		want(1)
		time.Sleep(115*time.Minute - time.Second)
		want(1)
		time.Sleep(time.Second)
		want(2)
		a.fail = `{"errcode":45009,"errmsg":"reach max api daily quota limit"}`
		time.Sleep(116 * time.Minute)
		want(2)
		time.Sleep(4 * time.Minute)
		if _, err := s.Token(t.Context()); !errors.Is(err, wechat.ErrRateLimited) {
			t.Errorf("after the end: %v", err)
		}
		a.fail = ""
		want(3)
	})
}

// WeChat ends a token early when the AppSecret is changed. The call is made once more, not in a loop.
func TestRejectedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	const user = `{"subscribe":1,"openid":"` + openID + `","unionid":"oUNION","nickname":""}`
	a, s := newAccount(user)
	a.rejected = leaktest.Mark + "1"
	u, err := s.AccountUser(t.Context(), openID)
	if err != nil || *u != (wechat.AccountUser{OpenID: openID, UnionID: "oUNION", Follower: true}) {
		t.Fatalf("%+v, %v", u, err)
	}
	if a.count("stable_token") != 2 || a.count("user/info") != 2 {
		t.Errorf("%d requests", len(a.requests))
	}
	b, s := newAccount(`{"errcode":42001,"errmsg":"access_token expired"}`)
	if _, err := s.AccountUser(t.Context(), openID); !errors.Is(err, wechat.ErrTokenExpired) ||
		b.count("user/info") != 2 {
		t.Errorf("%v after %d calls", err, b.count("user/info"))
	}
}

func TestAccountUser(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]error{
		`{"subscribe":0,"openid":"` + openID + `"}`:                                     nil,
		`{"subscribe":1,"openid":"oOTHER"}`:                                             wechat.ErrOtherOpenID,
		`{"errcode":48001,"errmsg":"api unauthorized rid: 65a33cd8-023106e1-2dc7e2f6"}`: wechat.ErrConfiguration,
		`{"errcode":40003,"errmsg":"invalid openid"}`:                                   wechat.ErrConfiguration,
		`{}`: wechat.ErrEmpty,
	} {
		_, s := newAccount(answer)
		u, err := s.AccountUser(t.Context(), openID)
		if want == nil && (err != nil || u.Follower) || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v", answer, u, err)
		}
	}
	_, s := newAccount("")
	if _, err := s.AccountUser(t.Context(), ""); !errors.Is(err, wechat.ErrNoOpenID) {
		t.Error(err)
	}
}

func TestCreateQRCode(t *testing.T) {
	t.Parallel()
	a, s := newAccount(`{"ticket":"gQH/+=","expire_seconds":300,"url":"http:\/\/weixin.qq.com\/q\/02x"}`)
	code, err := s.CreateQRCode(t.Context(), wechat.QRCodeRequest{Scene: "abc_-9", Life: 5 * time.Minute})
	want := wechat.QRCode{URL: "http://weixin.qq.com/q/02x", Ticket: "gQH/+=", ExpiresIn: 5 * time.Minute}
	if err != nil || *code != want {
		t.Fatalf("%+v, %v", code, err)
	}
	const body = `{"action_info":{"scene":{"scene_str":"abc_-9"}},"action_name":"QR_STR_SCENE","expire_seconds":300}`
	if got := a.requests[1]; !strings.HasSuffix(got, " "+body) || !strings.HasPrefix(got,
		"POST /cgi-bin/qrcode/create?access_token=") {
		t.Error(strings.ReplaceAll(got, leaktest.Mark, "TOKEN"))
	}
	for _, q := range []wechat.QRCodeRequest{
		{}, {Scene: "a"}, {Scene: "a b", Life: time.Minute}, {Scene: strings.Repeat("a", 65), Life: time.Minute},
		{Scene: "a", Life: 31 * 24 * time.Hour}, {Scene: "a", Life: time.Millisecond},
	} {
		if _, err := s.CreateQRCode(t.Context(), q); !errors.Is(err, wechat.ErrScene) || !errors.Is(err,
			wechat.ErrConfiguration) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	// An account that is not a verified service account.
	_, s = newAccount(`{"errcode":48001,"errmsg":"api unauthorized rid: 65a33cd8-023106e1-2dc7e2f6"}`)
	_, err = s.CreateQRCode(t.Context(), wechat.QRCodeRequest{Scene: "a", Life: time.Minute})
	var e *wechat.Error
	if !errors.As(err, &e) || e.Code != 48001 || !strings.Contains(err.Error(), "认证服务号") || e.RequestID == "" {
		t.Errorf("%v", err)
	}
}

func TestStableTokenWithoutSecret(t *testing.T) {
	t.Parallel()
	s := &wechat.StableToken{Client: &wechat.Client{AppID: appID}}
	if _, err := s.Token(t.Context()); !errors.Is(err, wechat.ErrConfiguration) {
		t.Error(err)
	}
	a, s := newAccount("")
	a.fail = `{"errcode":40125,"errmsg":"invalid appsecret, ` + leaktest.Secret + `"}`
	_, err := s.Token(t.Context())
	if !errors.Is(err, wechat.ErrConfiguration) {
		t.Error(err)
	}
	a.fail = ""
	if _, tokenErr := s.Token(t.Context()); tokenErr != nil {
		t.Error(tokenErr)
	}
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%v %+v %#v %s", s, s, s, s)} {
		if found := leaktest.Find([]byte(text)); found != "" {
			t.Errorf("%s has %s", text, found)
		}
	}
}

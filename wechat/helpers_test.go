package wechat_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

const (
	appID  = "wx0123456789abcdef"
	code   = "0A1" + leaktest.Mark + "cdefghijklmnopqr"
	access = wechat.Secret("83_" + leaktest.Mark + "access-token")
	fresh  = wechat.Secret("83_" + leaktest.Mark + "refresh-token")
	openID = "oX6mX57QiiVC0DHls-eQ_igBfkbA"
)

// tokenJSON is a successful response as WeChat sends it: no spaces, fields in WeChat's order.
const tokenJSON = `{"access_token":"83_` + leaktest.Mark + `access-token","expires_in":7200,` +
	`"refresh_token":"83_` + leaktest.Mark + `refresh-token","openid":"` + openID + `","scope":"snsapi_userinfo",` +
	`"unionid":"oTpR9xAIiebFOc6p04tMTaLhviCQ"}`

const userJSON = `{"openid":"` + openID + `","nickname":"归零","sex":0,"language":"","city":"",` +
	`"province":"","country":"",` +
	`"headimgurl":"https:\/\/thirdwx.qlogo.cn\/mmopen\/vi_32\/DYAIOgq83e\/132","privilege":[],` +
	`"unionid":"oWgGz1K4Qwj5oQHtE-wDzI-AvR1s"}`

// roundTrip is a RoundTripper that responds in the goroutine of the call.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respond returns a response with this status and body.
func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"text/plain"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// clientOf returns a client whose RoundTripper is f.
func clientOf(f roundTrip) *wechat.Client {
	return &wechat.Client{AppID: appID, Secret: leaktest.Secret, HTTPClient: &http.Client{Transport: f}}
}

// answering returns a client that always receives the same response.
func answering(status int, body string) *wechat.Client {
	return clientOf(func(r *http.Request) (*http.Response, error) { return respond(r, status, body), nil })
}

// served returns a client of an HTTP server on loopback.
func served(t *testing.T, h http.HandlerFunc) *wechat.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &wechat.Client{AppID: appID, Secret: leaktest.Secret, APIURL: s.URL}
}

// calls are the four server-to-server calls, for tests that apply to each.
var calls = []struct {
	name string
	path string
	ok   string // a successful response
	call func(context.Context, *wechat.Client) error
}{
	{"access_token", "/sns/oauth2/access_token", tokenJSON, func(ctx context.Context, c *wechat.Client) error {
		return second(c.Exchange(ctx, code))
	}},
	{"refresh_token", "/sns/oauth2/refresh_token", tokenJSON, func(ctx context.Context, c *wechat.Client) error {
		return second(c.Refresh(ctx, fresh))
	}},
	{"userinfo", "/sns/userinfo", userJSON, func(ctx context.Context, c *wechat.Client) error {
		return second(c.UserInfo(ctx, access, openID, wechat.LangZhCN))
	}},
	{"auth", "/sns/auth", `{"errcode":0,"errmsg":"ok"}`, func(ctx context.Context, c *wechat.Client) error {
		return c.CheckToken(ctx, access, openID)
	}},
}

// second returns err, or another error unless exactly one of v and err is nil.
func second[T any](v *T, err error) error {
	if (v == nil) != (err != nil) {
		return fmt.Errorf("the result is %v and the error %v", v, err)
	}
	return err
}

// instantly makes a call with the fake clock of synctest, so that pauses take no time.
func instantly(t *testing.T, c *wechat.Client, call func(context.Context, *wechat.Client) error) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { err = call(t.Context(), c) })
	return err
}

// discard returns the error log for servers whose errors are expected.
func discard() *log.Logger { return log.New(io.Discard, "", 0) }

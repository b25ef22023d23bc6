package wechat_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

func TestOnCallReceivesEachAttempt(t *testing.T) {
	t.Parallel()
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				c := clientOf(func(r *http.Request) (*http.Response, error) {
					tries++
					time.Sleep(time.Second)
					if tries == 1 {
						return respond(r, 200, `{"errcode":-1,"errmsg":"system error"}`), nil
					}
					return respond(r, 200, call.ok), nil
				})
				type key struct{}
				var heard []wechat.Call
				c.OnCall = func(ctx context.Context, call wechat.Call) {
					if ctx.Value(key{}) != "value" {
						t.Error("the context is not the caller's")
					}
					heard = append(heard, call)
				}
				if err := call.call(context.WithValue(t.Context(), key{}, "value"), c); err != nil {
					t.Fatal(err)
				}
				if len(heard) != 2 {
					t.Fatalf("heard %+v", heard)
				}
				first, last := heard[0], heard[1]
				var e *wechat.Error
				if !errors.As(first.Err, &e) || e.Code != -1 {
					t.Errorf("the first error is %v", first.Err)
				}
				first.Err = nil
				want := wechat.Call{
					Endpoint: call.name, AppID: appID, Code: -1, Duration: time.Second, Attempt: 1, HTTPStatus: 200,
				}
				if first != want {
					t.Errorf("first  %+v\nwant   %+v", first, want)
				}
				want.Code, want.Attempt = 0, 2
				if last != want {
					t.Errorf("second %+v\nwant   %+v", last, want)
				}
				leaktest.Check(t, "the calls of OnCall", heard[0], heard[1])
			})
		})
	}
}

// OnCall receives the error that the caller gets.
func TestOnCallReceivesTheErrorOfTheCaller(t *testing.T) {
	t.Parallel()
	var heard error
	c := answering(200, `{"errcode":40163}`)
	c.OnCall = func(_ context.Context, call wechat.Call) { heard = call.Err }
	if _, err := c.Exchange(t.Context(), code); err != heard {
		t.Errorf("%v and %v", err, heard)
	}
}

// The private transport reuses connections; otherwise each sign-in would make a TLS handshake.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	var conns atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, call := range calls {
			if call.path == r.URL.Path {
				_, _ = io.WriteString(w, call.ok)
			}
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := &wechat.Client{AppID: appID, Secret: leaktest.Secret, APIURL: s.URL + "/"}
	for range 3 {
		for _, call := range calls {
			if err := call.call(t.Context(), c); err != nil {
				t.Error(err)
			}
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for twelve calls in a row", n)
	}
}

// APIURL may have a path with escapes, as a relay in place of WeChat may need.
func TestAPIURLWithAPath(t *testing.T) {
	t.Parallel()
	var got string
	c := clientOf(func(r *http.Request) (*http.Response, error) {
		got = r.URL.String()
		return respond(r, 200, userJSON), nil
	})
	c.APIURL = "https://relay.test/wei%2Fxin/a%20b/"
	if _, err := c.UserInfo(t.Context(), "token", openID, ""); err != nil {
		t.Fatal(err)
	}
	if want := "https://relay.test/wei%2Fxin/a%20b/sns/userinfo?access_token=token&openid=" + openID; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The app secret is sent only to a server with a valid certificate. Another library disabled the
// check.
func TestCertificateIsChecked(t *testing.T) {
	t.Parallel()
	var trusted atomic.Bool
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !trusted.Load() {
			t.Error("the request was sent")
		}
		_, _ = io.WriteString(w, tokenJSON)
	}))
	s.Config.ErrorLog = discard()
	s.StartTLS()
	t.Cleanup(s.Close)
	attempts := 0
	c := &wechat.Client{
		AppID:  appID,
		Secret: leaktest.Secret,
		APIURL: s.URL,
		OnCall: func(context.Context, wechat.Call) { attempts++ },
	}
	for _, call := range calls {
		attempts = 0
		err := call.call(t.Context(), c)
		checkClass(t, err, wechat.ErrConfiguration)
		if !errors.Is(err, wechat.ErrTransport) || !strings.Contains(err.Error(), "certificate") || attempts != 1 {
			t.Errorf("%s, %d attempts: %v", call.name, attempts, err)
		}
	}

	trusted.Store(true)
	c = &wechat.Client{AppID: appID, Secret: leaktest.Secret, APIURL: s.URL, HTTPClient: s.Client()}
	if _, err := c.Exchange(t.Context(), code); err != nil {
		t.Errorf("with the right certificate: %v", err)
	}
}

// A client that the caller sets may use HTTP/2. noRewindBody must work with it.
func TestExchangeOverHTTP2(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); r.ProtoMajor != 2 || len(b) != 0 || err != nil {
			t.Errorf("got %s with a body of %d bytes, %v", r.Proto, len(b), err)
		}
		_, _ = io.WriteString(w, tokenJSON)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c := &wechat.Client{AppID: appID, Secret: leaktest.Secret, APIURL: s.URL, HTTPClient: s.Client()}
	for range 2 {
		if _, err := c.Exchange(t.Context(), code); err != nil {
			t.Error(err)
		}
	}
}

// Calls honour HTTPS_PROXY. net/http reads the environment once per process, so this test runs
// itself in a new process.
func TestProxyFromEnvironment(t *testing.T) {
	t.Parallel()
	if os.Getenv("WECHAT_TEST_PROXY") != "" {
		_, err := (&wechat.Client{AppID: appID, Secret: leaktest.Secret}).Exchange(t.Context(), code)
		leaktest.Check(t, "the error", err)
		if !errors.Is(err, wechat.ErrTransport) {
			t.Errorf("got %v", err)
		}
		return
	}
	asked := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.RequestURI
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyFromEnvironment$")
	cmd.Env = append(os.Environ(), "WECHAT_TEST_PROXY=1", "HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "no_proxy=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	select {
	case got := <-asked:
		if got != "CONNECT api.weixin.qq.com:443" {
			t.Errorf("the proxy was asked for %q", got)
		}
	default:
		t.Error("the proxy was not asked")
	}
}

// One Client makes calls for many users at once.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		id := "o" + r.URL.Query().Get("code") + strings.TrimPrefix(r.URL.Query().Get("openid"), "o")
		_, _ = io.WriteString(w, `{"openid":"`+id+`","access_token":"83_x","nickname":"`+id+`"}`)
	})
	done := make(chan error)
	for i := range 16 {
		person := string(rune('a' + i))
		go func() {
			token, err := c.Exchange(t.Context(), person)
			if err == nil && token.OpenID != "o"+person {
				err = errors.New(person + " became " + token.OpenID)
			}
			if err == nil {
				var u *wechat.UserInfo
				if u, err = c.UserInfo(t.Context(), token.AccessToken, token.OpenID, ""); err == nil &&
					u.Nickname != token.OpenID {
					err = errors.New(person + " got the name of " + u.Nickname)
				}
			}
			done <- err
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

package wechat_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

// refused returns the error of a dial to a closed port.
func refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// answers returns a client that receives the steps one after the other, then the last one
// repeatedly.
func answers(tries *int, steps ...any) *wechat.Client {
	return clientOf(func(r *http.Request) (*http.Response, error) {
		step := steps[min(*tries, len(steps)-1)]
		*tries++
		if err, ok := step.(error); ok {
			return nil, err
		}
		if status, ok := step.(int); ok {
			return respond(r, status, "down"), nil
		}
		return respond(r, 200, step.(string)), nil
	})
}

// An exchange is retried only after a failure that cannot have spent the code. The other calls are
// retried whenever the result is unknown.
func TestSecondAttempts(t *testing.T) {
	t.Parallel()
	busy := `{"errcode":-1,"errmsg":"system error"}`
	cases := []struct {
		name            string
		first           any
		exchange, other int // expected number of requests
		class           error
	}{
		{"success", "", 1, 1, nil},
		{"system error", busy, 2, 2, nil},
		{"connection refused", refused(), 2, 2, nil},
		{
			"connection reset",
			&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET},
			1,
			2,
			wechat.ErrReauthorize,
		},
		{"end of file", io.ErrUnexpectedEOF, 1, 2, wechat.ErrReauthorize},
		{"500", 500, 1, 2, wechat.ErrReauthorize},
		{"a page of HTML", "<html>", 1, 2, wechat.ErrReauthorize},
		{"cut off", `{"openid":"`, 1, 2, wechat.ErrReauthorize},
		{"empty", "{}", 1, 2, wechat.ErrReauthorize},
		{"used code", `{"errcode":40163}`, 1, 1, wechat.ErrReauthorize},
		{"too many calls", `{"errcode":45011}`, 1, 1, wechat.ErrRateLimited},
		{"429", 429, 1, 1, wechat.ErrRateLimited},
		{"not found", 404, 1, 1, wechat.ErrConfiguration},
		{"a redirect", 302, 1, 1, wechat.ErrConfiguration},
		{"wrong secret", `{"errcode":40125}`, 1, 1, wechat.ErrConfiguration},
		{"unknown errcode", `{"errcode":99999}`, 1, 1, nil},
	}
	for _, c := range cases {
		for _, call := range calls {
			t.Run(call.name+" "+c.name, func(t *testing.T) {
				t.Parallel()
				first := c.first
				if first == "" {
					first = call.ok
				}
				tries, want := 0, c.other
				if call.name == "access_token" {
					want = c.exchange
				}
				err := instantly(t, answers(&tries, first, call.ok), call.call)
				if tries != want {
					t.Errorf("%d requests, want %d: %v", tries, want, err)
				}
				if want == 2 && err != nil {
					t.Errorf("the second attempt should have worked: %v", err)
				}
				if want == 1 && c.class != nil {
					checkClass(t, err, c.class)
				}
			})
		}
	}
}

// There are at most two attempts.
func TestNoThirdAttempt(t *testing.T) {
	t.Parallel()
	for _, first := range []any{refused(), `{"errcode":-1}`} {
		for _, call := range calls {
			tries := 0
			err := instantly(t, answers(&tries, first), call.call)
			if tries != 2 {
				t.Errorf("%s: %d requests after %v", call.name, tries, first)
			}
			checkClass(t, err, wechat.ErrTemporary)
		}
	}
}

func TestPauseBetweenAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries, began := 0, time.Now()
		if _, err := answers(&tries, 500, userJSON).UserInfo(t.Context(), access, openID, ""); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < 100*time.Millisecond || waited > 300*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestPauseEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]any{"without an errcode": 500, "with an errcode": `{"errcode":-1}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(50*time.Millisecond, cancel)
				tries, began := 0, time.Now()
				_, err := answers(&tries, first).UserInfo(ctx, access, openID, "")
				if tries != 1 || time.Since(began) != 50*time.Millisecond || !errors.Is(err, context.Canceled) {
					t.Errorf("%d requests in %v: %v", tries, time.Since(began), err)
				}
				checkClass(t, err, wechat.ErrTemporary)
			})
		})
	}
}

// The pause is skipped when the timeout would end during it.
func TestNoPauseBeyondTheTimeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries, began := 0, time.Now()
		c := answers(&tries, 500)
		c.Timeout = 80 * time.Millisecond
		_, err := c.UserInfo(t.Context(), access, openID, "")
		if tries != 1 || time.Since(began) != 0 || !errors.Is(err, wechat.ErrHTTPStatus) ||
			!errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d requests in %v: %v", tries, time.Since(began), err)
		}
	})
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for name, c := range map[string]struct{ field, client, caller, want time.Duration }{
		"nobody sets one":           {0, 0, time.Hour, 10 * time.Second},
		"the field":                 {3 * time.Second, 0, time.Hour, 3 * time.Second},
		"the field says none":       {-1, 0, time.Hour, time.Hour},
		"the caller is sooner":      {2 * time.Hour, 0, time.Hour, time.Hour},
		"the HTTP client is sooner": {3 * time.Second, 2 * time.Second, time.Hour, 2 * time.Second},
		"the HTTP client is later":  {3 * time.Second, 4 * time.Second, time.Hour, 3 * time.Second},
		"only the HTTP client":      {-1, 2 * time.Second, time.Hour, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.caller)
				defer cancel()
				began := time.Now()
				client := clientOf(hang)
				client.Timeout, client.HTTPClient.Timeout = c.field, c.client
				_, err := client.Exchange(ctx, code)
				if time.Since(began) != c.want || !errors.Is(err, wechat.ErrTransport) ||
					!errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				checkClass(t, err, wechat.ErrReauthorize)
				leaktest.Check(t, "the error", err)
			})
		})
	}
}

// A RoundTripper that returns neither a response nor an error must not cause a panic.
func TestRoundTripperReturnsNothing(t *testing.T) {
	t.Parallel()
	for name, resp := range map[string]*http.Response{"no response": nil, "no body": {StatusCode: http.StatusOK}} {
		_, err := clientOf(func(*http.Request) (*http.Response, error) { return resp, nil }).Exchange(t.Context(), code)
		if !errors.Is(err, wechat.ErrTransport) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingIsSentWithADeadContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, call := range calls {
		err := call.call(ctx, silent(t))
		if !errors.Is(err, context.Canceled) || !errors.Is(err, wechat.ErrTransport) {
			t.Errorf("%s: %v", call.name, err)
		}
		checkClass(t, err, wechat.ErrTemporary)
	}
}

// killer starts a server that answers the first request of each connection and closes the
// connection after it has received the second: a server that crashes during an exchange. count
// returns how many requests a path has received since the last call.
func killer(t *testing.T) (base string, count func(path string) int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	seen := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for i := range 2 {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					seen <- r.URL.Path
					if i == 0 {
						_, _ = fmt.Fprintf(
							conn,
							"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s",
							len(userJSON),
							userJSON,
						)
					}
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String(), func(path string) int {
		n := 0
		for len(seen) > 0 {
			if <-seen == path {
				n++
			}
		}
		return n
	}
}

// net/http repeats a GET when a reused connection breaks before the response. The first part shows
// that it does; the second shows that an exchange is sent once and has the class ErrReauthorize.
func TestExchangeIsNotRepeatedOnABrokenConnection(t *testing.T) {
	t.Parallel()
	base, count := killer(t)
	plain := &http.Client{Transport: &http.Transport{}}
	defer plain.CloseIdleConnections()
	for range 2 {
		resp, err := plain.Get(base + "/plain")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if n := count("/plain"); n != 3 {
		t.Fatalf("two GETs became %d requests, so this test proves nothing", n)
	}

	own := &http.Client{Transport: &http.Transport{}}
	defer own.CloseIdleConnections()
	for name, given := range map[string]*http.Client{"private client": nil, "given client": own} {
		c := &wechat.Client{AppID: appID, Secret: leaktest.Secret, APIURL: base, HTTPClient: given}
		if _, err := c.UserInfo(t.Context(), access, openID, ""); err != nil {
			t.Fatal(err)
		}
		_, err := c.Exchange(t.Context(), code)
		if n := count("/sns/oauth2/access_token"); n != 1 {
			t.Errorf("%s: the code was sent %d times", name, n)
		}
		if !errors.Is(err, wechat.ErrTransport) {
			t.Errorf("%s: %v", name, err)
		}
		checkClass(t, err, wechat.ErrReauthorize)
		leaktest.Check(t, "the error", err)
	}
}

// A failed dial is the only network failure after which an exchange is retried.
func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int32
	c := &wechat.Client{
		AppID:  appID,
		Secret: leaktest.Secret,
		APIURL: "http://" + fixture.Address(t), // nothing listens there
		OnCall: func(_ context.Context, call wechat.Call) {
			if int(attempts.Add(1)) != call.Attempt || call.HTTPStatus != 0 || call.Err == nil {
				t.Errorf("observed %+v", call)
			}
		},
	}
	_, err := c.Exchange(t.Context(), code)
	if attempts.Load() != 2 || !errors.Is(err, wechat.ErrTransport) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%d attempts: %v", attempts.Load(), err)
	}
	if !strings.HasSuffix(err.Error(), "nothing was sent, so try the same call again") {
		t.Errorf("the text is %q", err)
	}
	checkClass(t, err, wechat.ErrTemporary)
	leaktest.Check(t, "the error", err)
}

func TestBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"with a length": "Content-Length: 900\r\n", "in chunks": "Transfer-Encoding: chunked\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := served(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+header+"\r\n5\r\n{\"ope")
				_ = conn.Close()
			})
			_, err := c.Exchange(t.Context(), code)
			if !errors.Is(err, wechat.ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v", err)
			}
			checkClass(t, err, wechat.ErrReauthorize)
		})
	}
}

// endless is an endless body that counts the bytes read.
type endless struct{ read *int }

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	*e.read += len(b)
	return len(b), nil
}

func (endless) Close() error { return nil }

// A response of any length uses at most about 1 MiB of memory.
func TestHugeAnswers(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int64{"no length": -1, "a terabyte by its own word": 1 << 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read := 0
			_, err := clientOf(func(r *http.Request) (*http.Response, error) {
				resp := respond(r, 200, "")
				resp.ContentLength, resp.Body = length, endless{&read}
				return resp, nil
			}).UserInfo(t.Context(), access, openID, "")
			if !errors.Is(err, wechat.ErrTooLarge) || read > 2<<20 {
				t.Errorf("%d bytes were read: %v", read, err)
			}
		})
	}
}

package bench_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The responses have the format of WeChat's: tokens of 110 characters, escaped slashes,
// and keys in WeChat's order.
const (
	openID   = "o3_SC58m9cLiIT7lO6JxN6WbHkuo"
	unionID  = "oWgGz1K4Qwj5oQHtE-wDzI-AvR1s"
	nickname = "归零"
	avatar   = "https://thirdwx.qlogo.cn/mmopen/vi_32/" +
		"DYAIOgq83eoj0hHXhgJNOTSOFsS4uZs8x1ConecaVOB8eIl115xmJZcT4oCicvia7wMEufibKtTLqiaJeanU2Lpg3w/132"
)

var (
	tokenBody = `{"access_token":"83_` + strings.Repeat("ZoILaJoiy", 12)[:107] +
		`","expires_in":7200,"refresh_token":"83_` + strings.Repeat("9bQe_x-7T", 12)[:107] +
		`","openid":"` + openID + `","scope":"snsapi_userinfo","unionid":"` + unionID + `"}`
	profileBody = `{"openid":"` + openID + `","nickname":"` + nickname +
		`","sex":0,"language":"","city":"","province":"","country":"","headimgurl":"` +
		strings.ReplaceAll(avatar, "/", `\/`) + `","privilege":[],"unionid":"` + unionID + `"}`
)

// answer returns the fixed response for a path of WeChat's API.
func answer(path string) (body string, ok bool) {
	switch path {
	case "/sns/oauth2/access_token":
		return tokenBody, true
	case "/sns/userinfo":
		return profileBody, true
	}
	return "", false
}

// overTLS starts a server with fixed responses in this process and returns a client that
// connects to it for every host name. So all clients call https://api.weixin.qq.com,
// which silenceper/wechat has built in, and none of them rewrites addresses.
func overTLS(tb testing.TB) *http.Client {
	tb.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answer(r.URL.Path)
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, body)
	}))
	srv.StartTLS()
	tb.Cleanup(srv.Close)

	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	addr := srv.Listener.Addr().String()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}, // the name in httptest's certificate
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// inMemory returns a client whose transport returns the response without a connection, so
// that only the work of the library and of http.Client is measured.
func inMemory(testing.TB) *http.Client { return &http.Client{Transport: memory{}} }

type memory struct{}

func (memory) RoundTrip(r *http.Request) (*http.Response, error) {
	status := http.StatusOK
	body, ok := answer(r.URL.Path)
	if !ok {
		status = http.StatusNotFound
	}
	return &http.Response{
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {"text/plain"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       r,
	}, nil
}

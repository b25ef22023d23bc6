package signin_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/signin"
)

// fakeWeChat is WeChat's API as a RoundTripper: it counts the codes that it receives.
type fakeWeChat struct {
	mu      sync.Mutex
	sent    map[string]int
	refused map[string]bool // codes
	profile bool            // whether /sns/userinfo returns a profile
	scope   string          // of tokens; "" = by the openid: snsapi_userinfo for "…-profile", else snsapi_base
	// noUnionID omits unionids from all answers, as for an app that is bound to no account.
	noUnionID bool
	unionID   bool          // whether a token with snsapi_base comes with a unionid too, as some captures show
	reached   chan struct{} // optional: closed when the first code arrives
	release   chan struct{} // optional: the answer waits for it
}

func (f *fakeWeChat) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	openID := "o-" + strings.TrimPrefix(q.Get("code"), "code-"+leaktest.Mark)
	f.mu.Lock()
	scope := f.scope
	switch {
	case scope != "":
	case strings.HasSuffix(openID, "-profile"):
		scope = "snsapi_userinfo"
	default:
		scope = "snsapi_base"
	}
	unionID := ""
	if !f.noUnionID && (f.unionID || scope == "snsapi_userinfo") {
		unionID = "u-" + strings.TrimPrefix(openID, "o-")
	}
	body := fmt.Sprintf(
		`{"access_token":"83_%s","expires_in":7200,"refresh_token":"83_r%s","openid":%q,"scope":%q,"unionid":%q}`,
		leaktest.Mark, leaktest.Mark, openID, scope, unionID)
	switch {
	case r.URL.Path == "/sns/userinfo" && f.profile:
		body = fmt.Sprintf(`{"openid":%q,"nickname":"Alice","headimgurl":"https://evil.example/a.png","privilege":[]}`,
			q.Get("openid"))
	case r.URL.Path == "/sns/userinfo":
		body = `{"errcode":-1,"errmsg":"system error"}`
	case f.refused[q.Get("code")]:
		body = `{"errcode":40029,"errmsg":"invalid code"}`
	}
	if r.URL.Path == "/sns/oauth2/access_token" {
		if f.sent[q.Get("code")]++; f.reached != nil {
			close(f.reached)
			f.reached = nil
		}
	}
	release := f.release
	f.mu.Unlock()
	if release != nil {
		<-release
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/plain"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (f *fakeWeChat) exchanges() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, times := range f.sent {
		n += times
	}
	return n
}

func withWeChat(f *fakeWeChat) func(*fixture, *signin.Config) {
	f.sent, f.unionID = map[string]int{}, true
	return func(_ *fixture, c *signin.Config) {
		for i := range c.Connectors {
			c.Connectors[i].Client.HTTPClient = &http.Client{Transport: f}
		}
	}
}

// code returns a code for a user, which leaktest finds in a log or a page.
func code(user string) string { return "code-" + leaktest.Mark + user }

package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// Two official accounts of one site: a handler and a callback each, one session.
func TestTwoOfficialAccountsShareTheSession(t *testing.T) {
	t.Parallel()
	store := login.NewMemoryStore()
	s := newFixture(t, func(c *login.Config) { c.Store = store })
	second, err := login.New(login.Config{
		URL: s.origin, Keys: [][]byte{key(1)}, Store: store, CallbackPath: "/wechat/callback/second", Now: s.clock.Now,
		OfficialAccount: &wechat.Client{AppID: "wx00000000000000cc", Secret: "s",
			HTTPClient: &http.Client{Transport: s.wechat}},
	})
	if err != nil {
		t.Fatal(err)
	}
	first := s.mux
	mux := http.NewServeMux()
	mux.Handle("/", first)
	mux.Handle("/wechat/callback/second", second)
	mux.HandleFunc("/begin", func(w http.ResponseWriter, r *http.Request) {
		second.Start(w, r, login.StartOptions{Return: "/private/x"})
	})
	s.mux = mux

	b := s.browser()
	location := b.get("/begin").Header.Get("Location")
	u, err := url.Parse(location)
	if err != nil || u.Query().Get("appid") != "wx00000000000000cc" ||
		u.Query().Get("redirect_uri") != s.origin+"/wechat/callback/second" {
		t.Fatalf("sent to %s", location)
	}
	s.wantGo(b.get("/wechat/callback/second?code="+code("a")+"&state="+u.Query().Get("state")), "/private/x")
	in, err := s.handler.Session(b.request("GET", "/", nil))
	if err != nil || in.AppID != "wx00000000000000cc" {
		t.Errorf("the first handler sees %+v, %v", in, err)
	}
}

func TestCallbackPathIsChecked(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/callback", "/wechat/callback/", "/wechat/callback/a/b", "/wechat/callback/../x",
		"wechat/callback/x", "/wechat/callback/" + strings.Repeat("x", 41)} {
		_, err := login.New(login.Config{
			URL: "https://app.example.com", Keys: [][]byte{key(1)},
			OfficialAccount: &wechat.Client{AppID: accountID, Secret: "s"}, CallbackPath: path,
		})
		if err == nil || !strings.Contains(err.Error(), "CallbackPath") {
			t.Errorf("%q: %v", path, err)
		}
	}
}

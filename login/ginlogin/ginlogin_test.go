package ginlogin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/ginlogin"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// start runs a gin app with the simulator. It returns the app's address, a phone, and the number of
// times that a page behind the sign-in has run.
func start(t *testing.T) (app string, phone *wechattest.Phone, ran *int) {
	t.Helper()
	gin.SetMode(gin.TestMode)
	sim, err := wechattest.New(wechattest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	weixin := httptest.NewServer(sim)
	t.Cleanup(weixin.Close)
	engine := gin.New()
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	account := sim.Apps()[0]
	handler, err := login.New(login.Config{
		URL: server.URL, Keys: [][]byte{[]byte("32 random bytes, kept in a secret")}, AvatarHosts: []string{weixin.URL},
		OfficialAccount: &wechat.Client{AppID: account.AppID, Secret: wechat.Secret(account.Secret),
			OpenURL: weixin.URL, APIURL: weixin.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	ran = new(int)
	page := func(c *gin.Context) {
		*ran++
		c.String(http.StatusOK, "hello %s", ginlogin.Session(c).OpenID)
	}
	ginlogin.Mount(engine, handler)
	engine.GET("/orders", ginlogin.Require(handler), page)
	engine.GET("/profile", ginlogin.RequireProfile(handler), page)
	api := engine.Group("/api", ginlogin.RequireAPI(handler)) // a group has its own chain
	api.Any("/orders", page)
	return server.URL, sim.Phone("alice"), ran
}

// noRedirect does not follow redirects.
var noRedirect = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// In gin a handler that only answers does not stop the handlers after it. A page behind the sign-in
// would run for everybody.
func TestPageBehindSignInNeverRunsForStrangers(t *testing.T) {
	app, _, ran := start(t)
	for _, c := range []struct {
		method, path, accept string
		status               int
	}{
		{"GET", "/orders", "text/html", 302}, {"GET", "/orders", "application/json", 401},
		{"GET", "/profile", "text/html", 302}, {"GET", "/profile", "application/json", 401},
		{"GET", "/api/orders", "*/*", 401}, {"POST", "/api/orders", "text/html", 401}, {"DELETE", "/api/orders", "*/*", 401},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, app+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", c.accept)
		res, err := noRedirect.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.status || *ran != 0 {
			t.Errorf("%s %s: status %d, want %d; the page ran %d times", c.method, c.path, res.StatusCode, c.status, *ran)
		}
	}
}

func TestSignedInUserReachesThePages(t *testing.T) {
	app, phone, ran := start(t)
	for _, path := range []string{"/orders", "/api/orders"} {
		page, err := phone.Open(t.Context(), app+path)
		if err != nil {
			t.Fatal(err)
		}
		if page.URL != app+path || !strings.HasPrefix(page.Body, "hello o") {
			t.Errorf("%s: the phone shows %s (%d): %s", path, page.URL, page.Status, page.Text())
		}
	}
	if *ran != 2 {
		t.Errorf("the pages ran %d times, want 2", *ran)
	}
	if page, err := phone.Open(t.Context(), app+"/sign-in/me"); err != nil || page.Status != http.StatusOK {
		t.Errorf("/sign-in/me: %+v, %v", page, err)
	}
}

package ginlogin_test

import (
	"bytes"
	"errors"
	"io"
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

// upper is the ResponseWriter of a middleware that changes the response.
type upper struct {
	http.ResponseWriter
	status int
}

func (u *upper) WriteHeader(status int) {
	u.status = status
	u.ResponseWriter.WriteHeader(status)
}

func (u *upper) Write(p []byte) (int, error) {
	return u.ResponseWriter.Write(bytes.ToUpper(p))
}

// A middleware such as compression passes on a ResponseWriter of its own. Handlers of gin must not write
// past it.
func TestHandlersWriteToTheResponseWriterOfTheMiddleware(t *testing.T) {
	gin.SetMode(gin.TestMode)
	var seen *upper
	engine := gin.New()
	engine.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.String(500, "recovered") }))
	engine.Use(func(c *gin.Context) {
		c.Next()
		if len(c.Errors) > 0 {
			c.String(http.StatusConflict, "late")
		}
	})
	engine.Use(ginlogin.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = &upper{ResponseWriter: w}
			next.ServeHTTP(seen, r)
		})
	}))
	engine.GET("/text", func(c *gin.Context) { c.String(http.StatusCreated, "hello") })
	engine.GET("/json", func(c *gin.Context) { c.JSON(http.StatusOK, "hello") })
	engine.GET("/write", func(c *gin.Context) { _, _ = c.Writer.WriteString("hello") })
	engine.GET("/status", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	engine.GET("/abort", func(c *gin.Context) { c.AbortWithStatus(http.StatusForbidden) })
	engine.GET("/nothing", func(*gin.Context) {})
	engine.GET("/error", func(c *gin.Context) { _ = c.Error(errors.New("no")) })
	engine.GET("/panic", func(*gin.Context) { panic("no") })
	engine.GET("/flush", func(c *gin.Context) {
		c.String(http.StatusOK, "a")
		c.Writer.Flush()
		c.String(http.StatusTeapot, "b") // too late for the status
		if size := c.Writer.Size(); size != 2 || !c.Writer.Written() || c.Writer.Status() != http.StatusOK {
			c.String(http.StatusOK, "size %d", size)
		}
	})
	engine.NoRoute(func(c *gin.Context) { _, _ = c.Writer.WriteString("nowhere") })
	for _, c := range []struct {
		path         string
		passed, sent int // the status that the middleware saw, and that the client got
		body, kind   string
	}{
		{"/text", 201, 201, "HELLO", "text/plain; charset=utf-8"},
		{"/json", 200, 200, `"HELLO"`, "application/json; charset=utf-8"},
		{"/write", 200, 200, "HELLO", ""},
		{"/status", 204, 204, "", ""},
		{"/abort", 403, 403, "", ""},
		{"/nothing", 0, 200, "", ""},
		{"/error", 0, 409, "late", "text/plain; charset=utf-8"}, // from before the middleware
		{"/panic", 0, 500, "recovered", "text/plain; charset=utf-8"},
		{"/flush", 200, 200, "AB", "text/plain; charset=utf-8"},
		{"/other", 404, 404, "NOWHERE", ""},
	} {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil))
		kind := w.Header().Get("Content-Type")
		if seen.status != c.passed || w.Code != c.sent || w.Body.String() != c.body || kind != c.kind {
			t.Errorf("%s: status %d at the middleware, want %d; %d %q %q, want %+v", c.path, seen.status, c.passed, w.Code,
				w.Body, kind, c)
		}
	}
}

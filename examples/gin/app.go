package main

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/weigate/weigate/login"
)

//go:embed home.html
var home []byte

// newApp returns a gin engine with the sign-in handler and three pages.
func newApp(sign *login.Handler) http.Handler {
	r := gin.New()
	r.SetTrustedProxies(nil)
	// The access log has no query: that of the callback has WeChat's code.
	r.Use(gin.LoggerWithConfig(gin.LoggerConfig{SkipQueryString: true}), gin.Recovery())

	// The sign-in handler serves all methods of these paths.
	r.Any("/sign-in", gin.WrapH(sign))
	r.Any("/sign-in/*rest", gin.WrapH(sign))
	r.Any("/sign-out", gin.WrapH(sign))
	r.Any("/wechat/callback", gin.WrapH(sign))

	r.GET("/", func(c *gin.Context) { c.Data(http.StatusOK, "text/html; charset=utf-8", home) })
	r.GET("/account", wrap(sign.Require), func(c *gin.Context) {
		session, _ := login.FromContext(c.Request.Context())
		c.JSON(http.StatusOK, gin.H{"openid": session.OpenID})
	})
	r.GET("/profile", wrap(sign.RequireProfile), func(c *gin.Context) {
		session, _ := login.FromContext(c.Request.Context())
		c.JSON(http.StatusOK, gin.H{"openid": session.OpenID, "nickname": session.Nickname, "avatar": session.AvatarURL})
	})
	return r
}

// wrap adapts net/http middleware to gin. A request that the middleware answers,
// with a redirect or 401, is aborted.
func wrap(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r // has the session in its context
			c.Next()
		})
		middleware(next).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

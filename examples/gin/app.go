package main

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/ginlogin"
)

//go:embed home.html
var home []byte

// newApp returns a gin engine with the sign-in handler and three pages.
func newApp(sign *login.Handler) http.Handler {
	r := gin.New()
	r.SetTrustedProxies(nil)
	// The access log has no query: that of the callback has WeChat's code.
	r.Use(gin.LoggerWithConfig(gin.LoggerConfig{SkipQueryString: true}), gin.Recovery())

	ginlogin.Mount(r, sign) // /sign-in, /sign-out and the callback

	r.GET("/", func(c *gin.Context) { c.Data(http.StatusOK, "text/html; charset=utf-8", home) })
	r.GET("/account", ginlogin.Require(sign), func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"openid": ginlogin.Session(c).OpenID})
	})
	r.GET("/profile", ginlogin.RequireProfile(sign), func(c *gin.Context) {
		session := ginlogin.Session(c)
		c.JSON(http.StatusOK, gin.H{"openid": session.OpenID, "nickname": session.Nickname, "avatar": session.AvatarURL})
	})
	return r
}

package main

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/echologin"
)

//go:embed home.html
var home []byte

// newApp returns an echo instance with the sign-in handler and three pages.
func newApp(sign *login.Handler) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover()) // in an access log use URIPath, not URI: the query of the callback has WeChat's code

	echologin.Mount(e, sign) // /sign-in, /sign-out and the callback

	e.GET("/", func(c *echo.Context) error { return c.HTMLBlob(http.StatusOK, home) })
	e.GET("/account", func(c *echo.Context) error {
		return c.JSON(http.StatusOK, map[string]string{"openid": echologin.Session(c).OpenID})
	}, echologin.Require(sign))
	e.GET("/profile", func(c *echo.Context) error {
		session := echologin.Session(c)
		return c.JSON(http.StatusOK, map[string]string{
			"openid": session.OpenID, "nickname": session.Nickname, "avatar": session.AvatarURL,
		})
	}, echologin.RequireProfile(sign))
	return e
}

package main

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/weigate/weigate/login"
)

//go:embed home.html
var home []byte

// newApp returns an echo instance with the sign-in handler and three pages.
func newApp(sign *login.Handler) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover()) // in an access log use URIPath, not URI: the query of the callback has WeChat's code

	// The sign-in handler serves all methods of these paths.
	e.Any("/sign-in", echo.WrapHandler(sign))
	e.Any("/sign-in/*", echo.WrapHandler(sign))
	e.Any("/sign-out", echo.WrapHandler(sign))
	e.Any("/wechat/callback", echo.WrapHandler(sign))

	e.GET("/", func(c *echo.Context) error { return c.HTMLBlob(http.StatusOK, home) })
	e.GET("/account", func(c *echo.Context) error {
		session, _ := login.FromContext(c.Request().Context())
		return c.JSON(http.StatusOK, map[string]string{"openid": session.OpenID})
	}, echo.WrapMiddleware(sign.Require))
	e.GET("/profile", func(c *echo.Context) error {
		session, _ := login.FromContext(c.Request().Context())
		return c.JSON(http.StatusOK, map[string]string{
			"openid": session.OpenID, "nickname": session.Nickname, "avatar": session.AvatarURL,
		})
	}, echo.WrapMiddleware(sign.RequireProfile))
	return e
}

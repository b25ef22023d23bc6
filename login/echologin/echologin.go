// Package echologin connects package login with echo.
//
//	e := echo.New()
//	echologin.Mount(e, handler)
//	e.GET("/orders", func(c *echo.Context) error {
//		return c.String(http.StatusOK, "hello "+echologin.Session(c).Subject)
//	}, echologin.Require(handler))
//
// The names to know are [Mount], [Require], [RequireAPI], [RequireProfile] and [Session]. A page
// behind the middleware runs for signed-in users only.
//
// If you log requests with echo's RequestLogger, log URIPath and not URI: the query of the callback
// contains WeChat's code.
//
// The package is a module of its own, so that echo is not a dependency of package login.
package echologin

import (
	"github.com/labstack/echo/v5"

	"github.com/weigate/weigate/login"
)

// Router is what Mount needs. *echo.Echo and *echo.Group implement it.
type Router interface {
	Any(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) echo.RouteInfo
}

// Mount registers the pages of h: /sign-in and the pages below it, /sign-out and the callback.
func Mount(r Router, h *login.Handler) {
	for _, path := range h.Paths() {
		r.Any(path, echo.WrapHandler(h))
	}
}

// Require admits signed-in users and redirects others to the sign-in, as login.Handler.Require
// does.
func Require(h *login.Handler) echo.MiddlewareFunc { return echo.WrapMiddleware(h.Require) }

// RequireAPI admits signed-in users and answers others with 401 and JSON, as
// login.Handler.RequireAPI does.
func RequireAPI(h *login.Handler) echo.MiddlewareFunc { return echo.WrapMiddleware(h.RequireAPI) }

// RequireProfile also asks for nickname and avatar (头像昵称), as login.Handler.RequireProfile does.
func RequireProfile(h *login.Handler) echo.MiddlewareFunc {
	return echo.WrapMiddleware(h.RequireProfile)
}

// Session returns the session of the user. It is nil unless Require, RequireAPI or RequireProfile
// runs before the caller.
func Session(c *echo.Context) *login.Session {
	session, _ := login.FromContext(c.Request().Context())
	return session
}

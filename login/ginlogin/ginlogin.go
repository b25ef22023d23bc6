// Package ginlogin connects package login with gin.
//
//	engine := gin.New()
//	ginlogin.Mount(engine, handler)
//	engine.GET("/orders", ginlogin.Require(handler), func(c *gin.Context) {
//		c.String(http.StatusOK, "hello %s", ginlogin.Session(c).Subject)
//	})
//
// The names to know are [Mount], [Require], [RequireAPI], [RequireProfile] and [Session]. A handler
// behind the middleware runs for signed-in users only. In gin, a handler that answers a request
// does not stop the handlers after it. So the middleware calls Abort when it has answered itself.
//
// gin.Logger logs the query of a request, and the query of the callback has WeChat's code. Use
// gin.LoggerWithConfig(gin.LoggerConfig{SkipQueryString: true}).
//
// The package is a module of its own, so that gin is not a dependency of package login.
package ginlogin

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/weigate/weigate/login"
)

// Mount registers the pages of h: /sign-in and the pages below it, /sign-out and the callback.
func Mount(r gin.IRoutes, h *login.Handler) {
	for _, path := range h.Paths() {
		r.Any(path, gin.WrapH(h))
	}
}

// Require admits signed-in users, as login.Handler.Require does.
func Require(h *login.Handler) gin.HandlerFunc { return Wrap(h.Require) }

// RequireAPI admits signed-in users and answers others with 401 and JSON, as
// login.Handler.RequireAPI does.
func RequireAPI(h *login.Handler) gin.HandlerFunc { return Wrap(h.RequireAPI) }

// RequireProfile also asks for nickname and avatar (头像昵称), as login.Handler.RequireProfile does.
func RequireProfile(h *login.Handler) gin.HandlerFunc { return Wrap(h.RequireProfile) }

// Session returns the session of the user. It is nil unless Require, RequireAPI or RequireProfile
// runs before the caller.
func Session(c *gin.Context) *login.Session {
	session, _ := login.FromContext(c.Request.Context())
	return session
}

// Wrap converts net/http middleware to gin. A request that the middleware answers itself is
// aborted. If the middleware passes on a ResponseWriter of its own, the handlers after it write to
// this ResponseWriter.
//
// A gin.Context is not safe for concurrent use. So the middleware must call the next handler in the
// goroutine of the request: http.TimeoutHandler does not.
func Wrap(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r // the context of r has the session
			defer func(before gin.ResponseWriter) { c.Writer = before }(c.Writer)
			if writer, isGin := w.(gin.ResponseWriter); isGin { // such as c.Writer itself
				c.Writer = writer
				c.Next()
				return
			}
			writer := &responseWriter{ResponseWriter: c.Writer, to: w}
			c.Writer = writer
			c.Next()
			writer.passStatus()
		})
		middleware(next).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

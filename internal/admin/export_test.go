package admin

import "github.com/weigate/weigate/internal/web"

// Route is a route, for tests of every route.
type Route struct {
	Method, Path string
	Fresh, Open  bool
}

// Routes returns all routes.
func Routes() []Route {
	var out []Route
	for _, p := range routes() {
		out = append(out, Route{Method: p.method, Path: p.path, Fresh: p.fresh, Open: p.open})
	}
	return out
}

// Views returns the templates and texts.
func Views() (*web.Views, error) { return loadViews() }

// FormToken returns the token of the forms of a session.
func FormToken(key []byte, sessionHash [32]byte) string { return formToken(key, sessionHash) }

// Reasons returns the words of errors that describe the data, with a text each.
func Reasons() []string {
	var out []string
	for _, each := range reasons {
		out = append(out, each.word)
	}
	return append(out, "other")
}

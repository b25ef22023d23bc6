package route

import (
	"net/http"
	"strings"
)

// Policy selects what [Router.Wrap] does with the requests of a route before its handler.
// Policies combine with |.
type Policy uint8

// The policies. A route without one accepts POST requests of the gateway's own pages only, and has
// no limit.
const (
	// CrossSitePost lets other sites send POST requests. It is for routes that authenticate by the
	// request itself, never by a cookie.
	CrossSitePost Policy = 1 << iota
	// Limited limits the requests of anonymous clients: see limits.go.
	Limited
	// LimitedSignedIn limits requests that add rows for signed-in users. Its limits are far above
	// the needs of users.
	LimitedSignedIn
	// Private logs the pattern instead of the path, since the variable part of the path must not be
	// logged.
	Private
)

// Mux is an [http.ServeMux] whose routes have policies. Make it with [NewMux]; it serves requests
// once all routes are registered.
type Mux struct {
	mux      *http.ServeMux
	policies map[string]Policy // by pattern
}

// NewMux returns a Mux without routes.
func NewMux() *Mux { return &Mux{mux: http.NewServeMux(), policies: map[string]Policy{}} }

// Handle registers a route. The pattern is one of [http.ServeMux].
func (m *Mux) Handle(pattern string, handler http.Handler, policies ...Policy) {
	m.mux.Handle(pattern, handler)
	for _, p := range policies {
		m.policies[pattern] |= p
	}
}

// HandleFunc registers a route as [Mux.Handle] does.
func (m *Mux) HandleFunc(pattern string, handler http.HandlerFunc, policies ...Policy) {
	m.Handle(pattern, handler, policies...)
}

// ServeHTTP serves a request by its route. It applies no policy: [Router.Wrap] does.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Policy returns the policies of the route of a request.
func (m *Mux) Policy(r *http.Request) Policy {
	_, pattern := m.mux.Handler(r)
	return m.policies[pattern]
}

// loggedPath returns the path of a request as the log may contain it.
func (m *Mux) loggedPath(r *http.Request) string {
	_, pattern := m.mux.Handler(r)
	if m.policies[pattern]&Private == 0 {
		return r.URL.Path
	}
	if _, path, hasMethod := strings.Cut(pattern, " "); hasMethod {
		pattern = path
	}
	public, _, _ := strings.Cut(pattern, "{")
	return public + "…"
}

// Package api serves the HTTP API at /api/v1: administration for other programs. Its most important
// use is off-boarding: a program blocks a user who leaves the company, and all sessions and tokens
// of the user end at once.
//
// A request is authenticated by an API key in the header Authorization, and by nothing else: not by
// a session cookie, and not by a key in the address. Keys are made by administrators in a browser
// or on the command line, never by the API. Each operation needs one scope of the key.
//
// The operations are listed in this package, with their types. [Document] is the OpenAPI document,
// and a test keeps it equal to the list. [administration.Service] does the work.
package api

import (
	"context"
	_ "embed" // for openapi.json
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
)

// Path is where the API is, below the path of the gateway's URL.
const Path = "/api/v1"

// Document is the OpenAPI document of the API.
//
//go:embed openapi.json
var Document []byte

// Config holds the settings of a [Handler]. URL, Service and RequestID are required.
type Config struct {
	URL       string // of the gateway
	Service   *administration.Service
	Limits    *limit.Limiter // nil = no limits
	RequestID func(context.Context) string
	Logger    *slog.Logger     // nil discards
	Now       func() time.Time // nil = time.Now
}

// Handler serves the API. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg      Config
	prefix   string // path of the API
	failures route.Failures
}

// New validates the configuration and makes a Handler.
func New(cfg Config) (*Handler, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("api: Config.URL must be the URL of the gateway")
	}
	if cfg.Service == nil || cfg.RequestID == nil {
		return nil, errors.New("api: Config.Service and RequestID are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Handler{
		cfg: cfg, prefix: u.EscapedPath() + Path, failures: route.Failures{Limits: cfg.Limits},
	}, nil
}

// Mount registers the routes. They do not have route.CrossSitePost: no page of another site has a
// reason to send a request to the API.
func (h *Handler) Mount(mux *route.Mux) {
	paths := map[string]bool{}
	for _, o := range operations {
		if !paths[o.path] {
			paths[o.path] = true
			mux.HandleFunc(h.prefix+o.path, h.dispatch(o.path), route.LimitedApp)
		}
	}
	mux.HandleFunc(h.prefix+"/openapi.json", h.serveDocument, route.LimitedOther)
	mux.HandleFunc(h.prefix+"/", h.serveUnknownPath, route.LimitedOther)
}

// Serves reports whether a path belongs to the API, whose errors are JSON.
func (h *Handler) Serves(r *http.Request) bool {
	return strings.HasPrefix(r.URL.EscapedPath()+"/", h.prefix+"/")
}

// Fail responds to a request that the router rejects.
func (h *Handler) Fail(w http.ResponseWriter, r *http.Request, f route.Failure) {
	codes := map[route.Failure]string{
		route.Panicked: "fault", route.ForeignForm: "cross_site", route.TooMany: "too_many_requests",
	}
	h.writeProblem(w, r, newProblem(codes[f], ""))
}

// dispatch returns the handler of a path, which selects the operation by the method.
func (h *Handler) dispatch(path string) http.HandlerFunc {
	byMethod := map[string]operation{}
	for _, o := range operations {
		if o.path == path {
			byMethod[o.method] = o
		}
	}
	allow := methodsOf(path)
	return func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		o, found := byMethod[method]
		if !found {
			h.refuseMethod(w, r, allow)
			return
		}
		h.serve(w, r, o)
	}
}

func (h *Handler) refuseMethod(w http.ResponseWriter, r *http.Request, allow string) {
	p := newProblem("method_not_allowed", "the path has the methods "+allow)
	p.allow = allow
	h.writeProblem(w, r, p)
}

// serveDocument sends the OpenAPI document. It is the same for everybody and needs no key.
func (h *Handler) serveDocument(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.refuseMethod(w, r, "GET, HEAD")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(Document) // fails only if the client has disconnected
}

func (h *Handler) serveUnknownPath(w http.ResponseWriter, r *http.Request) {
	h.writeProblem(w, r, newProblem("unknown_path", ""))
}

// call is a request for an operation. run sets the fields from by to body.
type call struct {
	ctx     context.Context
	w       http.ResponseWriter
	request *http.Request
	handler *Handler
	by      administration.Actor // stands for the key
	key     gateway.APIKey
	query   map[string]any // values of the parameters that were sent, by name
	body    any            // pointer to a value of the type operation.body; nil = none
	status  int            // of the response; 0 = that of the operation
}

// serve runs an operation for a request (see run), and sends the result.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, o operation) {
	c := &call{ctx: r.Context(), w: w, request: r, handler: h}
	answer, err := h.run(c, o)
	if err != nil {
		h.writeProblem(w, r, h.problem(r, err))
		return
	}
	if o.media != nil {
		return // the operation has written the response
	}
	w.Header().Set("Cache-Control", "no-store")
	status := o.successStatus()
	if c.status != 0 {
		status = c.status
	}
	if o.answer == nil {
		w.WriteHeader(status)
		return
	}
	text, err := json.Marshal(answer)
	if err != nil {
		h.writeProblem(w, r, h.problem(r, err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // fails only if the client has disconnected
}

// expiryWarning is how long before the expiry of a key every response names the time of expiry. The
// program can then warn its administrator.
const expiryWarning = 7 * 24 * time.Hour

// run authenticates a call, checks its scope, query and body, and runs its operation.
func (h *Handler) run(c *call, o operation) (any, error) {
	var err error
	if c.key, c.by, err = h.authenticate(c.request); err != nil {
		return nil, err
	}
	c.by.MayChange = c.mayChange
	if left := c.key.ExpiresAt.Sub(h.cfg.Now()); !c.key.ExpiresAt.IsZero() && left < expiryWarning {
		c.w.Header().Set("Weigate-Key-Expires", c.key.ExpiresAt.UTC().Format(time.RFC3339))
	}
	if err := requireScope(c.key, o.scope); err != nil {
		return nil, err
	}
	if c.query, err = readQuery(c.request, o.query); err != nil {
		return nil, err
	}
	if o.body != nil {
		c.body = reflect.New(reflect.TypeOf(o.body)).Interface()
		if err := readBody(c.request, c.body); err != nil {
			return nil, err
		}
	}
	return o.serve(h, c)
}

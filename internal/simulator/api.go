package simulator

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/weigate/weigate/wechat/wechattest"
)

// route is an endpoint of the JSON API. docs/en/simulator.md documents each endpoint with its
// request and its answer, and a test compares the document with the routes.
type route struct {
	method, path string
	does         string // what it does, for GET /api
	status       int    // of a successful answer; 0 means 200
	serve        func(*http.Request) (answer any, err error)
}

// apiRoutes returns the endpoints of the JSON API.
func (c *control) apiRoutes() []route {
	return slices.Concat([]route{
		{method: "GET", path: "/api/state", does: "returns everything", serve: c.apiState},
		{method: "POST", path: "/api/reset", does: "returns to the state at the start", serve: c.apiReset},
	}, c.peopleRoutes(), c.appRoutes(), c.codeRoutes(), c.chatRoutes(), c.behaviourRoutes())
}

// mountAPI adds the JSON API, for scripts and for tests in any language.
func (c *control) mountAPI(mux *http.ServeMux) {
	routes := c.apiRoutes()
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) { c.serveAPI(w, req, r) })
	}
	mux.HandleFunc("GET /api", func(w http.ResponseWriter, _ *http.Request) {
		list := []map[string]string{}
		for _, r := range routes {
			list = append(list, map[string]string{"method": r.method, "path": r.path, "does": r.does})
		}
		writeJSON(w, http.StatusOK, map[string]any{"endpoints": list})
	})
	other := func(w http.ResponseWriter, req *http.Request) {
		allowed := allowedMethods(mux, req)
		if len(allowed) == 0 {
			writeError(w, &apiError{status: http.StatusNotFound, Name: "not_found",
				Message: "unknown path " + req.URL.Path + ": GET /api lists the endpoints"})
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeError(w, &apiError{status: http.StatusMethodNotAllowed, Name: "method_not_allowed",
			Message: req.URL.Path + " accepts " + strings.Join(allowed, ", ")})
	}
	mux.HandleFunc("/api", other)
	mux.HandleFunc("/api/", other)
}

// allowedMethods returns the methods that the JSON API accepts for the path of a request.
func allowedMethods(mux *http.ServeMux, r *http.Request) (allowed []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = method
		// The pattern of an unknown path has no method.
		if _, pattern := mux.Handler(probe); strings.HasPrefix(pattern, method+" /api") {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// serveAPI serves an endpoint. POST and PATCH need the content type application/json: a form of
// another website cannot have it, and a script of another website needs a permission for it (CORS)
// that this server never gives.
func (c *control) serveAPI(w http.ResponseWriter, req *http.Request, r route) {
	if r.method == http.MethodPost || r.method == http.MethodPatch {
		if kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type")); kind != "application/json" {
			writeError(w, &apiError{status: http.StatusUnsupportedMediaType, Name: "unsupported_media_type",
				Message: "set the header Content-Type: application/json (curl: --json)"})
			return
		}
		req.Body = http.MaxBytesReader(w, req.Body, maxRequest)
	}
	answer, err := r.serve(req)
	if err != nil {
		writeError(w, asAPIError(err))
		return
	}
	if r.method != http.MethodGet {
		c.changed()
	}
	writeJSON(w, cmp.Or(r.status, http.StatusOK), answer)
}

// maxRequest is the maximum size of a request body, in bytes.
const maxRequest = 1 << 20

// isForeign reports whether a page of another origin made a browser send the request. A request
// that no browser sent has neither Sec-Fetch-Site nor Origin.
func isForeign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	from := r.Header.Get("Origin")
	if from == "" {
		return false
	}
	u, err := url.Parse(from)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	setHeaders(w)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // a shell script reads "&" in addresses; the content type is not HTML
	_ = e.Encode(v)        // fails only when the caller has disconnected
}

// apiError is an error answer of the JSON API.
type apiError struct {
	status int
	// Name is the kind of the error, such as not_found. A name never changes; a message can.
	Name    string `json:"error"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"` // field of the request that is invalid
	// Errcode and Text are WeChat's code and sentence, if WeChat would show an error page.
	Errcode int    `json:"errcode,omitempty"`
	Text    string `json:"text,omitempty"`
	Reason  string `json:"reason,omitempty"` // why a phone could not open an address
}

func (e *apiError) Error() string { return e.Message }

// invalid returns the error for a field of the request.
func invalid(field, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, Name: "invalid_value", Field: field, Message: field + ": " +
		message}
}

func writeError(w http.ResponseWriter, e *apiError) { writeJSON(w, e.status, e) }

// asAPIError returns the answer for an error.
func asAPIError(err error) *apiError {
	var own *apiError
	if errors.As(err, &own) {
		return own
	}
	out := &apiError{status: http.StatusBadRequest, Name: "invalid_value",
		Message: strings.ReplaceAll(err.Error(), "wechattest: ", "")}
	var refused *wechattest.AuthorizeError
	var phone *wechattest.PhoneError
	switch {
	case errors.As(err, &refused):
		out.status, out.Name = http.StatusUnprocessableEntity, "wechat_error"
		out.Message, out.Errcode, out.Text = refused.Hint, refused.Code, refused.Text
	case errors.Is(err, wechattest.ErrUnknownApp):
		out.status, out.Name, out.Field = http.StatusNotFound, "not_found", "appid"
	case errors.Is(err, wechattest.ErrUnknownPerson):
		out.status, out.Name, out.Field = http.StatusNotFound, "not_found", "person"
	case errors.Is(err, wechattest.ErrExists):
		out.status, out.Name = http.StatusConflict, "exists"
	case errors.Is(err, wechattest.ErrNotOnPage), errors.Is(err, wechattest.ErrNoPage):
		out.status, out.Name = http.StatusConflict, "not_on_page"
	case errors.As(err, &phone):
		out.status, out.Name, out.Reason = http.StatusBadGateway, "not_opened", phone.Reason
	}
	if status, name := chatError(err); status != 0 {
		out.status, out.Name = status, name
	}
	return out
}

// readJSON decodes the body of a request into a pointer to a struct. An empty body leaves the
// struct unchanged. The error for an unknown field lists the known fields.
func readJSON(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	var wrongType *json.UnmarshalTypeError
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return invalidJSON("unexpected data after the JSON object")
		}
		return nil
	case errors.As(err, &tooLarge):
		return &apiError{status: http.StatusRequestEntityTooLarge, Name: "too_large", Message: "the body is too large"}
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return invalid(wrongType.Field, "expected "+jsonType(wrongType.Type)+", not "+wrongType.Value)
	case errors.As(err, &wrongType):
		return invalidJSON("the body must be a JSON object, not " + wrongType.Value)
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return &apiError{status: http.StatusBadRequest, Name: "unknown_field", Field: strings.Trim(name, `"`),
			Message: "unknown field " + name + "; there are " + cmp.Or(strings.Join(fieldNames(into), ", "), "none")}
	}
	return invalidJSON("the body is not JSON: " + strings.TrimPrefix(err.Error(), "json: "))
}

func invalidJSON(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, Name: "invalid_json", Message: message}
}

// jsonType returns the JSON type for a Go type.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "an integer"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// fieldNames returns the JSON names of the fields of a struct, given a pointer to it. The fields of
// an inner struct follow as OUTER.INNER.
func fieldNames(pointer any) (names []string) {
	t := reflect.TypeOf(pointer).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
		if inner := t.Field(i).Type; inner.Kind() == reflect.Pointer && inner.Elem().Kind() == reflect.Struct {
			for _, each := range fieldNames(reflect.New(inner.Elem()).Interface()) {
				names = append(names, name+"."+each)
			}
		}
	}
	return names
}

// list returns an array for JSON: never null.
func list[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}

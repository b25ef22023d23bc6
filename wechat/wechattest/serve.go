package wechattest

import (
	"bytes"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is an HTTP request with its parameters and its entry in the log. The endpoints fill in
// the entry.
type request struct {
	*http.Request
	params url.Values // of the query and of a form
	body   []byte     // of a POST below /cgi-bin/, at most 64 KiB
	call   Call
}

// response is the response of an endpoint. A [Fault] (an injected failure) may replace or truncate
// it.
type response struct {
	status int
	header http.Header
	body   []byte
}

// endpoint processes a request. The caller holds the server's lock.
type endpoint func(*Server, *request) response

// ServeHTTP serves all of WeChat's hosts. It finds the endpoint by the path, applies faults and
// writes the log.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	if !s.acceptsHost(hr.Host) {
		text := "wechattest: host name " + strconv.Quote(hr.Host) +
			" not accepted (a defence against DNS rebinding); " +
			"use 127.0.0.1 or localhost, or add it to Config.Hosts"
		http.Error(w, text, http.StatusMisdirectedRequest)
		return
	}
	if s.phones.learnOrigin(hr) {
		// A simulated Phone sent this request over the network, to learn whether the address
		// belongs to this server. After this response, the Phone calls ServeHTTP directly instead.
		w.WriteHeader(http.StatusMisdirectedRequest)
		return
	}
	began := time.Now()
	r := s.newRequest(hr)
	var resp response
	fault := s.takeFault(r)
	if fault != nil {
		r.call.Fault = true
		wait(r.Context(), fault.Latency)
	}
	if fault == nil || fault.AfterWork || !fault.replaces() {
		resp = s.callEndpoint(r)
	}
	if fault != nil {
		resp = s.applyFault(fault, r, resp)
	}
	s.record(r, resp, began, fault)
	s.sendDueCallbacks()
	send(w, r.Request, resp, fault)
}

// callEndpoint returns the response of the endpoint. Pages reject forms of other websites: the
// browser would send the person's cookie, so a website could press 允许 (allow). The sns endpoints
// (/sns/…, the JSON API) read no cookie, so they need no check.
func (s *Server) callEndpoint(r *request) response {
	process, isPage := route(r.URL.Path)
	if isPage {
		if err := http.NewCrossOriginProtection().Check(r.Request); err != nil {
			return plain(http.StatusForbidden, "cross-site form rejected")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return process(s, r)
}

// route returns the endpoint of a path, and whether the endpoint is a page for browsers. An unknown
// path in a folder of WeChat's API gets an errcode. Other unknown paths get status 404.
func route(path string) (process endpoint, isPage bool) {
	switch path {
	case "/connect/oauth2/authorize":
		return pageMethods((*Server).authorizePage, http.MethodGet), true
	case "/connect/oauth2/authorize_reply":
		return pageMethods((*Server).authorizeReply, http.MethodGet, http.MethodPost), true
	case "/connect/qrconnect":
		return pageMethods((*Server).qrConnect, http.MethodGet), true
	case "/connect/simulator/qr":
		return pageMethods((*Server).qrReload, http.MethodGet), true
	case "/connect/l/qrconnect":
		return pageMethods((*Server).qrPoll, http.MethodGet), true
	case "/connect/confirm":
		return pageMethods((*Server).confirm, http.MethodGet), true
	case "/connect/confirm_reply":
		return pageMethods((*Server).confirmReply, http.MethodPost), true
	case "/connect/simulator/person":
		return pageMethods((*Server).choosePerson, http.MethodPost), true
	case "/sns/oauth2/access_token":
		return snsMethods((*Server).accessToken), false
	case "/sns/oauth2/refresh_token":
		return snsMethods((*Server).refreshToken), false
	case "/sns/userinfo":
		return snsMethods((*Server).userInfo), false
	case "/sns/auth":
		return snsMethods((*Server).auth), false
	}
	if process := cgiRoute(path); process != nil {
		return process, false
	}
	switch {
	case strings.HasPrefix(path, "/sns/"):
		return func(s *Server, r *request) response { return s.snsError(r, snsFailure{code: codeBadURL}) }, false
	case isInterfaceCall(path):
		return (*Server).unknownCGI, false
	case strings.HasPrefix(path, "/connect/qrcode/"):
		return pageMethods((*Server).qrPicture, http.MethodGet), true
	case strings.HasPrefix(path, "/mmopen/"):
		return pageMethods((*Server).avatar, http.MethodGet), true
	}
	return pageMethods((*Server).asset, http.MethodGet), true
}

// cgiRoute returns the endpoint of a call with the interface token; nil for other paths.
func cgiRoute(path string) endpoint {
	switch path {
	case "/cgi-bin/token":
		return (*Server).cgiToken
	case "/cgi-bin/stable_token":
		return (*Server).cgiStableToken
	case "/cgi-bin/qrcode/create":
		return (*Server).cgiCreateQR
	case "/cgi-bin/showqrcode":
		return (*Server).cgiShowQR
	case "/cgi-bin/user/info":
		return (*Server).cgiUser
	case "/cgi-bin/getcallbackip":
		return (*Server).cgiCallbackIP
	}
	return nil
}

// pageMethods returns the endpoint of a page, restricted to methods. GET includes HEAD.
func pageMethods(process endpoint, methods ...string) endpoint {
	return func(s *Server, r *request) response {
		for _, m := range methods {
			if r.Method == m || r.Method == http.MethodHead && m == http.MethodGet {
				return process(s, r)
			}
		}
		resp := plain(http.StatusMethodNotAllowed, "method not allowed")
		resp.header.Set("Allow", strings.Join(methods, ", "))
		return resp
	}
}

// snsMethods returns an sns endpoint, restricted to GET and POST. GET is the documented method.
// WeChat accepts POST too, with form fields or a query.
func snsMethods(process endpoint) endpoint {
	return func(s *Server, r *request) response {
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			return s.snsError(r, snsFailure{code: codeRequireGET})
		}
		return process(s, r)
	}
}

// newRequest reads the parameters of a request and begins its entry in the log.
func (s *Server) newRequest(hr *http.Request) *request {
	r := &request{Request: hr, params: url.Values{}}
	host, _, err := net.SplitHostPort(hr.RemoteAddr)
	if err != nil {
		host = hr.RemoteAddr
	}
	r.call = Call{Time: s.Now(), Method: hr.Method, Endpoint: hr.URL.Path, Remote: host}
	r.addParams(hr.URL.RawQuery)
	kind, _, _ := mime.ParseMediaType(hr.Header.Get("Content-Type"))
	if hr.Method == http.MethodPost && kind == "application/x-www-form-urlencoded" {
		body, _ := io.ReadAll(io.LimitReader(hr.Body, 64<<10)) // after an error: what was received so far
		r.addParams(string(body))
	}
	if hr.Method == http.MethodPost && isInterfaceCall(hr.URL.Path) {
		r.body, _ = io.ReadAll(io.LimitReader(hr.Body, 64<<10))
	}
	r.call.AppID = r.params.Get("appid")
	return r
}

// addParams adds the urlencoded parameters of a query or form to r.params and to the log. The log
// keeps their order. Malformed parameters are skipped.
func (r *request) addParams(query string) {
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if n == "" || err1 != nil || err2 != nil {
			continue
		}
		r.params[n] = append(r.params[n], v)
		r.call.Params = append(r.call.Params, Param{Name: n, Value: v})
	}
}

// send writes the response, with Truncate and Cut of the fault:
//
//   - Truncate: only the first bytes of the body are sent.
//   - Cut: the connection is closed before the response.
//   - Both: the connection is closed after the truncated body.
//
// A panic with http.ErrAbortHandler makes net/http close the connection.
func send(w http.ResponseWriter, r *http.Request, resp response, f *Fault) {
	if f != nil && f.Cut && f.Truncate == 0 {
		panic(http.ErrAbortHandler)
	}
	for k, v := range resp.header {
		w.Header()[k] = v
	}
	body := resp.body
	cut := f != nil && f.Truncate > 0 && f.Truncate < len(body)
	if cut {
		body = body[:f.Truncate]
	}
	if cut && f.Cut { // the length of the whole body, so that the response is incomplete
		w.Header().Set("Content-Length", strconv.Itoa(len(resp.body)))
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(resp.status)
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, bytes.NewReader(body)) // fails only when the caller has disconnected
	}
	if cut && f.Cut {
		_ = http.NewResponseController(w).Flush() // so that the first bytes are sent
		panic(http.ErrAbortHandler)
	}
}

// plain returns a text response.
func plain(status int, text string) response {
	return response{status: status, body: []byte(text + "\n"), header: http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"},
		"Cache-Control": {"no-store"}}}
}

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

// request is one request with what all endpoints need: its parameters, and the log entry that it becomes.
type request struct {
	*http.Request
	params url.Values
	call   Call
}

// answer is what an endpoint wants to send. Nothing is written before a fault has had its say.
type answer struct {
	status int
	header http.Header
	body   []byte
}

type endpoint func(*Server, *request) answer

// ServeHTTP answers for all of WeChat's hosts.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	if !s.acceptsHost(hr.Host) {
		http.Error(w, "wechattest: the host name "+strconv.Quote(hr.Host)+" is not one of this simulator's (a guard against DNS rebinding); "+
			"use 127.0.0.1 or localhost, or name it in Config.Hosts", http.StatusMisdirectedRequest)
		return
	}
	if s.phones.cameBack(hr) { // a phone finds out that this address is the simulator's, and asks again in process
		w.WriteHeader(http.StatusMisdirectedRequest)
		return
	}
	began := time.Now()
	r := s.newRequest(hr)
	run, page := route(r.URL.Path)
	a := answer{}
	fault := s.takeFault(r)
	if fault != nil {
		r.call.Fault = true
		wait(r.Context(), fault.Latency)
	}
	if fault == nil || fault.AfterWork || !fault.replaces() {
		a = s.run(run, page, r)
	}
	if fault != nil {
		a = s.spoil(fault, r, a)
	}
	s.record(r, a, began, fault)
	s.startDueReplays()
	send(w, r.Request, a, fault)
}

// run does the work of an endpoint. A form of another web site cannot press 允许: the pages check where a form comes from. The sns endpoints
// read no cookie and need no such check.
func (s *Server) run(run endpoint, page bool, r *request) answer {
	if page {
		if err := http.NewCrossOriginProtection().Check(r.Request); err != nil {
			return plain(http.StatusForbidden, "a form of another web site cannot be sent here")
		}
	}
	return run(s, r)
}

// route returns the endpoint of a path, and whether it is for people's browsers.
func route(path string) (run endpoint, page bool) {
	switch path {
	case "/connect/oauth2/authorize":
		return pageMethods((*Server).authorize, http.MethodGet), true
	case "/connect/oauth2/authorize_reply":
		return pageMethods((*Server).authorizeReply, http.MethodGet, http.MethodPost), true
	case "/connect/qrconnect":
		return pageMethods((*Server).qrConnect, http.MethodGet), true
	case "/connect/simulator/qr":
		return pageMethods((*Server).qrAgain, http.MethodGet), true
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
	switch {
	case strings.HasPrefix(path, "/sns/"):
		return func(s *Server, r *request) answer { return s.snsError(r, codeBadURL, "") }, false
	case strings.HasPrefix(path, "/connect/qrcode/"):
		return pageMethods((*Server).qrPicture, http.MethodGet), true
	case strings.HasPrefix(path, "/mmopen/"):
		return pageMethods((*Server).avatar, http.MethodGet), true
	}
	return pageMethods((*Server).asset, http.MethodGet), true
}

func pageMethods(run endpoint, methods ...string) endpoint {
	return func(s *Server, r *request) answer {
		for _, m := range methods {
			if r.Method == m || r.Method == http.MethodHead && m == http.MethodGet {
				return run(s, r)
			}
		}
		a := plain(http.StatusMethodNotAllowed, "method not allowed")
		a.header.Set("Allow", strings.Join(methods, ", "))
		return a
	}
}

// snsMethods: the documents say GET; POST with form fields or a query works in the field as well.
func snsMethods(run endpoint) endpoint {
	return func(s *Server, r *request) answer {
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			return s.snsError(r, codeRequireGET, "")
		}
		return run(s, r)
	}
}

func (s *Server) newRequest(hr *http.Request) *request {
	r := &request{Request: hr, params: url.Values{}}
	host, _, err := net.SplitHostPort(hr.RemoteAddr)
	if err != nil {
		host = hr.RemoteAddr
	}
	r.call = Call{Time: s.Now(), Method: hr.Method, Endpoint: hr.URL.Path, Remote: host}
	r.addParams(hr.URL.RawQuery)
	if kind, _, _ := mime.ParseMediaType(hr.Header.Get("Content-Type")); hr.Method == http.MethodPost && kind == "application/x-www-form-urlencoded" {
		body, _ := io.ReadAll(io.LimitReader(hr.Body, 64<<10)) // a broken body is one with missing parameters
		r.addParams(string(body))
	}
	r.call.AppID = r.params.Get("appid")
	return r
}

// addParams keeps the order for the log, and the first of equal names.
func (r *request) addParams(query string) {
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if n == "" || err1 != nil || err2 != nil {
			continue
		}
		r.params[n] = append(r.params[n], v)
		r.call.Params = append(r.call.Params, Param{n, v})
	}
}

// send writes the answer, or breaks the connection where the fault says so.
func send(w http.ResponseWriter, r *http.Request, a answer, f *Fault) {
	if f != nil && f.Cut && f.Truncate == 0 {
		panic(http.ErrAbortHandler)
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	body := a.body
	cut := f != nil && f.Truncate > 0 && f.Truncate < len(body)
	if cut {
		body = body[:f.Truncate]
	}
	if cut && f.Cut {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		io.Copy(w, bytes.NewReader(body)) // the caller is gone when this fails
	}
	if cut && f.Cut {
		http.NewResponseController(w).Flush() // so that the first bytes do leave
		panic(http.ErrAbortHandler)
	}
}

func plain(status int, text string) answer {
	return answer{status: status, body: []byte(text + "\n"), header: http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}, "Cache-Control": {"no-store"}}}
}

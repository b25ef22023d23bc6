package wechattest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault describes a failure for [Server.Fail]. A field with its zero value has no effect. Set one
// of Cut, Body, Errcode, Status and Truncate. Three combinations are possible too: Status with
// Errcode, Status with Body, and Truncate with Cut. Latency can be added to all.
type Fault struct {
	// Endpoint is the path of the requests, for example "/sns/userinfo"; see [FaultEndpoints]. ""
	// means every path of WeChat, the pages too, but not pictures and scripts.
	Endpoint string
	// AppID restricts the fault to requests of this app; "" means all requests. A request without
	// the parameter appid, such as /sns/userinfo, belongs to the app of its token, consent page or
	// QR code.
	AppID string
	// Skip is the number of matching requests to let through first.
	Skip int
	// Times is the number of requests that fail; 0 means 1, negative means all until
	// [Server.ClearFaults].
	Times int
	// AfterWork processes the request and then replaces the response. For example, a code is used
	// up, but the caller gets no tokens. Without AfterWork, a fault that replaces the response
	// leaves the request unprocessed, and the code stays valid.
	AfterWork bool

	// Latency delays the response, in real time. It ends early when the caller disconnects.
	Latency time.Duration
	// Errcode is sent in WeChat's format, with status 200 unless Status is set. An API call gets
	// JSON, a browser gets an error page, and the long poll of the QR page gets JavaScript. -1 is
	// "system error".
	Errcode int
	// Errmsg is the text of Errcode. "" means WeChat's text, or "error 12345" for an unknown code.
	Errmsg string
	// Status is the HTTP status. Without Errcode and Body the body is a short HTML page, as a
	// reverse proxy sends.
	Status int
	// Body is sent unchanged, with status 200 unless Status is set.
	Body string
	// ContentType is the Content-Type of Body. "" means text/html; charset=utf-8.
	ContentType string
	// Truncate sends only the first Truncate bytes of the body, as a complete HTTP response. With
	// Cut, the response is incomplete: the connection is closed after these bytes. A body that is
	// not longer is sent whole, and the connection stays open.
	Truncate int
	// Cut closes the connection before the first byte, or after Truncate bytes. To do so, the
	// handler panics with http.ErrAbortHandler; net/http then closes the connection.
	Cut bool
}

// Fail adds a fault. If several faults match a request, the oldest applies. Fail panics if
// [Fault.Check] returns an error: a test whose fault never applies would pass for no reason.
func (s *Server) Fail(f Fault) {
	if err := f.Check(); err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// Faults returns copies of the pending faults, with the remaining Skip and Times.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		out[i] = *f
	}
	return out
}

// ClearFaults removes every fault.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault returns the fault that applies to a request, or nil. It decrements Skip and Times, and
// removes the fault when Times becomes 0.
func (s *Server) takeFault(r *request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !s.faultMatches(f, r) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		taken := *f
		if f.Times > 0 {
			f.Times--
			if f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return &taken
	}
	return nil
}

// faultMatches reports whether the fault is for the path and the app of a request. The caller holds
// the lock.
func (s *Server) faultMatches(f *Fault, r *request) bool {
	if f.AppID != "" && f.AppID != s.appIDOf(r) {
		return false
	}
	if f.Endpoint == "" {
		return isWeChatPath(r.URL.Path)
	}
	return f.Endpoint == r.URL.Path
}

// replaces reports whether the fault replaces the response. If so, the request need not be
// processed. A fault that only has Latency or Truncate needs the endpoint's response.
func (f *Fault) replaces() bool {
	return f.Errcode != 0 || f.Status != 0 || f.Body != "" || f.Cut && f.Truncate == 0
}

// applyFault returns the response that the fault describes, or resp if the fault describes none.
// The function send applies Truncate and Cut later.
func (s *Server) applyFault(f *Fault, r *request, resp response) response {
	if f.Body != "" || f.Status != 0 && f.Errcode == 0 {
		out := response{status: f.Status, body: []byte(f.Body), header: http.Header{"Content-Type": {f.ContentType}}}
		if f.Body == "" {
			out.body = []byte("<html>\r\n<head><title>" + http.StatusText(f.Status) +
				"</title></head>\r\n<body><center><h1>" +
				http.StatusText(f.Status) + "</h1></center></body>\r\n</html>\r\n")
		}
		if f.ContentType == "" {
			out.header.Set("Content-Type", "text/html; charset=utf-8")
		}
		if out.status == 0 {
			out.status = http.StatusOK
		}
		r.call.Answer = "answer of the fault"
		return out
	}
	if f.Errcode != 0 {
		s.mu.Lock()
		out := s.faultErrcode(f, r)
		s.mu.Unlock()
		if f.Status != 0 {
			out.status = f.Status
		}
		return out
	}
	return resp
}

// isWeChatPath reports whether a path is a page or an endpoint of WeChat. It returns false for
// pictures and for the simulator's own files.
func isWeChatPath(path string) bool {
	if isInterfaceCall(path) { // /cgi-bin/ and others, which need the access token of the account itself
		return true
	}
	for _, prefix := range []string{"/sns/", "/connect/oauth2/", "/connect/qrconnect", "/connect/l/",
		"/connect/confirm", "/connect/qrcode/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// wait returns after d, or when the context ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

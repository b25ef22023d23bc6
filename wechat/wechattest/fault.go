package wechattest

import (
	"context"
	"net/http"
	"time"
)

// Fault is one thing that goes wrong, as data. The zero value of each field means "not this". Several fields work together: Latency first, then one of Cut, Body,
// Errcode, Status, Truncate. Give it to [Server.Fail].
type Fault struct {
	// Endpoint is the path that it applies to, for example "/sns/userinfo". "" means every path of WeChat's.
	Endpoint string
	// AppID limits it to one app. "" means every app. Calls that carry only a token have no appid to match.
	AppID string
	// Skip lets that many matching requests pass first.
	Skip int
	// Times is how many requests it hits; 0 means 1, negative means until [Server.ClearFaults].
	Times int
	// AfterWork does the work first and spoils only the answer: a code is used up, but the caller does not hear.
	AfterWork bool

	// Latency is waited, in real time, before the answer. It ends early when the caller goes away.
	Latency time.Duration
	// Errcode is answered instead of the work, in WeChat's form with status 200. -1 is "system error".
	Errcode int
	// Errmsg is the text of Errcode. "" means WeChat's own.
	Errmsg string
	// Status is the HTTP status. Alone it comes with a short HTML page, as a gateway in front sends it.
	Status int
	// Body is sent as it is, with status 200 unless Status is set.
	Body string
	// ContentType goes with Body. "" means text/html; charset=utf-8.
	ContentType string
	// Truncate sends only the first so many bytes of the answer. The message ends properly; with Cut the connection breaks there.
	Truncate int
	// Cut breaks the connection: before the first byte, or after Truncate bytes. It needs a network connection: the handler panics with
	// http.ErrAbortHandler, as net/http wants it.
	Cut bool
}

// Fail adds a fault. Several may wait; the oldest that matches a request hits it.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// Faults returns copies of the faults that still wait, with what is left of Skip and Times.
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

// takeFault returns the fault that hits this request, or nil. "Every path" means WeChat's: a style sheet of the simulator's own pages uses up no fault.
func (s *Server) takeFault(r *request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Endpoint != "" && f.Endpoint != r.URL.Path || f.Endpoint == "" && !isWeChatPath(r.URL.Path) || f.AppID != "" && f.AppID != r.call.AppID {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		hit := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		return &hit
	}
	return nil
}

// replaces reports whether the fault has an answer of its own, so that the work is not done.
func (f *Fault) replaces() bool {
	return f.Errcode != 0 || f.Status != 0 || f.Body != "" || f.Cut && f.Truncate == 0
}

// spoil returns what the fault makes of the answer. Truncate and Cut act when it is sent.
func (s *Server) spoil(f *Fault, r *request, a answer) answer {
	if f.Body != "" || f.Status != 0 && f.Errcode == 0 {
		out := answer{status: f.Status, body: []byte(f.Body), header: http.Header{"Content-Type": {f.ContentType}}}
		if f.Body == "" {
			out.body = []byte("<html>\r\n<head><title>" + http.StatusText(f.Status) + "</title></head>\r\n<body><center><h1>" +
				http.StatusText(f.Status) + "</h1></center></body>\r\n</html>\r\n")
		}
		if f.ContentType == "" {
			out.header.Set("Content-Type", "text/html; charset=utf-8")
		}
		if out.status == 0 {
			out.status = http.StatusOK
		}
		r.call.Answer = "a fault's own answer"
		return out
	}
	if f.Errcode != 0 {
		out := s.snsError(r, f.Errcode, f.Errmsg)
		if f.Status != 0 {
			out.status = f.Status
		}
		return out
	}
	return a
}

func isWeChatPath(path string) bool {
	for _, prefix := range []string{"/sns/", "/connect/oauth2/", "/connect/qrconnect", "/connect/l/", "/connect/confirm", "/connect/qrcode/"} {
		if len(path) >= len(prefix) && path[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}

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

package wechattest

import (
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/simulator/link"
)

// Call is a request in the log. The log contains no secrets, and only the first characters of codes
// and tokens.
type Call struct {
	ID       int           // 1, 2, 3 … in the order of the responses
	Time     time.Time     // of the request, by the server's clock
	Duration time.Duration // in real time
	Method   string
	Endpoint string // the path
	Params   []Param
	AppID    string // "" if unknown
	Person   string // the id of the person, "" if unknown
	Remote   string // IP address of the caller
	Status   int    // HTTP status; 0 if the connection was closed
	Errcode  int    // WeChat's error code in an sns response or on an error page; 0 for none
	Answer   string // the body of an sns response, the target of a redirect, or the name of the page
	Fault    bool   // a [Fault], an injected failure, was applied
}

// Param is a parameter of a request.
type Param struct{ Name, Value string }

// logSize is the number of calls in the log.
const logSize = 1000

// callLog is the log of a server. The server's lock guards it.
type callLog struct {
	calls       []Call // at most 2*logSize; Calls returns the last logSize of them
	lastID      int
	subscribers []chan Call
}

// Calls returns the last 1000 calls, oldest first. Requests for pictures and for files of the
// simulator's pages are not logged.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log.calls[max(0, len(s.log.calls)-logSize):])
}

// Subscribe returns a channel and a function. The channel receives each call. The function ends the
// subscription and closes the channel. A slow subscriber misses calls, but [Server.Calls] returns
// them. [Server.Close] ends all subscriptions.
func (s *Server) Subscribe() (calls <-chan Call, cancel func()) {
	ch := make(chan Call, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		close(ch)
		return ch, func() {}
	}
	s.log.subscribers = append(s.log.subscribers, ch)
	return ch, func() { s.unsubscribe(ch) }
}

func (s *Server) unsubscribe(ch chan Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.log.subscribers, ch); i >= 0 {
		s.log.subscribers = slices.Delete(s.log.subscribers, i, i+1)
		close(ch)
	}
}

func (s *Server) unsubscribeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ch := range s.log.subscribers {
		close(ch)
	}
	s.log.subscribers = nil
}

// record adds a request to the log, with masked parameters, and sends it to the subscribers.
func (s *Server) record(r *request, resp response, began time.Time, f *Fault) {
	if !isWeChatPath(r.URL.Path) {
		return
	}
	c := r.call
	c.Duration = time.Since(began)
	c.Status = resp.status
	if f != nil && f.Cut && f.Truncate == 0 {
		c.Status, c.Answer = 0, "connection closed"
	}
	if location := resp.header.Get("Location"); location != "" {
		c.Answer = "to " + link.Mask(location)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Params = s.maskParams(r.call.Params)
	s.log.lastID++
	c.ID = s.log.lastID
	if len(s.log.calls) >= 2*logSize { // drop the older half: one copy in logSize requests
		s.log.calls = append(s.log.calls[:0], s.log.calls[logSize:]...)
	}
	s.log.calls = append(s.log.calls, c)
	for _, ch := range s.log.subscribers {
		select {
		case ch <- c:
		default: // a slow subscriber
		}
	}
}

// maskParams masks parameters by name: codes, tokens and secrets under WeChat's names. A client
// under test may send these values under a wrong name. So maskParams also masks every value that
// contains an app's secret or [Config.Mark] (the marker in all codes and tokens).
func (s *Server) maskParams(params []Param) []Param {
	out := slices.Clone(params)
	for i := range out {
		p := &out[i]
		p.Value = link.MaskParam(p.Name, p.Value)
		for _, a := range s.apps {
			p.Value = strings.ReplaceAll(p.Value, a.Secret, "[redacted]")
		}
		if s.cfg.Mark != "" && strings.Contains(p.Value, s.cfg.Mark) {
			p.Value = link.Lead(p.Value)
		}
	}
	return out
}

package wechattest

import (
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/simulator/link"
)

// Call is a request in the log. It contains no secret: secrets are removed, codes and tokens are
// cut to their first characters.
type Call struct {
	ID       int           // 1, 2, 3 … in the order of the answers
	Time     time.Time     // of arrival, by the server's clock
	Duration time.Duration // in real time
	Method   string
	Endpoint string // the path
	Params   []Param
	AppID    string // "" if unknown
	Person   string // the id of the person, "" if unknown
	Remote   string // IP address of the caller
	Status   int    // HTTP status; 0 if the connection was closed
	Errcode  int    // WeChat's error code in an sns answer or on an error page; 0 for none
	Answer   string // the body of an sns answer, the target of a redirect, or the name of the page
	Fault    bool   // a [Fault] applied
}

// Param is a parameter of a request.
type Param struct{ Name, Value string }

// logSize is the number of calls in the log.
const logSize = 1000

type callLog struct {
	calls []Call
	next  int
	subs  []chan Call
}

// Calls returns the last 1000 calls, oldest first, without those for pictures and files of the
// simulator's pages.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log.calls[max(0, len(s.log.calls)-logSize):])
}

// Subscribe returns a channel that receives each call, and a function that ends the subscription
// and closes the channel. A slow subscriber misses calls; they are in [Server.Calls].
// [Server.Close] ends all subscriptions.
func (s *Server) Subscribe() (calls <-chan Call, cancel func()) {
	ch := make(chan Call, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		close(ch)
		return ch, func() {}
	}
	s.log.subs = append(s.log.subs, ch)
	return ch, func() { s.unsubscribe(ch) }
}

func (s *Server) unsubscribe(ch chan Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.log.subs, ch); i >= 0 {
		s.log.subs = slices.Delete(s.log.subs, i, i+1)
		close(ch)
	}
}

func (s *Server) unsubscribeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ch := range s.log.subs {
		close(ch)
	}
	s.log.subs = nil
}

// record adds a request to the log, masked.
func (s *Server) record(r *request, a answer, began time.Time, f *Fault) {
	if !isWeChatPath(r.URL.Path) {
		return
	}
	c := r.call
	c.Duration = time.Since(began)
	c.Status = a.status
	if f != nil && f.Cut && f.Truncate == 0 {
		c.Status, c.Answer = 0, "connection closed"
	}
	if location := a.header.Get("Location"); location != "" {
		c.Answer = "to " + link.Mask(location)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Params = s.maskParams(r.call.Params)
	s.log.next++
	c.ID = s.log.next
	if len(s.log.calls) >= 2*logSize { // dropping half at once keeps the copy rare
		s.log.calls = append(s.log.calls[:0], s.log.calls[logSize:]...)
	}
	s.log.calls = append(s.log.calls, c)
	for _, ch := range s.log.subs {
		select {
		case ch <- c:
		default: // a slow subscriber
		}
	}
}

// maskParams masks parameters by name. It also masks the values of secrets and marked codes, for
// parameters with another name such as "appsecret".
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

package wechattest

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// logSize is how many calls are kept at least.
const logSize = 1000

type callLog struct {
	calls []Call
	next  int
	subs  []chan Call
}

// Calls returns the last 1000 calls, oldest first. The pictures and the files of the simulator's own pages are left out.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log.calls[max(0, len(s.log.calls)-logSize):])
}

// Subscribe returns a channel that receives each call as it is answered, and a function that ends the subscription and closes the channel. A
// subscriber that does not keep up misses calls; it finds them in [Server.Calls]. Server.Close ends all subscriptions.
func (s *Server) Subscribe() (calls <-chan Call, cancel func()) {
	ch := make(chan Call, 64)
	s.mu.Lock()
	s.log.subs = append(s.log.subs, ch)
	s.mu.Unlock()
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

func (s *Server) record(r *request, a answer, began time.Time, f *Fault) {
	if !isWeChatPath(r.URL.Path) {
		return
	}
	c := r.call
	c.Duration = time.Since(began)
	c.Status = a.status
	if f != nil && f.Cut && f.Truncate == 0 {
		c.Status, c.Answer = 0, "connection cut"
	}
	if location := a.header.Get("Location"); location != "" {
		c.Answer = "to " + maskURL(location)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Params = s.maskParams(r.call.Params)
	s.log.next++
	c.ID = s.log.next
	if len(s.log.calls) >= 2*logSize { // rarely, so that a call costs no copy of the log
		s.log.calls = append(s.log.calls[:0], s.log.calls[logSize:]...)
	}
	s.log.calls = append(s.log.calls, c)
	for _, ch := range s.log.subs {
		select {
		case ch <- c:
		default: // it does not keep up
		}
	}
}

// maskParams is a deny list by name, and for misnamed parameters by value: a secret sent as "appsecret" is a secret too.
func (s *Server) maskParams(params []Param) []Param {
	out := slices.Clone(params)
	for i := range out {
		p := &out[i]
		p.Value = maskValue(p.Name, p.Value)
		for _, a := range s.apps {
			p.Value = strings.ReplaceAll(p.Value, a.Secret, "[redacted]")
		}
		if s.cfg.Mark != "" && strings.Contains(p.Value, s.cfg.Mark) {
			p.Value = maskedLead(p.Value)
		}
	}
	return out
}

func maskValue(name, value string) string {
	switch name = strings.ToLower(name); {
	case value == "":
		return ""
	case strings.Contains(name, "secret"):
		return "[redacted]"
	case strings.Contains(name, "code"), strings.Contains(name, "token"), name == "key", name == "pass_ticket":
		return maskedLead(value)
	case name == "redirect_uri":
		return maskURL(value)
	}
	return value
}

// maskedLead keeps enough of a code or token to follow it through the log, and too little to use it.
func maskedLead(v string) string { return v[:min(6, len(v)/2)] + "…" }

// maskURL masks the parameters of an address, wherever they stand: a fragment can hold them as well.
func maskURL(address string) string {
	return urlParam.ReplaceAllStringFunc(address, func(m string) string {
		name, value, _ := strings.Cut(m[1:], "=")
		if v, err := url.QueryUnescape(value); err == nil {
			value = v
		}
		if name == "redirect_uri" {
			return m
		}
		return m[:1] + name + "=" + maskValue(name, value)
	})
}

var urlParam = regexp.MustCompile(`[?&#][A-Za-z_]+=[^&#]*`)

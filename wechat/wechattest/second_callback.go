package wechattest

import (
	"io"
	"net/http"
	"time"
)

// lateAfter is the delay of [DoubleLate]. Three to four hours were reported.
const lateAfter = 3*time.Hour + 30*time.Minute

// A second callback came from Tencent's machines: with this user agent and address, and without
// cookies. An app behind a reverse proxy sees the address in X-Forwarded-For.
const (
	secondUserAgent = "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/53.0.2785.116 Safari/537.36 QBCore/4.0.1301.400 QQBrowser/9.0.2524.400"
	secondAddress = "101.226.66.173"
)

// callbackClient returns a copy of c without cookies and redirects; nil means a default client.
func callbackClient(c *http.Client) *http.Client {
	out := &http.Client{Timeout: 10 * time.Second}
	if c != nil {
		*out = *c
	}
	out.Jar = nil
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return out
}

// doubleCallback arranges the second callback of [Quirks.DoubleCallback]. withOtherCode returns the
// address with another code. The caller holds the lock, which is released during a callback that
// comes first: the app may call this server before it answers.
func (s *Server) doubleCallback(address string, withOtherCode func() string) {
	switch s.quirks.DoubleCallback {
	case DoubleFirst:
		s.unlocked(func() { s.secondCallback(address) })
	case DoubleOtherCode:
		other := withOtherCode()
		s.unlocked(func() { s.secondCallback(other) })
	case DoubleTogether:
		s.background.Go(func() { s.secondCallback(address) })
	case DoubleLate:
		s.state.replays = append(s.state.replays, replay{address: address, due: s.now().Add(lateAfter)})
	}
}

func (s *Server) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

// secondCallback requests a callback address. The response does not matter.
func (s *Server) secondCallback(address string) {
	req, err := http.NewRequestWithContext(s.closing, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	req.Header.Set("User-Agent", secondUserAgent)
	req.Header.Set("X-Forwarded-For", secondAddress)
	if res, err := s.client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
	}
}

// startDueReplays sends late callbacks that are due, at any request, so that they need no
// [Server.Advance].
func (s *Server) startDueReplays() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.state.replays) == 0 {
		return
	}
	for _, address := range s.state.takeDue(s.now()) {
		s.background.Go(func() { s.secondCallback(address) })
	}
}

package wechattest

import (
	"io"
	"net/http"
	"time"
)

// lateAfter is when a late second callback comes: three to four hours were reported.
const lateAfter = 3*time.Hour + 30*time.Minute

// doubleCallback arranges the second fetch of a callback that the switch asks for. It is called under the lock and gives it up while the stranger comes
// first, since the app may call this server before it answers.
func (s *Server) doubleCallback(address string, other func() string) {
	switch s.switches.DoubleCallback {
	case DoubleFirst:
		s.unlocked(func() { s.stranger(address) })
	case DoubleOtherCode:
		second := other()
		s.unlocked(func() { s.stranger(second) })
	case DoubleTogether:
		s.background.Go(func() { s.stranger(address) })
	case DoubleLate:
		s.state.replays = append(s.state.replays, replay{address, s.now().Add(lateAfter)})
	}
}

func (s *Server) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

// stranger fetches a callback address as Tencent's machines were seen to: from another address than the person's, with no cookie. A program behind a proxy sees the
// address in X-Forwarded-For. What it answers does not matter.
func (s *Server) stranger(address string) {
	req, err := http.NewRequestWithContext(s.closing, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/53.0.2785.116 Safari/537.36 QBCore/4.0.1301.400 QQBrowser/9.0.2524.400")
	req.Header.Set("X-Forwarded-For", "101.226.66.173")
	if res, err := s.fetch.Do(req); err == nil {
		io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		res.Body.Close()
	}
}

// startDueReplays lets late callbacks happen without [Server.Advance] too: when their time has come, with the next request.
func (s *Server) startDueReplays() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.state.replays) == 0 {
		return
	}
	for _, address := range s.state.takeDue(s.now()) {
		s.background.Go(func() { s.stranger(address) })
	}
}

package wechattest

import "time"

// Now returns the server's time: [Config.Now] and all that was advanced.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Server) now() time.Time { return s.cfg.Now().Add(s.offset) }

// Advance moves the server's clock forward, so that codes, tokens, consents and QR codes grow older. Callbacks of [DoubleLate] that fall due are
// fetched before it returns. A negative duration moves the clock back.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	s.offset += d
	s.state.wakePolls()
	due := s.state.takeDue(s.now())
	s.mu.Unlock()
	for _, address := range due {
		s.stranger(address)
	}
}

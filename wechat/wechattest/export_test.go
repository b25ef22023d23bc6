package wechattest

// Catalogues returns both languages of the pages and the first keys beyond their tables, for the test of their parity.
func Catalogues() (zh, en any, zhTexts, enTexts, zhHints, enHints map[int]string, textEnd_, hintEnd_ int) {
	flat := func(texts map[textKey]string) map[int]string {
		out := map[int]string{}
		for k, v := range texts {
			out[int(k)] = v
		}
		return out
	}
	flatHints := func(hints map[hintKey]string) map[int]string {
		out := map[int]string{}
		for k, v := range hints {
			out[int(k)] = v
		}
		return out
	}
	c, e := chinese(), english()
	return c, e, flat(c.texts), flat(e.texts), flatHints(c.hints), flatHints(e.hints), int(textEnd), int(hintEnd)
}

// CodesKept tells how many codes the server remembers.
func CodesKept(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.codes)
}

// PagesKept tells how many consent pages the server remembers.
func PagesKept(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.pages)
}

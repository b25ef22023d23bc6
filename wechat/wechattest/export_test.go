package wechattest

import "net/url"

// TextKeys returns the keys of the pages' texts.
func TextKeys() []string { return catalogue().Keys() }

// PotentiallyTrustworthy is potentiallyTrustworthy.
func PotentiallyTrustworthy(u *url.URL) bool { return potentiallyTrustworthy(u) }

// CodesKept returns the number of codes in the server's state.
func CodesKept(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.codes)
}

// PagesKept returns the number of consent pages in the server's state.
func PagesKept(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.consentPages)
}

// Read returns a page as a phone parses it.
func Read(address, contentType, src string) *Page {
	u, _ := url.Parse(address)
	p := &Page{URL: address, Body: src, Header: map[string][]string{"Content-Type": {contentType}}, address: u}
	p.parse()
	return p
}

// FormTarget returns the number of forms of a page, and method and address of the first.
func FormTarget(p *Page) (n int, target string) {
	if len(p.forms) == 0 {
		return 0, ""
	}
	return len(p.forms), p.forms[0].method + " " + p.forms[0].action
}

// FormFields returns the fields of the first form as name=value; with a mark behind those that are
// not sent.
func FormFields(p *Page) (out string) {
	for _, d := range p.forms[0].fields {
		out += d.name + "=" + d.value
		if !d.sent {
			out += "(not sent)"
		}
		out += ";"
	}
	return out
}

// Tokens returns the tokens of a page: tags with their attributes, and texts.
func Tokens(src string) (out []string) {
	for _, t := range htmlTokens(src) {
		switch t.kind {
		case startToken:
			s := "<" + t.name
			for _, a := range t.attrs {
				s += " " + a.name + "=[" + a.value + "]"
			}
			out = append(out, s+">")
		case endToken:
			out = append(out, "</"+t.name+">")
		case contentToken:
			out = append(out, t.name+"{"+t.text+"}")
		default:
			out = append(out, t.text)
		}
	}
	return out
}

// StoredScenes returns the number of QR codes with a scene that a server stores.
func StoredScenes(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.push.scenes)
}

// DailyCalls returns how often an account may make a call in a day.
func DailyCalls(kind AppKind, call string) int { return dailyCalls(kind, call) }

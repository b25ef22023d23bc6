package wechattest

import (
	"net/http"
	"strings"
)

// personCookie remembers, for a browser that is not a phone of the simulator, whose phone it plays. Cookies ignore ports, hence the long name.
const personCookie = "wechattest_person"

// whoIs says whose phone a request comes from: the uin and key that WeChat's client appends to an address; else the person of
// [Switches.ConsentAs]; else the one chosen in this browser. Nobody: the browser is asked.
func (s *Server) whoIs(r *request) (who *Person, silent bool) {
	as := s.switches.ConsentAs
	if id := s.ids.person(r.params.Get("uin"), r.params.Get("key")); id != "" {
		if p := s.person(id); p != nil {
			return p, as != ""
		}
	}
	if as != "" {
		return s.person(as), true
	}
	if c, err := r.Cookie(personCookie); err == nil {
		id, key, _ := strings.Cut(c.Value, ".")
		if p := s.person(id); p != nil && s.ids.person(s.ids.uin(id), key) == id {
			return p, false
		}
	}
	return nil, false
}

// choosePerson is the form of the page that asks whose phone this browser is. Its address leads back to a page of this server only.
func (s *Server) choosePerson(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, p := r.params.Get("next"), s.person(r.params.Get("person"))
	again := r.params.Get("person") == "" // "somebody else": the page asks anew
	if p == nil && !again || !strings.HasPrefix(next, "/connect/") || strings.ContainsAny(next, "\\\r\n") {
		return s.errorPage(r, problem{text: textNoSuchLink, hint: hintOldPage})
	}
	a := redirect(next)
	a.status = http.StatusSeeOther
	c := &http.Cookie{Name: personCookie, MaxAge: -1, Path: "/connect/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil}
	if !again {
		c.Value, c.MaxAge = p.ID+"."+s.ids.uinKey(p.ID), 0
	}
	a.header.Set("Set-Cookie", c.String())
	return a
}

// identity is what the client of the person's phone appends to an address of this server.
func (s *Server) identity(person string) []Param {
	return []Param{{"uin", s.ids.uin(person)}, {"key", s.ids.uinKey(person)}, {"version", "28001237"},
		{"pass_ticket", s.ids.derive(48, base64url, "pass_ticket", person)}, {"wx_header", "0"}}
}

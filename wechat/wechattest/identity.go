package wechattest

import (
	"net/http"
	"strings"
)

// personCookie stores the person that was chosen in a browser that is not a phone of the simulator.
// The name is long because cookies ignore ports.
const personCookie = "wechattest_person"

// identify returns the person of a request: of the parameters uin and key that WeChat's client
// appends; else of [Quirks.ConsentAs]; else the one chosen in this browser. It returns nil when a
// page has to ask for the person. silent reports that ConsentAs is set, so no page asks for
// consent.
func (s *Server) identify(r *request) (who *Person, silent bool) {
	as := s.quirks.ConsentAs
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

// choosePerson handles the form that asks for the person. An empty person makes the next page ask
// again. The form redirects to a page of this server only.
func (s *Server) choosePerson(r *request) answer {
	next, p := r.params.Get("next"), s.person(r.params.Get("person"))
	forget := r.params.Get("person") == ""
	if p == nil && !forget || !strings.HasPrefix(next, "/connect/") || strings.ContainsAny(next, "\\\r\n") {
		return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-old-page"})
	}
	a := redirect(next)
	a.status = http.StatusSeeOther
	c := &http.Cookie{
		Name: personCookie, MaxAge: -1, Path: "/connect/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil,
	}
	if !forget {
		c.Value, c.MaxAge = p.ID+"."+s.ids.uinKey(p.ID), 0
	}
	a.header.Set("Set-Cookie", c.String())
	return a
}

// identity returns the parameters that WeChat's client on the person's phone appends to an address
// of WeChat.
func (s *Server) identity(person string) []Param {
	return []Param{
		{"uin", s.ids.uin(person)},
		{"key", s.ids.uinKey(person)},
		{"version", "28001237"},
		{"pass_ticket", s.ids.derive(48, base64url, "pass_ticket", person)},
		{"wx_header", "0"},
	}
}

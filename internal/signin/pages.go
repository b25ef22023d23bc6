package signin

import (
	"net/http"

	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/login"
)

// kindOf names our page for each of package login's. What it does not name is a page that this gateway cannot reach.
func kindOf(k login.PageKind) web.Kind {
	switch k {
	case login.PageSignedOut:
		return web.PleaseSignIn
	case login.PageUserRestricted:
		return web.Restricted
	case login.PageRefused:
		return web.Blocked // the one reason for which arrive refuses
	}
	return web.Kind(k)
}

// pages is login.Config.Page of an connector: everything that package login has to show, in the gateway's own words.
func (h *Handler) pages(e Connector) func(http.ResponseWriter, *http.Request, login.Page) {
	return func(w http.ResponseWriter, r *http.Request, p login.Page) {
		out := web.Page{Kind: kindOf(p.Kind), Status: p.Status, Go: p.AgainURL, Without: p.WithoutURL, Copy: p.CopyURL}
		switch {
		case p.Kind == login.PageSignOut:
			out.User = &web.User{Nickname: p.Nickname}
			out.Forms = append(out.Forms, web.Form{Action: p.SignOutURL, Label: web.LabelSignOut, Fields: map[string]string{"return": p.Return}})
		case p.Kind == login.PageDenied && e.Website && h.cfg.Scan != nil:
			// The browser remembers which door was chosen, and would go through it again.
			out.Links = append(out.Links, web.Link{Label: web.LabelOtherMethod, Go: p.AgainURL + "&method=" + methodChoice})
		}
		if p.DeclineURL != "" {
			out.Forms = append(out.Forms, web.Form{Action: p.DeclineURL, Label: web.LabelWithout, Quiet: true, Fields: map[string]string{"return": p.Return}})
		}
		h.cfg.Site.Show(w, r, out)
	}
}

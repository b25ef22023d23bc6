package app

import (
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// forwardPages shows the pages of forward auth, on our own address and on the hosts of apps.
type forwardPages struct{ site *web.Site }

// goOnAgain is how long a page stays that only goes on.
const goOnAgain = time.Second

func (f forwardPages) Show(w http.ResponseWriter, r *http.Request, p forwardauth.Page) {
	page := web.Page{Kind: web.Kind(p.Reason), Status: p.Status, App: p.App, Go: p.Go, Back: p.Back, Home: p.Home}
	if p.User != nil {
		page.User = person(*p.User)
		if p.Reason == forwardauth.ReasonWaiting {
			page.UserID = &web.UserID{ID: p.User.ID} // what an administrator is told
		}
	}
	if p.Refresh {
		page.Every = goOnAgain
		if p.Reason == forwardauth.ReasonWaiting {
			page.Every = lookAgain
		}
	}
	if p.Post != "" {
		page.Forms = []web.Form{{Action: p.Post, Label: web.LabelSignOut}}
	}
	f.site.Show(w, r, page)
}

// sites are the apps of kind forward_auth.
func sites(apps []config.App) []forwardauth.App {
	var out []forwardauth.App
	for _, a := range apps {
		if a.Kind == gateway.AppForwardAuth {
			out = append(out, forwardauth.App{App: a.App, Hosts: a.Hosts, Subject: a.Subject})
		}
	}
	return out
}

package app

import (
	"net/http"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/web"
)

// relayPages shows the pages of the relay. None has a way back to the app: WeChat's have none either, and an app that was written for WeChat expects no
// error at its callback.
type relayPages struct {
	site *web.Site
	home string // path of the gateway's first page
}

func (o relayPages) Problem(w http.ResponseWriter, r *http.Request, p relay.ProblemPage) {
	kind := web.Kind(p.Reason)
	switch p.Reason {
	case relay.ReasonUnavailable:
		kind = web.Busy
	case relay.ReasonInternal:
		kind = web.Fault
	}
	o.site.Show(w, r, web.Page{Kind: kind, Status: p.Status, App: p.AppName, Go: p.Retry, Home: o.home})
}

func (o relayPages) Confirm(w http.ResponseWriter, r *http.Request, p relay.ConfirmPage) {
	o.site.Show(w, r, web.Page{Kind: web.ConfirmSignIn, App: p.AppName, User: person(p.User), Go: p.Continue, Home: o.home})
}

func (o relayPages) Waiting(w http.ResponseWriter, r *http.Request, p relay.WaitingPage) {
	o.site.Show(w, r, web.Page{Kind: web.Waiting, App: p.AppName, User: person(p.User), Go: p.Retry, Every: lookAgain, Home: o.home,
		UserID: &web.UserID{ID: p.User.ID}})
}

// relayApps are the apps of kind relay in its words.
func relayApps(apps []config.App) []relay.App {
	var out []relay.App
	for _, c := range apps {
		if c.Kind != gateway.AppRelay {
			continue
		}
		app := relay.App{App: c.App, AppID: c.AppID, Connector: c.Connector, WebsiteConnector: c.WebsiteConnector, ReturnHosts: c.ReturnHosts}
		for _, s := range c.Secrets {
			app.Secrets = append(app.Secrets, relay.HashSecret(string(s)))
		}
		out = append(out, app)
	}
	return out
}

func (a *App) observeRelay(o relay.Observation) { a.o.Metrics.Relay(o.Endpoint, o.App, o.Outcome) }

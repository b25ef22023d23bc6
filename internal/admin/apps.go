package admin

import (
	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// appsPage is the list of apps, and of the connectors (apps at WeChat through which users sign in).
type appsPage struct {
	*screen
	Apps       []administration.App
	Connectors []administration.Connector
}

// apps serves the list of apps. It marks the apps that every user may open.
func (h *Handler) apps(v *visit) error {
	return h.show(v, "apps", "apps.title", appsPage{
		screen: h.screen(v), Apps: h.cfg.Service.Apps(), Connectors: h.cfg.Service.Connectors(),
	})
}

// appPage is one app.
type appPage struct {
	*screen
	administration.AppDetails
	People people
}

// app serves the page of one app: its settings, its latest sign-ins and failures, and the
// configuration to copy into the app or its proxy.
func (h *Handler) app(v *visit) error {
	d, err := h.cfg.Service.App(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	users, err := h.people(v, eventUsers(d.Events), eventUsers(d.Failures))
	if err != nil {
		return err
	}
	return h.write(v, web.Document{
		View: "app", Title: web.Shown(d.Name, 60), Trail: h.trail(v, "apps"),
		Data: appPage{screen: h.screen(v), AppDetails: d, People: users},
	})
}

// OpenToAll reports whether every user may open an app. Templates call it.
func (s *screen) OpenToAll(a administration.App) bool { return a.Access.Rule == gateway.AccessSignedIn }

package app

import (
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/portal"
	"github.com/weigate/weigate/internal/route"
)

// mountPages builds the pages of users and of administrators, and registers their routes.
func (a *App) mountPages(c *config.Config, s *services, mux *route.Mux) error {
	users, err := a.newPortal(c, s)
	if err != nil {
		return err
	}
	administrators, err := a.newAdmin(c, s)
	if err != nil {
		return err
	}
	users.Mount(mux)
	administrators.Mount(mux)
	return nil
}

// newPortal builds the user's own pages.
func (a *App) newPortal(c *config.Config, s *services) (*portal.Handler, error) {
	var apps []gateway.App
	for _, each := range c.Apps {
		apps = append(apps, each.App)
	}
	return portal.New(portal.Config{
		URL: c.URL, ChatOnly: c.ChatOnly(), Apps: apps, Store: a.store, Sessions: s.sessions, SignIn: s.signIn, Site: s.site,
		Keys: a.options.Sealer.Derive("portal"), RequestID: route.RequestID, Logger: a.options.Logger, Now: a.options.Now,
	})
}

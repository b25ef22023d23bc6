package app

import (
	"github.com/weigate/weigate/internal/admin"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/route"
)

// newAdmin builds the pages of administrators, on the service that addAPI has built.
func (a *App) newAdmin(c *config.Config, s *services) (*admin.Handler, error) {
	return admin.New(admin.Config{
		URL: c.URL, Service: s.administration, SignIn: s.signIn, Site: s.site, ChatOnly: c.ChatOnly(),
		Keys: a.options.Sealer.Derive("admin form"), Addresses: c.Admin.Addresses, TimeZone: c.Site.TimeZone,
		RequestID: route.RequestID, Logger: a.options.Logger, Now: a.options.Now,
	})
}

package app

import (
	"context"

	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/invitation"
	"github.com/weigate/weigate/internal/route"
)

// newAccessRequests returns the service that records who wants to use which app.
func (a *App) newAccessRequests(c *config.Config, s *services) (*accessrequest.Requests, error) {
	return accessrequest.New(accessrequest.Config{
		URL: c.URL, Store: a.store, Sessions: s.sessions, Access: s.policy, Apps: appsByID(c.Apps), Site: s.site,
		Notify: a.notify, Named: a.notices.notifier.Named, Address: route.Address, RequestID: route.RequestID,
		Logger: a.options.Logger, Now: a.options.Now,
	})
}

// newInvitations returns the handler of the links that administrators make. It is built after signIn.
func (a *App) newInvitations(c *config.Config, s *services) (*invitation.Handler, error) {
	return invitation.New(invitation.Config{
		URL: c.URL, Store: a.store, Sessions: s.sessions, SignIn: s.signIn, Apps: appsByID(c.Apps), Site: s.site,
		InWeChat: inWeChat(c.WeChat), ChatOnly: c.ChatOnly(), Notify: a.notify, Limits: a.limits, Address: route.Address,
		RequestID: route.RequestID, Logger: a.options.Logger, Now: a.options.Now,
	})
}

// notify notifies administrators.
func (a *App) notify(ctx context.Context, n gateway.Notice) {
	a.notices.notifier.Notify(ctx, n)
	if a.options.onNotice != nil {
		a.options.onNotice(n)
	}
}

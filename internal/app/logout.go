package app

import (
	"cmp"
	"context"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/delivery"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/oidc"
)

// This file builds the parts that notify apps of ended sessions (back-channel logout).

// newLogoutWorker returns the worker that sends logout tokens.
func (a *App) newLogoutWorker() (*delivery.Worker, error) {
	return delivery.New(delivery.Config{
		Store: a.store, Senders: []delivery.Sender{a.logoutSender()}, Poll: a.options.deliveryPoll,
		Now: a.options.Now, Logger: a.options.Logger, Observe: a.options.Metrics.Delivery,
	})
}

// newLogout returns the sender of logout tokens for a configuration.
func (a *App) newLogout(c *config.Config) (*oidc.LogoutSender, error) {
	clients, err := oidc.NewRegistry(oidcClients(c.Apps))
	if err != nil {
		return nil, err
	}
	client, err := newOutgoing(c, appPolicy(c), cmp.Or(a.options.logoutTime, limit.LogoutTime.Duration))
	if err != nil {
		return nil, err
	}
	return &oidc.LogoutSender{
		Issuer: c.URL, Clients: func() *oidc.Registry { return clients }, Keys: a.signingKeys, Outgoing: client,
		Now: a.options.Now,
	}, nil
}

// logoutSender returns the sender of logout tokens for package delivery. After two pauses, the
// third attempt is the last.
func (a *App) logoutSender() delivery.Sender {
	return delivery.Sender{
		Kind: gateway.DeliverLogout, Pauses: []time.Duration{30 * time.Second, 150 * time.Second},
		Timeout: a.options.logoutTime, // zero = the default, which is longer than that of the client
		Send: func(ctx context.Context, together []gateway.Delivery) error {
			err := a.logout.Load().Send(ctx, together[0]) // the sender has no Group, so there is only one
			if oidc.IsFinal(err) {
				return &delivery.Error{Text: err.Error(), Permanent: true}
			}
			return err
		},
		GivenUp: func(d gateway.Delivery, err error) []gateway.Event {
			return []gateway.Event{{At: a.options.Now(), Kind: oidc.EventLogoutNotDelivered, UserID: d.UserID,
				App: d.Target, Outcome: "failed", Detail: err.Error()}}
		},
	}
}

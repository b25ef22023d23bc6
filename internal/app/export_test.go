package app

import (
	"context"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// SetTicketLimits sets lower limits than those of package limit.
func (o *Options) SetTicketLimits(l gateway.TicketLimits) { o.ticketLimits = l }

// SetChatLimits sets lower limits than those of package limit.
func (o *Options) SetChatLimits(l gateway.ChatLimits) { o.chatLimits = l }

// SetDeliveryPoll sets how often the store is asked for deliveries.
func (o *Options) SetDeliveryPoll(d time.Duration) { o.deliveryPoll = d }

// SetLogoutTime sets how long an app may take to respond to a logout token.
func (o *Options) SetLogoutTime(d time.Duration) { o.logoutTime = d }

// SetOnNotice sets what is called for each notice about a user, beside the receivers.
func (o *Options) SetOnNotice(f func(gateway.Notice)) { o.onNotice = f }

// Routes returns the patterns of all routes.
func (a *App) Routes() ([]string, error) {
	u, err := url.Parse(a.options.Config.URL)
	if err != nil {
		return nil, err
	}
	mux, _, err := a.mount(a.options.Config, u)
	if err != nil {
		return nil, err
	}
	return mux.Patterns(), nil
}

// CompareURLAgain compares the address of the gateway with the store's, as the background does.
func (a *App) CompareURLAgain(ctx context.Context) { a.compareURLAgain(ctx) }

package gateway

import (
	"context"
	"time"
)

// ServedURL is the address at which the gateways of a store serve: url in the configuration. Apps
// have stored it as the issuer, so another address breaks their sign-ins.
type ServedURL struct {
	URL   string
	Since time.Time // when a gateway first served at URL, or an administrator accepted it
}

// ServedURLs stores the address at which the gateways serve, to notice that the configuration has
// another one.
type ServedURLs interface {
	// RememberURL stores url with the time now, unless an address is stored already. It returns the
	// stored address.
	RememberURL(ctx context.Context, url string, now time.Time) (ServedURL, error)

	// ServedURL returns the stored address, or ErrNotFound.
	ServedURL(ctx context.Context) (ServedURL, error)

	// AcceptURL replaces the stored address before with url, from the time e.At, in one transaction
	// with the event. ErrConflict when another address is stored, ErrNotFound when none is.
	AcceptURL(ctx context.Context, before, url string, e Event) error
}

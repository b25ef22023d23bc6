package administration

import (
	"context"

	"github.com/weigate/weigate/internal/gateway"
)

// ServedURL returns the address at which the gateways of the store have served. gateway.ErrNotFound
// when no gateway has served yet.
func (s *Service) ServedURL(ctx context.Context) (gateway.ServedURL, error) {
	return s.store.ServedURL(ctx)
}

// URL returns the address of the gateway in the configuration.
func (s *Service) URL() string { return s.cfg.URL }

// AcceptURL stores the address in the configuration in place of before, the address that the
// administrator saw. gateway.ErrConflict when another one is stored meanwhile, gateway.ErrNotFound
// when none is.
func (s *Service) AcceptURL(ctx context.Context, by Actor, before string) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	return s.store.AcceptURL(ctx, before, s.cfg.URL,
		s.event(by, EventURLAccepted, "url: "+before+" → "+s.cfg.URL))
}

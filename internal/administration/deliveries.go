package administration

import (
	"context"
	"slices"
	"strconv"

	"github.com/weigate/weigate/internal/gateway"
)

// Deliveries returns what the gateway has sent or has to send to other servers, newest first.
func (s *Service) Deliveries(ctx context.Context, q gateway.DeliveryQuery) ([]gateway.Delivery, error) {
	return s.store.Deliveries(ctx, q)
}

// RetryDelivery queues a failed delivery again. ErrNotFound when there is no failed delivery with
// this id.
func (s *Service) RetryDelivery(ctx context.Context, by Actor, id int64) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	e := s.event(by, EventDeliveryRetried, "delivery "+strconv.FormatInt(id, 10))
	return s.store.RetryDelivery(ctx, id, s.cfg.Now(), e)
}

// Notices returns the names of the receivers of notices.
func (s *Service) Notices() []string { return slices.Clone(s.cfg.Notices) }

// TestNotice queues a test message to a receiver of notices. ErrNotConfigured when there are no
// receivers; a FieldError for an unknown name.
func (s *Service) TestNotice(ctx context.Context, by Actor, name string) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	switch {
	case s.cfg.TestNotice == nil || len(s.cfg.Notices) == 0:
		return ErrNotConfigured
	case !slices.Contains(s.cfg.Notices, name):
		return &FieldError{Field: "name", Key: Unknown, Value: gateway.CleanLine(name)}
	}
	if err := s.cfg.TestNotice(ctx, name); err != nil {
		return err
	}
	return s.store.AppendEvents(ctx, s.event(by, EventNoticeTested, "receiver "+name))
}

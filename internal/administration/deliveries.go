package administration

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"github.com/weigate/weigate/internal/gateway"
)

// Deliveries returns what the gateway has sent or has to send to other servers, newest first.
func (s *Service) Deliveries(ctx context.Context, q gateway.DeliveryQuery) ([]gateway.Delivery, error) {
	return s.store.Deliveries(ctx, q)
}

// RetryDelivery queues a failed delivery again. ErrNotFound if no failed delivery has this
// id.
func (s *Service) RetryDelivery(ctx context.Context, by Actor, id int64) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	e := s.queued(by, EventDeliveryRetried, "delivery "+strconv.FormatInt(id, 10))
	return s.store.RetryDelivery(ctx, id, s.cfg.Now(), e)
}

// Notices returns the names of the receivers of notices.
func (s *Service) Notices() []string { return slices.Clone(s.cfg.Notices) }

// TestNotice queues a test message to a receiver of notices, and returns the id of its delivery. The
// gateway sends it. ErrNotConfigured when there are no receivers; a FieldError for an unknown name.
func (s *Service) TestNotice(ctx context.Context, by Actor, name string) (id int64, err error) {
	if err := s.check(ctx, by); err != nil {
		return 0, err
	}
	switch {
	case s.cfg.TestNotice == nil || len(s.cfg.Notices) == 0:
		return 0, ErrNotConfigured
	case !slices.Contains(s.cfg.Notices, name):
		return 0, &FieldError{Field: "name", Key: Unknown, Value: gateway.CleanLine(name)}
	}
	if err := s.cfg.TestNotice(ctx, name); err != nil {
		return 0, err
	}
	if err := s.store.AppendEvents(ctx, s.queued(by, EventNoticeTested, "receiver "+name)); err != nil {
		return 0, err
	}
	// The newest: at the same moment, another administrator can test the same receiver, with the same
	// result.
	all, err := s.store.Deliveries(ctx, gateway.DeliveryQuery{Kind: gateway.DeliverNotification, Target: name, Limit: 20})
	for _, d := range all {
		if IsTest(d) {
			return d.ID, err
		}
	}
	return 0, err
}

// queued returns an event whose outcome does not claim that the message was sent.
func (s *Service) queued(by Actor, kind, detail string) gateway.Event {
	e := s.event(by, kind, detail)
	e.Outcome = "queued"
	return e
}

// IsTest reports whether a delivery is a test message to a receiver of notices.
func IsTest(d gateway.Delivery) bool {
	return d.Kind == gateway.DeliverNotification && bytes.Contains(d.Payload, []byte(`"kind":"test"`))
}

// Delivery returns a delivery. ErrNotFound when there is none with this id.
func (s *Service) Delivery(ctx context.Context, id int64) (gateway.Delivery, error) {
	all, err := s.store.Deliveries(ctx, gateway.DeliveryQuery{Before: id + 1, Limit: 1})
	if err == nil && (len(all) == 0 || all[0].ID != id) {
		err = gateway.ErrNotFound
	}
	if err != nil {
		return gateway.Delivery{}, err
	}
	return all[0], nil
}

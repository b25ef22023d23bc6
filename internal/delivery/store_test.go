package delivery_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// unused has the methods that a worker does not call.
type unused = gateway.Deliveries

// store is gateway.Deliveries in memory, for tests with an artificial clock. Tests of the stores are
// in storetest.
type store struct {
	unused
	mu     sync.Mutex
	rows   []gateway.Delivery
	events []gateway.Event
	claims int
	err    error // of every operation; nil = none
}

func (s *store) AddDeliveries(_ context.Context, deliveries ...gateway.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range deliveries {
		d.ID, d.State = int64(len(s.rows)+1), gateway.DeliveryWaiting
		s.rows = append(s.rows, d)
	}
	return s.err
}

func (s *store) ClaimDeliveries(
	ctx context.Context, kind gateway.DeliveryKind, now time.Time, lease time.Duration, limit int,
) (out []gateway.Delivery, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	if s.err != nil || ctx.Err() != nil {
		return nil, cmp.Or(s.err, ctx.Err())
	}
	for i := range s.rows {
		d := &s.rows[i]
		if len(out) < limit && d.Kind == kind && d.State == gateway.DeliveryWaiting && !d.NextAt.After(now) {
			d.NextAt, d.Attempts = now.Add(lease), d.Attempts+1
			out = append(out, *d)
		}
	}
	return out, nil
}

// claimed returns the number of calls of ClaimDeliveries.
func (s *store) claimed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims
}

func (s *store) FinishDelivery(ctx context.Context, d gateway.Delivery, events ...gateway.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || ctx.Err() != nil {
		return cmp.Or(s.err, ctx.Err())
	}
	row := &s.rows[d.ID-1]
	if row.Attempts != d.Attempts {
		return gateway.ErrConflict
	}
	row.State, row.NextAt, row.LastError = d.State, d.NextAt, d.LastError
	s.events = append(s.events, events...)
	return nil
}

// states returns the number of deliveries in each state.
func (s *store) states() map[gateway.DeliveryState]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[gateway.DeliveryState]int{}
	for _, d := range s.rows {
		out[d.State]++
	}
	return out
}

func (s *store) row(id int64) gateway.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[id-1]
}

func (s *store) setError(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// calls records the calls of Sender.Send.
type calls struct {
	mu  sync.Mutex
	all [][]int64 // ids of each call
	at  []time.Time
}

func (c *calls) add(together []gateway.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []int64
	for _, d := range together {
		ids = append(ids, d.ID)
	}
	c.all, c.at = append(c.all, ids), append(c.at, time.Now())
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

// ids returns the ids of all calls, sorted.
func (c *calls) ids() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := slices.Concat(c.all...)
	slices.Sort(out)
	return out
}

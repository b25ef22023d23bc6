package delivery_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/internal/delivery"
	"github.com/weigate/weigate/internal/gateway"
)

const kind = gateway.DeliverLogout

// start runs a worker, and returns it with a function that stops it and waits for its end. The test
// has an artificial clock (testing/synctest).
func start(t *testing.T, s gateway.Deliveries, sender delivery.Sender) (*delivery.Worker, func()) {
	t.Helper()
	sender.Kind = kind
	w, err := delivery.New(delivery.Config{Store: s, Senders: []delivery.Sender{sender}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		w.Run(ctx)
		close(done)
	}()
	return w, func() {
		cancel()
		<-done
	}
}

// add adds n deliveries that are due now.
func add(t *testing.T, s *store, n int) {
	t.Helper()
	for i := range n {
		d := gateway.Delivery{Kind: kind, Target: []string{"wiki", "shop"}[i%2], NextAt: time.Now(), CreatedAt: time.Now()}
		if err := s.AddDeliveries(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeliveryOfThisProcessIsSentAtOnce: Wake does not wait for the next poll, and a delivery of
// another process is found by the poll.
func TestDeliveryOfThisProcessIsSentAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sent := &store{}, &calls{}
		w, stop := start(t, s, delivery.Sender{Send: func(_ context.Context, d []gateway.Delivery) error {
			sent.add(d)
			return nil
		}})
		defer stop()
		synctest.Wait()
		add(t, s, 1)
		w.Wake(kind, time.Now())
		synctest.Wait()
		if sent.count() != 1 {
			t.Fatalf("%d calls after Wake, want 1", sent.count())
		}
		add(t, s, 1) // by another process
		synctest.Wait()
		if sent.count() != 1 {
			t.Errorf("%d calls before the poll", sent.count())
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := s.states(); sent.count() != 2 || got[gateway.DeliverySent] != 2 {
			t.Errorf("after the poll: %d calls, %v", sent.count(), got)
		}
		// A later time is waited for, and does not replace an earlier one.
		late := gateway.Delivery{Kind: kind, NextAt: time.Now().Add(2 * time.Second)}
		if err := s.AddDeliveries(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		w.Wake(kind, late.NextAt)
		w.Wake(kind, late.NextAt.Add(time.Hour))
		time.Sleep(1900 * time.Millisecond)
		synctest.Wait()
		early := sent.count()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if early != 2 || sent.count() != 3 {
			t.Errorf("%d calls before the time, %d at the time", early, sent.count())
		}
	})
}

// TestTwoProcessesSendEachOnce: two workers with one store share the deliveries.
func TestTwoProcessesSendEachOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sent := &store{}, &calls{}
		add(t, s, 500)
		sender := delivery.Sender{Send: func(_ context.Context, d []gateway.Delivery) error {
			sent.add(d)
			time.Sleep(time.Second)
			return nil
		}}
		_, stop1 := start(t, s, sender)
		_, stop2 := start(t, s, sender)
		time.Sleep(time.Minute)
		stop1()
		stop2()
		ids := sent.ids()
		if len(ids) != 500 || len(slices.Compact(ids)) != 500 || s.states()[gateway.DeliverySent] != 500 {
			t.Errorf("%d calls, %v", len(ids), s.states())
		}
	})
}

// TestBackOff: failures are repeated with growing pauses, then given up with an event; permanent
// failures are given up at once; Error.After lengthens a pause.
func TestBackOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		err      error
		want     []time.Duration // between the attempts
		lastText string
	}{
		{name: "any", err: errors.New("no answer"), want: []time.Duration{time.Minute, time.Hour}, lastText: "no answer"},
		{name: "permanent", err: &delivery.Error{Text: "wrong", Permanent: true}, lastText: "wrong"},
		{name: "after", err: &delivery.Error{Text: "too many", After: 10 * time.Minute},
			want: []time.Duration{10 * time.Minute, time.Hour}, lastText: "too many"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, sent := &store{}, &calls{}
				add(t, s, 1)
				_, stop := start(t, s, delivery.Sender{
					Pauses: []time.Duration{time.Minute, time.Hour},
					Send: func(_ context.Context, d []gateway.Delivery) error {
						sent.add(d)
						return test.err
					},
					GivenUp: func(d gateway.Delivery, err error) []gateway.Event {
						return []gateway.Event{{Kind: "app_not_notified", App: d.Target, Detail: err.Error()}}
					},
				})
				time.Sleep(24 * time.Hour)
				stop()
				var pauses []time.Duration
				for i := 1; i < len(sent.at); i++ {
					pauses = append(pauses, sent.at[i].Sub(sent.at[i-1]))
				}
				d := s.row(1)
				if !slices.Equal(pauses, test.want) || d.State != gateway.DeliveryFailed || d.LastError != test.lastText {
					t.Errorf("pauses %v, state %s, error %q", pauses, d.State, d.LastError)
				}
				if len(s.events) != 1 || s.events[0].App != "wiki" {
					t.Errorf("events %+v", s.events)
				}
			})
		})
	}
}

// TestReceiverThatNeverAnswers: with 1,000 deliveries to such a receiver, the number of goroutines is
// bounded, each call ends after its time limit, and a shutdown waits for the calls in progress only.
// The rest stays in the store.
func TestReceiverThatNeverAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sent := &store{}, &calls{}
		add(t, s, 1000)
		_, stop := start(t, s, delivery.Sender{
			Parallel: 16, Timeout: 5 * time.Second, Pauses: []time.Duration{time.Hour},
			Send: func(ctx context.Context, d []gateway.Delivery) error {
				sent.add(d)
				<-ctx.Done()
				return errors.New("no response in time")
			},
		})
		synctest.Wait()
		if sent.count() != 16 {
			t.Errorf("%d calls at a time, want 16", sent.count())
		}
		time.Sleep(12 * time.Second) // two full rounds, the third has begun
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > 5*time.Second || sent.count() != 48 {
			t.Errorf("the shutdown took %s, %d calls", took, sent.count())
		}
		failed := 0
		for id := int64(1); id <= 1000; id++ {
			if d := s.row(id); d.Attempts > 1 || d.State != gateway.DeliveryWaiting {
				t.Fatalf("delivery %d: %+v", id, d)
			} else if d.LastError != "" {
				failed++
			}
		}
		if failed != 48 {
			t.Errorf("%d deliveries have the error of their attempt, want 48", failed)
		}
	})
}

// TestCrash: a process that claims and ends without a result loses nothing. A worker that comes back
// after its lease does not overwrite the result of another.
func TestCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sent := &store{}, &calls{}
		add(t, s, 1)
		claimed, err := s.ClaimDeliveries(t.Context(), kind, time.Now(), 90*time.Second, 10)
		if err != nil || len(claimed) != 1 {
			t.Fatal(claimed, err)
		}
		_, stop := start(t, s, delivery.Sender{Send: func(_ context.Context, d []gateway.Delivery) error {
			sent.add(d)
			return nil
		}})
		time.Sleep(89 * time.Second)
		before := sent.count()
		time.Sleep(10 * time.Second)
		stop()
		if before != 0 || sent.count() != 1 {
			t.Errorf("%d calls before the end of the lease, %d after", before, sent.count())
		}
		if err := s.FinishDelivery(t.Context(), claimed[0]); !errors.Is(err, gateway.ErrConflict) {
			t.Errorf("the first process finished it: %v", err)
		}
	})
}

// TestGroups: due deliveries of one group are one call.
func TestGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sent := &store{}, &calls{}
		add(t, s, 250)
		_, stop := start(t, s, delivery.Sender{
			Group: func(d gateway.Delivery) string { return d.Target },
			Send: func(_ context.Context, d []gateway.Delivery) error {
				sent.add(d)
				return nil
			},
		})
		synctest.Wait()
		stop()
		if sent.count() != 2 || len(sent.ids()) != 250 || s.states()[gateway.DeliverySent] != 250 {
			t.Errorf("%d calls, %v", sent.count(), s.states())
		}
	})
}

// TestStoreUnavailable: the worker continues when the store is available again.
func TestStoreUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sent := &store{}, &calls{}
		add(t, s, 1)
		s.setError(gateway.ErrUnavailable)
		_, stop := start(t, s, delivery.Sender{Send: func(_ context.Context, d []gateway.Delivery) error {
			sent.add(d)
			return nil
		}})
		time.Sleep(time.Minute)
		if n := s.claimed(); n > 20 {
			t.Errorf("%d claims in a minute", n)
		}
		s.setError(nil)
		time.Sleep(6 * time.Second) // not 5: the next claim must not be due in the instant of stop
		stop()
		if sent.count() != 1 || s.states()[gateway.DeliverySent] != 1 {
			t.Errorf("%d calls, %v", sent.count(), s.states())
		}
	})
}

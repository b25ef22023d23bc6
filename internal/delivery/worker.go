package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Sender sends the deliveries of one kind.
type Sender struct {
	Kind gateway.DeliveryKind

	// Send sends the deliveries of one group. nil means that all of them were sent. After an error,
	// all of them are sent again later, unless the error is an *[Error] with Permanent. The text of
	// an error is stored for administrators: it must not contain a secret or a URL.
	Send func(ctx context.Context, together []gateway.Delivery) error

	// Group returns the group of a delivery. One call of Send gets the due deliveries of a group
	// together. nil = each delivery is sent alone.
	Group func(gateway.Delivery) string

	Parallel int             // calls of Send at a time; 0 = 8
	Timeout  time.Duration   // of one call; 0 = 15 s
	Pauses   []time.Duration // after the first failed attempt, the second …; one failure more, and the worker gives up

	// GivenUp returns the events to record when the worker gives up. nil = none.
	GivenUp func(d gateway.Delivery, err error) []gateway.Event
}

// Error is the failure of a delivery.
type Error struct {
	Text      string        // for administrators, without secrets or URLs
	Permanent bool          // the next attempt would fail in the same way: give up now
	After     time.Duration // the least pause before the next attempt
}

// Error returns Text.
func (e *Error) Error() string { return e.Text }

// The outcomes of [Config.Observe].
const (
	OutcomeSent    = "sent"
	OutcomeRetry   = "retry"    // failed, will be repeated
	OutcomeGivenUp = "given_up" // failed, will not be repeated
)

// Config is the configuration of a [Worker]. Store and Senders are required.
type Config struct {
	Store   gateway.Deliveries
	Senders []Sender
	Poll    time.Duration    // how often to look for deliveries that other processes added; 0 = 5 s
	Now     func() time.Time // nil = time.Now
	Logger  *slog.Logger     // nil discards
	// Observe is called for each delivery after an attempt, for metrics. nil = not called.
	Observe func(kind gateway.DeliveryKind, target, outcome string)
}

// Worker sends deliveries. All methods are safe for concurrent use.
type Worker struct {
	cfg    Config
	queues []*queue
}

// queue is the state of one Sender.
type queue struct {
	Sender
	signal chan struct{} // receives a value when next changes

	mu   sync.Mutex
	next time.Time // when the next delivery of this process is due; zero = unknown
}

// New returns a Worker. It sends nothing before [Worker.Run].
func New(c Config) (*Worker, error) {
	if c.Store == nil || len(c.Senders) == 0 {
		return nil, errors.New("delivery: Config.Store and Senders are required")
	}
	c.Poll = cmp.Or(c.Poll, 5*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(gateway.DeliveryKind, string, string) {}
	}
	w := &Worker{cfg: c}
	for _, s := range c.Senders {
		if s.Send == nil || s.Kind == "" {
			return nil, fmt.Errorf("delivery: sender of kind %q: Kind and Send are required", s.Kind)
		}
		s.Parallel, s.Timeout = cmp.Or(s.Parallel, 8), cmp.Or(s.Timeout, 15*time.Second)
		w.queues = append(w.queues, &queue{Sender: s, signal: make(chan struct{}, 1)})
	}
	return w, nil
}

// Wake makes the worker send the deliveries of a kind when they are due at a time, without waiting
// for Config.Poll. Call it after deliveries were added.
func (w *Worker) Wake(kind gateway.DeliveryKind, at time.Time) {
	for _, q := range w.queues {
		if q.Kind == kind {
			q.wake(at)
		}
	}
}

// wake sets next to at, unless an earlier time is set.
func (q *queue) wake(at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.next.IsZero() && !at.Before(q.next) {
		return
	}
	q.next = at
	select {
	case q.signal <- struct{}{}:
	default: // the worker has not received the previous one
	}
}

// Run sends deliveries until ctx ends. It then waits for the calls of Send in progress. They end after
// Sender.Timeout at the latest. All other deliveries stay in the store.
func (w *Worker) Run(ctx context.Context) {
	var queues sync.WaitGroup
	for _, q := range w.queues {
		queues.Go(func() { w.runQueue(ctx, q) })
	}
	queues.Wait()
}

// runQueue sends the deliveries of one kind until ctx ends.
func (w *Worker) runQueue(ctx context.Context, q *queue) {
	var sends sync.WaitGroup
	defer sends.Wait()
	slots := make(chan struct{}, q.Parallel) // one value for each call in progress
	for ctx.Err() == nil {
		// The calls of round below send everything that is due, also what earlier calls of wake
		// announced.
		q.mu.Lock()
		q.next = time.Time{}
		q.mu.Unlock()
		for more := true; more && ctx.Err() == nil; {
			more = w.round(ctx, q, slots, &sends)
		}
		w.wait(ctx, q)
	}
}

// wait returns when ctx ends, after Config.Poll, or when the time of Wake has come.
func (w *Worker) wait(ctx context.Context, q *queue) {
	poll := time.NewTimer(w.cfg.Poll)
	defer poll.Stop()
	due := time.NewTimer(w.untilNext(q))
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			return
		case <-due.C:
			return
		case <-q.signal: // next has changed
			due.Reset(w.untilNext(q))
		}
	}
}

// untilNext returns the time until queue.next, at most Config.Poll.
func (w *Worker) untilNext(q *queue) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next.IsZero() {
		return w.cfg.Poll
	}
	return min(q.next.Sub(w.cfg.Now()), w.cfg.Poll)
}

// Bounds of one round.
const (
	claimMax  = 100 // deliveries of one claim: the most that ClaimDeliveries allows
	claimsMax = 10  // claims of one round, for senders with groups: a group becomes as complete as possible
)

// round claims due deliveries and starts to send them. It reports whether more can be due. slots
// has a value for each call of Send in progress.
func (w *Worker) round(ctx context.Context, q *queue, slots chan struct{}, sends *sync.WaitGroup) bool {
	// Without a free slot, claimed deliveries would wait while their lease passes.
	if !acquire(ctx, slots) {
		return false
	}
	limit := min(cap(slots)-len(slots)+1, claimMax) // the free slots, and the acquired one
	claims := 1
	if q.Group != nil {
		limit, claims = claimMax, claimsMax
	}
	var due []gateway.Delivery
	more := true
	for range claims {
		claimed, err := w.cfg.Store.ClaimDeliveries(ctx, q.Kind, w.cfg.Now(), q.lease(), limit)
		if err != nil && ctx.Err() == nil {
			w.cfg.Logger.WarnContext(ctx, "deliveries not claimed", "kind", string(q.Kind), "error", err)
		}
		due = append(due, claimed...)
		if more = err == nil && len(claimed) == limit; !more {
			break
		}
	}
	<-slots
	for _, together := range q.groups(due) {
		// Claimed deliveries are sent even when ctx has ended: a slot is free within Sender.Timeout.
		slots <- struct{}{}
		sends.Go(func() {
			defer func() { <-slots }()
			w.send(context.WithoutCancel(ctx), q, together)
		})
	}
	return more
}

// acquire waits for a free slot. It returns false if ctx ends first.
func acquire(ctx context.Context, slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// lease returns for how long a claim is valid: the time to wait for a slot, to send, and to write the
// result.
func (q *queue) lease() time.Duration { return 2*q.Timeout + time.Minute }

// groups returns the groups of deliveries, in the order of their first deliveries.
func (q *queue) groups(due []gateway.Delivery) (out [][]gateway.Delivery) {
	index := map[string]int{}
	for _, d := range due {
		if q.Group == nil {
			out = append(out, []gateway.Delivery{d})
			continue
		}
		name := q.Group(d)
		i, found := index[name]
		if !found {
			i = len(out)
			index[name] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], d)
	}
	return out
}

// finishTimeout limits the time to write the result of one delivery.
const finishTimeout = 10 * time.Second

// send sends deliveries by one call, and writes the result of each.
func (w *Worker) send(ctx context.Context, q *queue, together []gateway.Delivery) {
	sending, cancel := context.WithTimeout(ctx, q.Timeout)
	err := q.Send(sending, together)
	cancel()
	ctx, cancel = context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	for _, d := range together {
		w.finish(ctx, q, d, err)
	}
}

// finish writes the result of an attempt to the store, the log and the metrics.
func (w *Worker) finish(ctx context.Context, q *queue, d gateway.Delivery, err error) {
	outcome := q.result(&d, err, w.cfg.Now())
	var events []gateway.Event
	if outcome == OutcomeGivenUp && q.GivenUp != nil {
		events = q.GivenUp(d, err)
	}
	attributes := []any{"kind", string(d.Kind), "target", d.Target, "delivery", d.ID, "attempt", d.Attempts}
	switch finishErr := w.cfg.Store.FinishDelivery(ctx, d, events...); {
	case errors.Is(finishErr, gateway.ErrConflict): // the lease has ended, another process claimed the delivery
		w.cfg.Logger.WarnContext(ctx, "delivery sent after its lease", attributes...)
		return
	case finishErr != nil:
		w.cfg.Logger.WarnContext(ctx, "delivery result not recorded", append(attributes, "error", finishErr)...)
		return
	}
	w.cfg.Observe(d.Kind, d.Target, outcome)
	switch outcome {
	case OutcomeRetry:
		q.wake(d.NextAt)
		w.cfg.Logger.InfoContext(ctx, "delivery failed, will be repeated", append(attributes, "error", err)...)
	case OutcomeGivenUp:
		w.cfg.Logger.WarnContext(ctx, "delivery failed", append(attributes, "error", err)...)
	}
}

// result writes the result of an attempt into d, and returns its outcome.
func (q *queue) result(d *gateway.Delivery, err error, now time.Time) string {
	d.State, d.LastError = gateway.DeliverySent, ""
	if err == nil {
		return OutcomeSent
	}
	d.LastError = err.Error()
	failure := &Error{}
	_ = errors.As(err, &failure) // for an error of another type, failure stays zero: not Permanent
	if failure.Permanent || d.Attempts > len(q.Pauses) {
		d.State = gateway.DeliveryFailed
		return OutcomeGivenUp
	}
	d.State = gateway.DeliveryWaiting
	d.NextAt = now.Add(max(q.Pauses[max(d.Attempts, 1)-1], failure.After))
	return OutcomeRetry
}

package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/delivery"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/outgoing"
)

// noticeTest is the kind of a test message, which an administrator sends.
const noticeTest gateway.NoticeKind = "test"

// Config is the configuration of a [Notifier]. Store is required.
type Config struct {
	Store   gateway.Deliveries
	Waiting func(context.Context) (int, error) // number of users who wait for approval; nil = not shown
	User    ReadUser                           // reads a name that the user gave after the notice; nil = not read
	Wake    func(time.Time)                    // called after notices were stored, with the time to send them
	Problem func(target, code, detail string)  // called when messages to a receiver fail for some minutes
	Limits  *limit.Limiter                     // nil = no limits
	Now     func() time.Time                   // nil = time.Now
	Logger  *slog.Logger                       // nil discards
}

// ReadUser is the type of the method User of gateway.Users, which returns a user.
type ReadUser func(ctx context.Context, id string) (gateway.User, error)

// Settings are what a reload of the configuration changes.
type Settings struct {
	URL       string         // base URL of the gateway, for links
	Title     string         // name of the gateway, at the beginning of each message
	Zone      *time.Location // time zone of the messages; nil = UTC
	Receivers []Receiver
}

// Receiver is a receiver of notices.
type Receiver struct {
	Name     string
	Kind     string               // one of the kinds below
	URL      string               // a credential
	Secrets  []string             // sign the requests, Feishu and DingTalk with the first only; empty = no signature
	Events   []gateway.NoticeKind // the kinds of notices that the receiver gets
	Keyword  string               // at the beginning of each message; "" = none
	Mention  []string             // ids of users at the receiver; "all" = everybody
	Language string               // of the messages
	Client   *outgoing.Client
}

// The kinds of receivers.
const (
	WeCom    = "wecom"
	Feishu   = "feishu"
	DingTalk = "dingtalk"
	Slack    = "slack"
	JSON     = "json"
)

// Notifier notifies administrators. It is safe for concurrent use.
type Notifier struct {
	cfg      Config
	settings atomic.Pointer[Settings]
	queue    chan queued

	mu    sync.Mutex
	state map[string]*receiverState // by name
}

// queued is a notice that is not stored yet. If named is set, it is the message that the name of a
// user is known now, and has no notice.
type queued struct {
	notice gateway.Notice
	target string // name of the only receiver; "" = all receivers that want the kind of the notice
	named  string // id of the user; "" = this is a notice
}

// receiverState is what this process remembers of a receiver.
type receiverState struct {
	latestDue time.Time // when the latest message of the receiver is due
	heldUntil time.Time // the platform rejects messages before this time
	gone      bool      // the receiver answered 410
}

// payload is the stored form of a notice. All fields except ID are as in gateway.Notice.
type payload struct {
	ID     string             `json:"id"` // the same in all attempts to send the notice
	Kind   gateway.NoticeKind `json:"kind"`
	At     time.Time          `json:"at"`
	User   string             `json:"user,omitempty"`
	UserID string             `json:"user_id,omitempty"`
	App    string             `json:"app,omitempty"`
	Source string             `json:"source,omitempty"`
	Code   string             `json:"code,omitempty"`
}

// New returns a Notifier without receivers. [Notifier.Set] sets them.
func New(c Config) (*Notifier, error) {
	if c.Store == nil {
		return nil, errors.New("notify: Config.Store is required")
	}
	if c.Wake == nil {
		c.Wake = func(time.Time) {}
	}
	if c.Problem == nil {
		c.Problem = func(string, string, string) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{cfg: c, queue: make(chan queued, limit.NoticesInMemory.Max), state: map[string]*receiverState{}}
	n.settings.Store(&Settings{})
	return n, nil
}

// Set replaces the settings. A receiver that answered 410 is used again.
func (n *Notifier) Set(s Settings) {
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, state := range n.state {
		state.gone = false
	}
	n.settings.Store(&s)
}

// Notify queues a notice for the receivers that want its kind. It returns at once: the notice is
// written to the store in the background. When the queue in memory is full, the notice is dropped
// and logged.
func (n *Notifier) Notify(ctx context.Context, notice gateway.Notice) {
	n.enqueue(ctx, queued{notice: notice})
}

// Named sends the notices that wait for the name of a user. It returns at once.
func (n *Notifier) Named(ctx context.Context, userID string) {
	n.enqueue(ctx, queued{named: userID})
}

// Test stores a test message for a receiver. gateway.ErrNotFound if the receiver does not exist.
func (n *Notifier) Test(ctx context.Context, name string) error {
	if _, found := n.receiver(name); !found {
		return gateway.ErrNotFound
	}
	return n.add(ctx, queued{notice: gateway.Notice{Kind: noticeTest, At: n.cfg.Now()}, target: name})
}

// Add stores a notice before it returns. It is for commands, which end afterwards.
func (n *Notifier) Add(ctx context.Context, notice gateway.Notice) error {
	return n.add(ctx, queued{notice: notice})
}

func (n *Notifier) add(ctx context.Context, q queued) error {
	batch := n.deliveries(q, nil)
	if len(batch) == 0 {
		return nil
	}
	if err := n.cfg.Store.AddDeliveries(ctx, batch...); err != nil {
		return err
	}
	first := slices.MinFunc(batch, func(a, b gateway.Delivery) int { return a.NextAt.Compare(b.NextAt) })
	n.cfg.Wake(first.NextAt)
	return nil
}

func (n *Notifier) enqueue(ctx context.Context, q queued) {
	select {
	case n.queue <- q:
	default:
		n.cfg.Logger.WarnContext(ctx, "notice dropped, queue full", "kind", string(q.notice.Kind))
	}
}

func (n *Notifier) receiver(name string) (Receiver, bool) {
	all := n.settings.Load().Receivers
	i := slices.IndexFunc(all, func(r Receiver) bool { return r.Name == name })
	if i < 0 {
		return Receiver{}, false
	}
	return all[i], true
}

const (
	storePause   = 2 * time.Second // after a failure of the store
	storeTimeout = 5 * time.Second // of one write
)

// Run writes notices to the store until ctx ends. Before it returns, it writes the notices that are
// still in memory.
func (n *Notifier) Run(ctx context.Context) {
	for {
		var batch []gateway.Delivery
		var named []string
		take := func(q queued) {
			if q.named != "" {
				named = append(named, q.named)
				return
			}
			batch = n.deliveries(q, batch)
		}
		select {
		case q := <-n.queue:
			take(q)
		case <-ctx.Done():
		}
		for more := true; more && len(batch)+len(named) < 100; { // one transaction writes the notices in memory
			select {
			case q := <-n.queue:
				take(q)
			default:
				more = false
			}
		}
		n.write(ctx, batch)
		n.hasten(ctx, named)
		if ctx.Err() != nil && len(n.queue) == 0 {
			return
		}
	}
}

// write stores deliveries. After a failure it tries again, until ctx ends.
func (n *Notifier) write(ctx context.Context, batch []gateway.Delivery) {
	for len(batch) > 0 {
		writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		err := n.cfg.Store.AddDeliveries(writing, batch...)
		cancel()
		if err == nil {
			for _, d := range batch {
				n.cfg.Wake(d.NextAt)
			}
			return
		}
		n.cfg.Logger.WarnContext(ctx, "notices not stored", "count", len(batch), "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(storePause):
		}
	}
}

// hasten makes the notices about users due now. A failure is only logged, because the notices are
// sent after nameWait in any case.
func (n *Notifier) hasten(ctx context.Context, userIDs []string) {
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	for _, id := range userIDs {
		now := n.cfg.Now()
		count, err := n.cfg.Store.HastenDeliveries(writing, gateway.DeliverNotification, id, now)
		if err != nil {
			n.cfg.Logger.WarnContext(ctx, "notices not hastened", "error", err)
		}
		if count > 0 {
			n.cfg.Wake(now)
		}
	}
}

// deliveries appends a delivery of a notice for each receiver that wants the notice.
func (n *Notifier) deliveries(q queued, batch []gateway.Delivery) []gateway.Delivery {
	now := n.cfg.Now()
	p := payload{
		ID: "msg_" + rand.Text(), Kind: q.notice.Kind, At: q.notice.At.UTC(), User: shortName(q.notice.User),
		UserID: q.notice.UserID, App: gateway.CleanLine(q.notice.App), Source: q.notice.Source, Code: q.notice.Code,
	}
	text, err := json.Marshal(p)
	if err != nil {
		n.cfg.Logger.Error("notice not encoded", "kind", string(p.Kind), "error", err)
		return batch
	}
	for _, r := range n.settings.Load().Receivers {
		wanted := q.target == r.Name || q.target == "" && slices.Contains(r.Events, p.Kind)
		// A receiver that fails does not get the notice about its failure.
		if !wanted || p.Source == "notify:"+r.Name || n.isGone(r.Name) && p.Kind != noticeTest ||
			!n.cfg.Limits.Allow(now, limit.Bucket{Rate: limit.NoticesPerReceiver, Key: r.Name}) {
			continue
		}
		next := now.Add(nameWait)
		if !q.notice.NameFollows {
			next = n.due(r, p.Kind, now)
		}
		batch = append(batch, gateway.Delivery{
			Kind: gateway.DeliverNotification, Target: r.Name, UserID: p.UserID, Payload: text,
			State: gateway.DeliveryWaiting, CreatedAt: now, NextAt: next,
		})
	}
	return batch
}

// nameWait is how long a notice waits for the name of its user.
const nameWait = time.Minute

const (
	firstPause = 5 * time.Second // before the first message, so that the message has all notices of these seconds
	window     = time.Minute     // between two messages of this process to one robot
)

// due returns when to send a notice. The notices of a window become one message.
func (n *Notifier) due(r Receiver, kind gateway.NoticeKind, now time.Time) time.Time {
	if r.Kind == JSON || kind == noticeTest {
		return now
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	state := n.stateOf(r.Name)
	switch {
	case !now.Before(state.latestDue.Add(window - firstPause)): // the latest message is old enough
		state.latestDue = now.Add(firstPause)
	case now.After(state.latestDue): // the latest message was sent less than a window ago
		state.latestDue = state.latestDue.Add(window)
	} // otherwise the latest message is not sent yet, and this notice joins it
	return state.latestDue
}

// stateOf returns the state of a receiver. The caller holds n.mu.
func (n *Notifier) stateOf(name string) *receiverState {
	if n.state[name] == nil {
		n.state[name] = &receiverState{}
	}
	return n.state[name]
}

func (n *Notifier) isGone(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stateOf(name).gone
}

// Sender returns the sender of notices for package delivery, which passes deliveries with equal
// Group to send together. So a robot gets one message for several notices, and a receiver of kind
// JSON a request for each.
func (n *Notifier) Sender() delivery.Sender {
	return delivery.Sender{
		Kind: gateway.DeliverNotification, Send: n.send, Timeout: 2 * limit.OutgoingTime.Duration,
		Pauses: []time.Duration{
			30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
			time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
		},
		Group: func(d gateway.Delivery) string {
			if r, found := n.receiver(d.Target); found && r.Kind == JSON {
				return d.Target + "\x00" + string(d.Payload)
			}
			return d.Target
		},
	}
}

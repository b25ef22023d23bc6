package notify_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/delivery"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/notify"
	"github.com/weigate/weigate/internal/outgoing"
)

// key is in the address of each receiver. Nothing but requests to the receiver may contain it.
const key = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"

// fixture is a Notifier with a clock of its own, whose deliveries the test sends.
type fixture struct {
	t        *testing.T
	n        *notify.Notifier
	log      *bytes.Buffer
	problems []string

	mu    sync.Mutex
	clock time.Time
	rows  []gateway.Delivery
	err   error             // of AddDeliveries
	names map[string]string // of users, by id
}

type unused = gateway.Deliveries

// deliveries is the part of the store that a Notifier uses.
type deliveries struct {
	unused
	f *fixture
}

func (d deliveries) AddDeliveries(_ context.Context, all ...gateway.Delivery) error {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	if d.f.err != nil {
		return d.f.err
	}
	d.f.rows = append(d.f.rows, all...)
	return nil
}

func (d deliveries) HastenDeliveries(_ context.Context, _ gateway.DeliveryKind, user string, now time.Time) (n int,
	err error) {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	for i := range d.f.rows {
		if d.f.rows[i].UserID == user && d.f.rows[i].NextAt.After(now) {
			d.f.rows[i].NextAt = now
			n++
		}
	}
	return n, nil
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, log: &bytes.Buffer{}, clock: time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)}
	n, err := notify.New(notify.Config{
		Store: deliveries{f: f}, Now: f.now, Logger: slog.New(slog.NewTextHandler(f.log, nil)),
		Limits: limit.NewLimiter(nil),
		User: func(_ context.Context, id string) (gateway.User, error) {
			if name := f.names[id]; name != "" {
				return gateway.User{ID: id, RealName: name}, nil
			}
			return gateway.User{}, gateway.ErrNotFound
		},
		Waiting: func(context.Context) (int, error) { return 12, nil },
		Problem: func(target, code, detail string) { f.problems = append(f.problems, target+" "+code+" "+detail) },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.n = n
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

// receiver returns the receiver for a robot. The robot is on this machine.
func (f *fixture) receiver(r *robot) notify.Receiver {
	f.t.Helper()
	client, err := outgoing.New(outgoing.Config{Policy: outgoing.Policy{
		Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	out := notify.Receiver{
		Name: r.kind, Kind: r.kind, URL: r.server.URL + "/send?key=" + key, Events: gateway.NoticeKinds(), Language: "zh-CN",
		Keyword: r.keyword, Client: client,
	}
	if r.kind == notify.DingTalk {
		out.URL += "&access_token=TOKEN"
	}
	if r.secret != "" {
		out.Secrets = []string{r.secret}
	}
	return out
}

func (f *fixture) set(receivers ...notify.Receiver) {
	f.n.Set(notify.Settings{
		URL: "https://login.example.com", Title: "示例登录", Zone: time.FixedZone("", 8*3600), Receivers: receivers,
	})
}

// notify notifies, and returns when the deliveries are stored.
func (f *fixture) notify(notices ...gateway.Notice) {
	for _, notice := range notices {
		if notice.At.IsZero() {
			notice.At = f.now()
		}
		f.n.Notify(f.t.Context(), notice)
	}
	f.store()
}

// store writes what is in memory: Run ends at once, since its context has ended.
func (f *fixture) store() {
	ctx, cancel := context.WithCancel(f.t.Context())
	cancel()
	f.n.Run(ctx)
}

// send sends what is due as a worker does, and returns the error of each call.
func (f *fixture) send() (failures []*delivery.Error) {
	f.t.Helper()
	sender := f.n.Sender()
	groups, names := map[string][]gateway.Delivery{}, []string{}
	f.mu.Lock()
	var later []gateway.Delivery
	for _, d := range f.rows {
		if d.NextAt.After(f.clock) {
			later = append(later, d)
			continue
		}
		name := sender.Group(d)
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		d.Attempts++
		groups[name] = append(groups[name], d)
	}
	f.rows = later
	f.mu.Unlock()
	for _, name := range names {
		err := sender.Send(f.t.Context(), groups[name])
		failure := &delivery.Error{}
		if err == nil {
			continue
		}
		if !errors.As(err, &failure) {
			f.t.Fatalf("an error of type %T: %v", err, err)
		}
		if strings.Contains(failure.Text, key) || strings.Contains(failure.Text, "words of the platform") {
			f.t.Errorf("the error has the address or the response: %s", failure.Text)
		}
		failures = append(failures, failure)
		f.mu.Lock()
		for _, d := range groups[name] {
			if !failure.Permanent {
				d.NextAt = f.clock.Add(max(sender.Pauses[d.Attempts-1], failure.After))
				f.rows = append(f.rows, d)
			}
		}
		f.mu.Unlock()
	}
	return failures
}

func waiting(user, app string) gateway.Notice {
	return gateway.Notice{Kind: gateway.NoticeWaiting, User: user, UserID: "u-" + user, App: app}
}

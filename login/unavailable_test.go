package login_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

// outage is a store of which one method fails.
type outage struct {
	login.Store
	method atomic.Value // string
	err    error
}

func (o *outage) fails(method string) error {
	if o.method.Load() == method {
		return fmt.Errorf("dial tcp 10.0.0.1:5432: %w", o.err)
	}
	return nil
}

func (o *outage) BeginAttempt(ctx context.Context, want login.Attempt, now time.Time) (login.Attempt, bool, error) {
	if err := o.fails("BeginAttempt"); err != nil {
		return login.Attempt{}, false, err
	}
	return o.Store.BeginAttempt(ctx, want, now)
}

func (o *outage) FinishAttempt(ctx context.Context, id, owner string, out login.Outcome, now time.Time) error {
	if err := o.fails("FinishAttempt"); err != nil {
		return err
	}
	return o.Store.FinishAttempt(ctx, id, owner, out, now)
}

func (o *outage) CreateSession(ctx context.Context, id string, s login.Session, now time.Time) error {
	if err := o.fails("CreateSession"); err != nil {
		return err
	}
	return o.Store.CreateSession(ctx, id, s, now)
}

func (o *outage) Session(ctx context.Context, id string, now time.Time) (*login.Session, error) {
	if err := o.fails("Session"); err != nil {
		return nil, err
	}
	return o.Store.Session(ctx, id, now)
}

func (o *outage) DeleteSession(ctx context.Context, id string) error {
	if err := o.fails("DeleteSession"); err != nil {
		return err
	}
	return o.Store.DeleteSession(ctx, id)
}

// When the store is unavailable, the page asks the user to try again, and programs get Retry-After.
func TestUnreachableStoreIsBusyNotAFault(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"BeginAttempt", "OnSignIn", "CreateSession", "FinishAttempt"} {
		for _, c := range []struct {
			err    error
			kind   login.PageKind
			status int
		}{
			{login.ErrUnavailable, login.PageBusy, 503},
			{context.DeadlineExceeded, login.PageBusy, 503},
			{errors.New("syntax error in SQL"), login.PageFault, 500},
		} {
			t.Run(fmt.Sprint(method, " ", c.err), func(t *testing.T) {
				t.Parallel()
				o := &outage{Store: login.NewMemoryStore(), err: c.err}
				s := newFixture(t, func(cfg *login.Config) {
					cfg.Store = o
					cfg.OnSignIn = func(context.Context, *login.SignIn) error { return o.fails("OnSignIn") }
				})
				b := s.browser()
				state := b.begin("/sign-in?return=/private/x")
				o.method.Store(method)
				res := b.get(s.callback(code("a"), state))
				u, err := url.Parse(res.Header.Get("Location"))
				if err != nil || u.Path != "/sign-in/ended" {
					t.Fatalf("to %v, %v", u, err)
				}
				res = b.get(u.RequestURI())
				if again := res.Header.Get("Retry-After"); (again != "") != (c.status == 503) {
					t.Errorf("Retry-After %q", again)
				}
				s.wantPage(res, c.kind, c.status)
				o.method.Store("")
				if who := b.who(); who != "" {
					t.Errorf("signed in as %q", who)
				}
			})
		}
	}
}

func TestUnreachableStoreAtOtherAddresses(t *testing.T) {
	t.Parallel()
	o := &outage{Store: login.NewMemoryStore(), err: login.ErrUnavailable}
	s := newFixture(t, func(cfg *login.Config) { cfg.Store = o })
	b := s.browser()
	b.signIn("a")
	busy := func(name string, res *http.Response) {
		t.Helper()
		if res.StatusCode != 503 || res.Header.Get("Retry-After") != "5" {
			t.Errorf("%s: %d, Retry-After %q", name, res.StatusCode, res.Header.Get("Retry-After"))
		}
	}
	o.method.Store("Session")
	for _, address := range []string{"/private/x", "/sign-in/me", "/sign-in/profile?return=/named/x"} {
		busy(address, b.get(address))
	}
	o.method.Store("DeleteSession")
	busy("sign-out", b.post("/sign-out", url.Values{"return": {"/"}}))
}

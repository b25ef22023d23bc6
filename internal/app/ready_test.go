package app_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
)

// slowPing is a store whose Ping waits for leave, and is counted.
type slowPing struct {
	gateway.Store
	asked atomic.Int32
	leave chan error
}

func (s *slowPing) Ping(ctx context.Context) error {
	s.asked.Add(1)
	select {
	case err := <-s.leave:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *gatewayFixture) readyz(ctx context.Context) (int, string) {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil)
	rec := httptest.NewRecorder()
	w.replicas[0].Handler().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// Anybody may ask whether the gateway is ready, as often as they like. The store is asked once at a
// time, and once a second.
func TestFloodOfReadyChecksIsOneQuestionToTheStore(t *testing.T) {
	t.Parallel()
	store := &slowPing{leave: make(chan error)}
	w := newFixture(t, func(w *gatewayFixture) {
		store.Store = sqlitetest.New(t)
		w.store = store
	})
	// The first client disconnects before the check has ended; the others still get the result.
	gone, leave := context.WithCancel(t.Context())
	leave()
	if code, _ := w.readyz(gone); code != http.StatusServiceUnavailable {
		t.Errorf("the asker who went away: %d", code)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if code, body := w.readyz(t.Context()); code != http.StatusOK || body != "ok\n" {
				t.Errorf("%d %s", code, body)
			}
		})
	}
	store.leave <- nil
	all.Wait()
	if n := store.asked.Load(); n != 1 {
		t.Errorf("51 checks asked the store %d times", n)
	}
	w.clock.Advance(2 * time.Second)
	go func() { store.leave <- errors.New("away") }()
	for range 50 {
		if code, body := w.readyz(t.Context()); code != http.StatusServiceUnavailable ||
			body != "the store is unavailable\n" {
			t.Errorf("%d %s", code, body)
		}
	}
	if n := store.asked.Load(); n != 2 {
		t.Errorf("two seconds later the store was asked %d times in all", n)
	}
	w.clock.Advance(-time.Hour) // an answer from the future is none
	go func() { store.leave <- nil }()
	if code, _ := w.readyz(t.Context()); code != http.StatusOK {
		t.Errorf("after the clock went back: %d", code)
	}
}

// The readiness check fails before the server stops, so that a load balancer sends no new requests;
// requests that arrive meanwhile are served.
func TestStoppingIsNotReadyAndServes(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	if code, _ := w.readyz(t.Context()); code != http.StatusOK {
		t.Fatalf("before the stop: %d", code)
	}
	w.replicas[0].Stopping()
	if code, body := w.readyz(t.Context()); code != http.StatusServiceUnavailable || body != "stopping\n" {
		t.Errorf("during the stop: %d %s", code, body)
	}
	if got := w.get("/healthz", nil); got != "ok\n" {
		t.Errorf("healthz: %q", got)
	}
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
}

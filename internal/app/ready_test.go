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

// slowPing is a store that counts calls of Ping. Each waits until a result is sent to result. It
// ignores the end of the context, which is after two seconds: the machine may need longer for the test.
type slowPing struct {
	gateway.Store
	pings  atomic.Int32
	result chan error
}

func (s *slowPing) Ping(context.Context) error {
	s.pings.Add(1)
	return <-s.result
}

func (w *gatewayFixture) readyz(ctx context.Context) (int, string) {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil)
	rec := httptest.NewRecorder()
	w.replicas[0].Handler().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// Anyone can call the readiness check at any rate. The store is checked once at a time, and at most
// once a second.
func TestManyReadinessChecksCheckTheStoreOnce(t *testing.T) {
	t.Parallel()
	store := &slowPing{result: make(chan error)}
	w := newFixture(t, stoppedClock, func(w *gatewayFixture) {
		store.Store = sqlitetest.New(t)
		w.store = store
	})
	// The first client disconnects before the check has ended; the others still get the result.
	disconnected, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _ := w.readyz(disconnected); code != http.StatusServiceUnavailable {
		t.Errorf("the client that disconnected: %d", code)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if code, body := w.readyz(t.Context()); code != http.StatusOK || body != "ok\n" {
				t.Errorf("%d %s", code, body)
			}
		})
	}
	store.result <- nil
	all.Wait()
	if n := store.pings.Load(); n != 1 {
		t.Errorf("51 requests checked the store %d times", n)
	}
	w.clock.Advance(2 * time.Second)
	go func() { store.result <- errors.New("unavailable") }()
	for range 50 {
		if code, body := w.readyz(t.Context()); code != http.StatusServiceUnavailable ||
			body != "the store is unavailable\n" {
			t.Errorf("%d %s", code, body)
		}
	}
	if n := store.pings.Load(); n != 2 {
		t.Errorf("two seconds later the store was checked %d times in all", n)
	}
	w.clock.Advance(-time.Hour) // a cached result from the future is not used
	go func() { store.result <- nil }()
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

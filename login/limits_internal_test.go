package login

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/flow"
)

// TestEndedSessionsLeaveNothingBehind: everyone can sign in and out without end.
func TestEndedSessionsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	now := time.Unix(1772352000, 0)
	m := NewMemoryStore()
	for i := range 10 {
		id := fmt.Sprint(i)
		if err := m.CreateSession(t.Context(), id, Session{Subject: id, ExpiresAt: now.Add(time.Hour)}, now); err != nil {
			t.Fatal(err)
		}
		if err := m.DeleteSession(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.sessions)+len(m.idsOf) != 0 {
		t.Errorf("%d sessions and %d users are left", len(m.sessions), len(m.idsOf))
	}
}

// TestMadeUpNetworksStayBounded floods the buckets with networks while one network is active.
func TestMadeUpNetworksStayBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1772352000, 0)
	l := newLimits(600)
	for range 20 {
		l.Take(flow.RefusedCodesPerNetwork, "active", now)
	}
	for i := range 5 * maxBuckets {
		l.Take(flow.RefusedCodesPerNetwork, fmt.Sprint("made up ", i), now)
		if i%1000 == 0 && l.Take(flow.RefusedCodesPerNetwork, "active", now) {
			t.Fatalf("after %d made-up networks the active one has a new burst", i)
		}
	}
	if n := len(l.newer) + len(l.older); n > 2*maxBuckets {
		t.Errorf("%d buckets", n)
	}
	if !l.Exhausted(flow.RefusedCodesPerNetwork, "active", now) ||
		l.Exhausted(flow.RefusedCodesPerNetwork, "active", now.Add(5*time.Second)) {
		t.Error("a bucket does not refill with one event in five seconds")
	}
}

func TestNetworkOfAddress(t *testing.T) {
	t.Parallel()
	h := &Handler{}
	for address, want := range map[string]string{
		"203.0.113.9:1": "203.0.113.9", "[::ffff:203.0.113.9]:1": "203.0.113.9", "[2001:db8:1:2::3]:1": "2001:db8:1::/48",
		"127.0.0.1:1": "", "10.1.2.3:1": "", "[fd00::1]:1": "", "[fe80::1%eth0]:1": "", "@": "", "": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = address
		if got := h.network(r); got != want {
			t.Errorf("%q is network %q, want %q", address, got, want)
		}
	}
}

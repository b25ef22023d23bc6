package limit

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var (
	start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	slow  = Rate{Name: "slow", PerSecond: 1, Burst: 3}
)

func TestBurstAndRefill(t *testing.T) {
	t.Parallel()
	exceeded := ""
	l := NewLimiter(func(name string) { exceeded += name + " " })
	b := Bucket{Rate: slow, Key: "a"}
	for i := range 3 {
		if !l.Allow(start, b) {
			t.Fatalf("event %d is refused", i)
		}
	}
	if l.Allow(start, b) || exceeded != "slow " || !l.Exhausted(start, b) {
		t.Fatalf("after the burst: exceeded %q", exceeded)
	}
	if !l.Allow(start, Bucket{Rate: slow, Key: "b"}) {
		t.Error("another key is refused")
	}
	if l.Exhausted(start.Add(time.Second), b) || !l.Allow(start.Add(time.Second), b) {
		t.Error("a second later the event is refused")
	}
	var none *Limiter
	if !none.Allow(start, b) || none.Exhausted(start, b) {
		t.Error("a nil Limiter refuses")
	}
}

// TestMadeUpKeysDropNoActiveBucket floods the table with keys while one client is active.
func TestMadeUpKeysDropNoActiveBucket(t *testing.T) {
	t.Parallel()
	l := NewLimiter(nil)
	l.buckets.max = 100
	active := Bucket{Rate: slow, Key: "active"}
	for range 3 {
		l.Allow(start, active)
	}
	for i := range 1000 {
		l.Allow(start, Bucket{Rate: slow, Key: fmt.Sprint("made up ", i)})
		if i%50 == 0 && l.Allow(start, active) {
			t.Fatalf("after %d made-up keys the active client has a new burst", i)
		}
		if n := len(l.buckets.newer) + len(l.buckets.older); n > 200 {
			t.Fatalf("%d buckets", n)
		}
	}
}

// TestWidestBucketFirst refuses a network without creating buckets for its addresses.
func TestWidestBucketFirst(t *testing.T) {
	t.Parallel()
	l := NewLimiter(nil)
	for i := range 500 {
		a := netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i))
		l.Allow(start, Bucket{Rate: slow, Key: Network(a)},
			Bucket{Rate: Rate{Name: "address", PerSecond: 1, Burst: 1}, Key: Address(a)})
	}
	if n := len(l.buckets.newer); n != 1+slow.Burst {
		t.Errorf("one network has made %d buckets", n)
	}
}

func TestRememberedKeys(t *testing.T) {
	t.Parallel()
	l := NewLimiter(nil)
	l.Remember(start, "a")
	if !l.Remembers(start.Add(time.Minute), "a", time.Hour) {
		t.Error("a key is forgotten within a minute")
	}
	if l.Remembers(start.Add(time.Hour), "a", time.Hour) || l.Remembers(start, "b", time.Hour) {
		t.Error("a key is remembered for too long, or was never remembered")
	}
	for i := range 50_000 {
		l.Remember(start, fmt.Sprint("made up ", i))
	}
	if n := len(l.remembered.newer) + len(l.remembered.older); n > 2*maxRemembered {
		t.Errorf("%d keys are remembered", n)
	}
	var none *Limiter
	none.Remember(start, "a")
	if none.Remembers(start, "a", time.Hour) {
		t.Error("a nil Limiter remembers")
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ address, one, wide string }{
		{"203.0.113.9", "203.0.113.9", "203.0.113.9"},
		{"::ffff:203.0.113.9", "203.0.113.9", "203.0.113.9"},
		{"2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"},
		{"fe80::1%eth0", "fe80::/64", "fe80::/48"},
	} {
		a := netip.MustParseAddr(tt.address)
		if Address(a) != tt.one || Network(a) != tt.wide {
			t.Errorf("%s: %s, %s", tt.address, Address(a), Network(a))
		}
	}
	if Address(netip.Addr{}) == "" {
		t.Error("an unknown address has no key")
	}
}

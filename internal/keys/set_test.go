package keys_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const (
	day    = 24 * time.Hour
	period = 90 * day
)

func openSet(t testing.TB, store gateway.Keys, c *clock, m *keys.Sealer, algs ...string) *keys.Set {
	t.Helper()
	if algs == nil {
		algs = []string{keys.ES256}
	}
	r, err := keys.OpenSet(t.Context(), keys.SetConfig{Store: store, Sealer: m, Algs: algs, Keep: day, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sign(t testing.TB, r *keys.Set, alg string) string {
	t.Helper()
	token, err := r.Sign(alg, keys.TypeJWT, []byte(`{"sub":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func kids(t testing.TB, r *keys.Set) []string {
	t.Helper()
	raw, err := r.JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, k := range set.Keys {
		if !k.IsPublic() || k.KeyID == "" || k.Use != "sig" || k.Algorithm == "" {
			t.Errorf("published key %q: public %v, use %q, alg %q", k.KeyID, k.IsPublic(), k.Use, k.Algorithm)
		}
		out = append(out, k.KeyID)
	}
	return out
}

func kidOf(t testing.TB, token string) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header.KeyID
}

func TestRingSignsWhatItsKeySetChecks(t *testing.T) {
	t.Parallel()
	r := openSet(t, newStore(t), newClock(), master(t, key(1)), keys.RS256, keys.ES256)
	for _, alg := range []string{keys.RS256, keys.ES256} {
		token := sign(t, r, alg)
		raw, _ := r.JWKS(t.Context())
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(raw, &set); err != nil {
			t.Fatal(err)
		}
		jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jws.Verify(set.Key(kidOf(t, token))[0].Key); err != nil {
			t.Errorf("%s: the published key does not check the token: %v", alg, err)
		}
		claims, err := r.Verify(t.Context(), keys.TypeJWT, token)
		if err != nil || string(claims) != `{"sub":"x"}` {
			t.Errorf("%s: Verify = %s, %v", alg, claims, err)
		}
		if strings.Contains(string(raw), `"d"`) || strings.Contains(string(raw), `"p"`) {
			t.Error("the key set has private members")
		}
	}
}

func TestRingBelievesOnlyItsOwnTokens(t *testing.T) {
	t.Parallel()
	c := newClock()
	r, foreign := openSet(t, newStore(t), c, master(t, key(1))), openSet(t, newStore(t), c, master(t, key(1)))
	good := sign(t, r, keys.ES256)
	part := strings.Split(good, ".")
	assertion, err := r.Sign(keys.ES256, keys.TypeAssertion, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"signed by another gateway": sign(t, foreign, keys.ES256),
		"alg none":                  "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + part[1] + ".",
		"other claims":              part[0] + ".eyJzdWIiOiJ5In0." + part[2],
		"another type":              assertion,
		"empty":                     "",
		"not a token":               "a.b.c",
	} {
		if claims, err := r.Verify(t.Context(), keys.TypeJWT, token); !errors.Is(err, keys.ErrToken) || claims != nil {
			t.Errorf("%s: Verify = %s, %v; want ErrToken", name, claims, err)
		}
	}
	if _, err := r.Sign(keys.RS256, keys.TypeJWT, nil); err == nil {
		t.Error("no error for signing without a key of that algorithm")
	}
	if _, err := r.Sign(keys.ES256, "other", nil); err == nil {
		t.Error("no error for signing an unknown type")
	}
}

func TestRingRotatesWithOverlap(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := openSet(t, newStore(t), c, master(t, key(1)))
	maintain := func() {
		t.Helper()
		if err := r.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first := sign(t, r, keys.ES256)
	if n := len(kids(t, r)); n != 1 {
		t.Fatalf("%d keys at first, want 1", n)
	}
	c.advance(period - day) // the next key is due
	maintain()
	if published := kids(t, r); len(published) != 2 || kidOf(t, sign(t, r, keys.ES256)) != kidOf(t, first) {
		t.Fatalf("%d keys published, want 2, the old one still signing", len(published))
	}
	if states := states(r); states != "active next" {
		t.Errorf("states: %s", states)
	}
	c.advance(day) // the new key's time has come
	second := sign(t, r, keys.ES256)
	if kidOf(t, second) == kidOf(t, first) {
		t.Fatal("the old key signs on")
	}
	maintain()
	if states := states(r); states != "replaced active" {
		t.Errorf("states: %s", states)
	}
	c.advance(day - time.Second) // the last token of the old key may still live
	maintain()
	if _, err := r.Verify(t.Context(), keys.TypeJWT, first); err != nil {
		t.Errorf("a token that has not expired is not believed: %v", err)
	}
	c.advance(time.Second)
	maintain()
	if _, err := r.Verify(t.Context(), keys.TypeJWT, first); !errors.Is(err, keys.ErrToken) {
		t.Errorf("the replaced key is still believed after its time: %v", err)
	}
	if published := kids(t, r); len(published) != 1 || published[0] != kidOf(t, second) {
		t.Errorf("published: %v", published)
	}
}

func states(r *keys.Set) string {
	var out []string
	for _, s := range r.List() {
		out = append(out, s.State)
	}
	return strings.Join(out, " ")
}

func TestRingIsTheSameOnAllReplicas(t *testing.T) {
	t.Parallel()
	store, c, m := newStore(t), newClock(), master(t, key(1))
	replicas := make([]*keys.Set, 8)
	var wg sync.WaitGroup
	for i := range replicas {
		wg.Go(func() {
			r, err := keys.OpenSet(context.Background(),
				keys.SetConfig{Store: store, Sealer: m, Algs: []string{keys.ES256}, Now: c.now})
			if err != nil {
				t.Error(err)
			}
			replicas[i] = r
		})
	}
	wg.Wait()
	if len(store.stored(t)) != 1 {
		t.Fatalf("replicas that started together made %d keys, want 1", len(store.stored(t)))
	}
	// A rotation on one replica: at every moment each replica publishes what any of them signs.
	// Each reads the store every ten seconds, at worst one after the other, and one of them misses
	// a reading.
	if err := replicas[0].Rotate(t.Context(), keys.ES256, true); err != nil {
		t.Fatal(err)
	}
	before := kidOf(t, sign(t, replicas[1], keys.ES256))
	signs := map[string]int{}
	for second := range 60 {
		for i, r := range replicas {
			if n := second - i*3; n%10 == 9 && (i != 2 || second > 20) {
				if err := r.Maintain(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, signer := range replicas {
			kid := kidOf(t, sign(t, signer, keys.ES256))
			signs[kid]++
			for i, other := range replicas {
				if !slices.ContainsFunc(other.List(), func(s keys.Status) bool { return s.ID == kid }) {
					t.Errorf("after %d s: replica %d does not publish %s, which another one signs with", second, i, kid)
				}
			}
		}
		c.advance(time.Second)
	}
	after := sign(t, replicas[2], keys.ES256)
	if kidOf(t, after) == before || len(signs) != 2 || signs[before] > 31*len(replicas) {
		t.Errorf("who signed how often: %v; before the rotation %s", signs, before)
	}
	for i, r := range replicas {
		if published := kids(t, r); len(published) != 1 || published[0] != kidOf(t, after) {
			t.Errorf("replica %d publishes %v, want the new key only", i, published)
		}
	}
}

func TestLeakedKeyIsNotBelievedAfterRotationAtOnce(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := openSet(t, newStore(t), c, master(t, key(1)), keys.ES256, keys.RS256)
	stolen, other := sign(t, r, keys.ES256), sign(t, r, keys.RS256)
	if err := r.Rotate(t.Context(), keys.ES256, false); err != nil { // a key that waits is old too
		t.Fatal(err)
	}
	if err := r.Rotate(t.Context(), keys.ES256, true); err != nil {
		t.Fatal(err)
	}
	c.advance(r.ActivationDelay())
	if _, err := r.Verify(t.Context(), keys.TypeJWT, stolen); !errors.Is(err, keys.ErrToken) {
		t.Errorf("Verify = %v, want ErrToken", err)
	}
	if _, err := r.Verify(t.Context(), keys.TypeJWT, other); err != nil {
		t.Errorf("the other algorithm's key is gone too: %v", err)
	}
	fresh := sign(t, r, keys.ES256)
	for range 3 { // the key that waited never comes back
		c.advance(day)
		if err := r.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kidOf(t, sign(t, r, keys.ES256)) != kidOf(t, fresh) {
			t.Fatal("another key signs")
		}
	}
}

func TestRingGoesOnWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	store, c := newStore(t), newClock()
	r := openSet(t, store, c, master(t, key(1)))
	store.down.Store(true)
	c.advance(time.Hour)
	token := sign(t, r, keys.ES256)
	if len(kids(t, r)) != 1 {
		t.Error("the key set is empty")
	}
	if _, err := r.Verify(t.Context(), keys.TypeJWT, token); err != nil {
		t.Error(err)
	}
	if err := r.Maintain(t.Context()); !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("Maintain = %v, want ErrUnavailable", err)
	}
	if _, err := keys.OpenSet(t.Context(),
		keys.SetConfig{Store: store, Sealer: master(t, key(1)), Now: c.now}); !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("OpenRing = %v, want ErrUnavailable", err)
	}
}

func TestClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	store, c, m := newStore(t), newClock(), master(t, key(1))
	r := openSet(t, store, c, m)
	before := kidOf(t, sign(t, r, keys.ES256))
	c.advance(-time.Hour)
	if got := kidOf(t, sign(t, r, keys.ES256)); got != before {
		t.Errorf("signed by %s", got)
	}
	openSet(t, store, c, m)
	if len(store.stored(t)) != 1 {
		t.Errorf("a restart with the clock an hour back made another key")
	}
}

func TestMasterKeyRotation(t *testing.T) {
	t.Parallel()
	store, c := newStore(t), newClock()
	token := sign(t, openSet(t, store, c, master(t, key(1))), keys.ES256)
	if _, err := keys.OpenSet(t.Context(),
		keys.SetConfig{Store: store, Sealer: master(t, key(2)), Algs: []string{keys.ES256}, Now: c.now}); !errors.Is(err,
		keys.ErrMasterKey) {
		t.Fatalf("a wrong master key: %v, want ErrMasterKey", err)
	}
	openSet(t, store, c, master(t, key(2), key(1))) // seals the signing keys again
	r := openSet(t, store, c, master(t, key(2)))    // the old master key is not needed any more
	if _, err := r.Verify(t.Context(), keys.TypeJWT, token); err != nil {
		t.Errorf("the signing key changed with the master key: %v", err)
	}
}

func TestStolenDatabaseHasNoPrivateKey(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	openSet(t, store, newClock(), master(t, key(1)))
	row := store.stored(t)[0]
	row.ID = "another row"
	swapped := newStore(t)
	if err := swapped.PutKey(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.OpenSet(t.Context(),
		keys.SetConfig{Store: swapped, Sealer: master(t, key(1)), Algs: []string{keys.ES256},
			Now: newClock().now}); !errors.Is(err, keys.ErrTampered) {
		t.Errorf("a sealed key under another id: %v, want ErrTampered", err)
	}
}

func TestRunFollowsTheStoreUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, c, m := newStore(t), newClock(), master(t, key(1))
		r := openSet(t, store, c, m)
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		if err := openSet(t, store, c, m).Rotate(t.Context(), keys.ES256, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if states := states(r); states != "active next" {
			t.Errorf("states after a minute: %s", states)
		}
		cancel() // a Run that continues would keep the synctest bubble from ending
	})
}

func BenchmarkSign(b *testing.B) {
	r := openSet(b, newStore(b), newClock(), master(b, key(1)), keys.RS256, keys.ES256)
	for _, alg := range []string{keys.RS256, keys.ES256} {
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				sign(b, r, alg)
			}
		})
	}
}

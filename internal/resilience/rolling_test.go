package resilience_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the test changes the times of keys in the database

	"github.com/weigate/weigate/internal/keys"
)

// Two replicas run without sticky sessions. Meanwhile the signing keys are rotated and both
// replicas are replaced. No request fails, and no user repeats one.
func TestRollingRestartAndKeyRotation(t *testing.T) {
	t.Parallel()
	n := signIns(t)
	w := newFixture(t, onPostgres, keys.RS256, n, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	transport := newTransport()
	var failed atomic.Int64
	users := make([]*user, n)
	for i := range users {
		users[i] = w.newUser(i, transport)
	}
	third := make(chan struct{}) // a third has signed in
	var replaced atomic.Bool
	load := make(chan struct{})
	go func() {
		defer close(load)
		more := func(i int) bool { return ctx.Err() == nil && (i < n || !replaced.Load()) }
		runWorkers(more, 16, func(i int) {
			if i == n/3 {
				close(third)
			}
			// After the last user the first ones sign in again, until both replicas are replaced.
			if err := users[i%n].signIn(ctx); err != nil && ctx.Err() == nil {
				failed.Add(1)
				t.Error(err)
			}
		})
	}()
	defer func() {
		cancel()
		<-load
	}()

	<-third
	old := w.publishedKeys(w.proxy.url)
	command(t, "key", "rotate", "-c", w.config)
	w.activateNewKeys(old)
	w.replace()
	w.replace()
	replaced.Store(true)
	<-load

	if n := w.proxy.failures(); n != 0 {
		t.Errorf("the proxy answered %d requests with 502", n)
	}
	if codes, twice := w.wx.exchanges(); codes != n || twice != 0 {
		t.Errorf("%d codes of WeChat were exchanged for %d sign-ins, %d of them twice", codes, n, twice)
	}
	// All users are still signed in at every replica, and their old tokens are valid.
	runWorkers(upTo(n), 16, func(i int) {
		if err := users[i].stillIn(ctx); err != nil {
			failed.Add(1)
			t.Error(err)
		}
	})
	used := w.signatures()
	if len(used) != 2 {
		t.Errorf("%d keys signed, want the old one and the new one: %v", len(used), used)
	}
	for host, served := range w.proxy.shares() {
		if served == 0 {
			t.Errorf("the replica %s served no request", host)
		}
	}
	t.Logf("%d sign-ins over %d replicas, %d failures; signatures by key: %v; requests by replica: %v", n,
		len(w.proxy.shares()), failed.Load(), used, w.proxy.shares())
}

// replace is one step of a rolling restart: it starts a new replica, removes the oldest from the
// proxy, and stops it while it still has requests.
func (w *clusterFixture) replace() {
	w.t.Helper()
	w.start()
	p := w.oldest()
	w.proxy.remove(p.Host)
	if err := p.Stop(); err != nil {
		w.t.Errorf("weigate serve did not stop well: %v\n%s", err, p.Log.String())
	}
}

// stillIn checks that this browser is signed in, without WeChat and without a page, and that its
// tokens are valid.
func (p *user) stillIn(ctx context.Context) error {
	if !p.signedIn {
		return errors.New(p.id + " was never signed in")
	}
	before := p.latest
	if err := p.signIn(ctx); err != nil {
		return err
	}
	if subject, status, err := p.userinfo(ctx, before.Access); err != nil || status != 200 || subject != p.subject {
		return errors.Join(err, errors.New(p.id+": the old access token is not valid any more"))
	}
	if next := p.refresh(ctx, before.Refresh); next.status != 200 {
		return errors.New(p.id + ": the old refresh token: " + next.String())
	}
	return nil
}

// publishedKeys returns the ids of the RS256 keys that are published at base, the address of a
// replica or of the proxy.
func (w *clusterFixture) publishedKeys(base string) []string {
	w.t.Helper()
	set, err := w.newUser(0, newTransport()).keySet(w.t.Context(), base)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, k := range set.Keys {
		if k.Algorithm == keys.RS256 {
			out = append(out, k.KeyID)
		}
	}
	return out
}

// activateNewKeys waits until every replica publishes the new key, which takes some seconds, and
// then sets the time of its first signature, a day later by default, to the past.
func (w *clusterFixture) activateNewKeys(old []string) {
	w.t.Helper()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for _, host := range w.hosts() {
		for known := false; !known; {
			set := w.publishedKeys("http://" + host)
			if !slices.Contains(set, old[0]) {
				w.t.Fatal("the key before the rotation is not published any more")
			}
			if known = len(set) == len(old)+1; known {
				break
			}
			select {
			case <-look.C:
			case <-late:
				w.t.Fatalf("the replica %s does not publish the new key", host)
			}
		}
	}
	db, err := sql.Open("pgx", w.store)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	result, err := db.ExecContext(w.t.Context(), `UPDATE keys SET active_at = created_at WHERE active_at > created_at`)
	if err != nil {
		w.t.Fatal(err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 2 {
		w.t.Fatalf("%d new keys, %v; want one for each algorithm", n, err)
	}
}

// hosts returns the addresses at which the replicas listen.
func (w *clusterFixture) hosts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, p := range w.replicas {
		out = append(out, p.Host)
	}
	return out
}

// signatures returns the number of ID tokens that each key signed.
func (w *clusterFixture) signatures() map[string]int {
	w.verifier.mu.Lock()
	defer w.verifier.mu.Unlock()
	return w.verifier.used
}

func (p *proxy) shares() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int{}
	for host, n := range p.served {
		out[host] = n
	}
	return out
}

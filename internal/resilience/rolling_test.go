package resilience_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the test moves a key's time in the database

	"github.com/weigate/weigate/internal/keys"
)

// Two replicas without sticky sessions; in the middle the signing keys rotate and both replicas are replaced. Nobody notices: no request of anybody
// fails, and nobody sends one twice.
func TestRollingRestartAndKeyRotation(t *testing.T) {
	t.Parallel()
	n := signIns(t)
	w := newTown(t, onPostgres, keys.RS256, n, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wires := newWires()
	var failed atomic.Int64
	people := make([]*person, n)
	for i := range people {
		people[i] = w.person(i, wires)
	}
	third := make(chan struct{}) // a third has signed in
	var replaced atomic.Bool
	load := make(chan struct{})
	go func() {
		defer close(load)
		more := func(i int) bool { return ctx.Err() == nil && (i < n || !replaced.Load()) }
		crowd(more, 16, func(i int) {
			if i == n/3 {
				close(third)
			}
			// Those who come after the last person are the first ones once more: the load goes on until all is replaced.
			if err := people[i%n].signIn(ctx); err != nil && ctx.Err() == nil {
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
	w.dayPasses(old)
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
	// Everybody is still signed in, whichever replica is asked, and the tokens from before are good.
	crowd(upTo(n), 16, func(i int) {
		if err := people[i].stillIn(ctx); err != nil {
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
			t.Errorf("the replica %s served nothing", host)
		}
	}
	t.Logf("%d sign-ins over %d replicas, %d failures; signatures by key: %v; requests by replica: %v", n, len(w.proxy.shares()), failed.Load(), used, w.proxy.shares())
}

// replace is one step of a rolling restart: the proxy is told, the replica is told to stop with whatever it is doing, and another takes its place.
func (w *town) replace() {
	w.t.Helper()
	w.start()
	p := w.oldest()
	w.proxy.remove(p.host)
	if err := p.stop(); err != nil {
		w.t.Errorf("weigate serve did not stop well: %v\n%s", err, p.log.String())
	}
}

// stillIn shows that this browser is signed in, without WeChat and without a page, and that its tokens are good.
func (p *person) stillIn(ctx context.Context) error {
	if !p.signedIn {
		return errors.New(p.id + " was never signed in")
	}
	before := p.latest
	if err := p.signIn(ctx); err != nil {
		return err
	}
	if subject, status, err := p.userinfo(ctx, before.Access); err != nil || status != 200 || subject != p.subject {
		return errors.Join(err, errors.New(p.id+": the access token from before is not good any more"))
	}
	if next := p.refresh(ctx, before.Refresh); next.status != 200 {
		return errors.New(p.id + ": the refresh token from before: " + next.String())
	}
	return nil
}

// publishedKeys returns the RS256 keys that a replica publishes; base is its address, or the proxy's.
func (w *town) publishedKeys(base string) []string {
	w.t.Helper()
	set, err := w.person(0, newWires()).keySet(w.t.Context(), base)
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

// dayPasses is the day between the making of a key and its first signature. Every replica has heard of it meanwhile, which takes some seconds here too;
// then, in the database, the time of the new keys comes.
func (w *town) dayPasses(old []string) {
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

// hosts are where the replicas listen.
func (w *town) hosts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, p := range w.replicas {
		out = append(out, p.host)
	}
	return out
}

// signatures counts the ID tokens that each key signed.
func (w *town) signatures() map[string]int {
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

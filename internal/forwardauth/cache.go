package forwardauth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxEntries bounds the cache, at about two kilobytes an entry. Only cookies that the gateway made
// are stored, so that a stranger cannot fill it.
const maxEntries = 16_384

// key identifies a host session: a site and the SHA-256 of the cookie.
type key struct {
	site *site
	hash [32]byte
}

type entry struct {
	decision *decision
	until    time.Time
}

// cache stores decisions. Of many requests with one cookie a single one reads the store.
type cache struct {
	mu      sync.Mutex
	entries map[key]entry
	flights map[key]*flight
}

// flight is a read of the store that is in progress.
type flight struct {
	done     chan struct{}
	decision *decision
	err      error
	dropped  bool // the session was ended meanwhile: the decision is not stored
}

func newCache() *cache { return &cache{entries: map[key]entry{}, flights: map[key]*flight{}} }

// fresh returns a decision; holds reports whether it is still valid. A decision that is not valid
// any more is returned for its assertion; nil = none.
func (c *cache) fresh(k key, now time.Time) (v *decision, holds bool) {
	c.mu.Lock()
	e, found := c.entries[k]
	c.mu.Unlock()
	if !found {
		return nil, false
	}
	return e.decision, now.Before(e.until)
}

// ask calls ask once for all requests that wait, and stores the decision until the time that it
// returns. An error is not stored. A request that waits stops waiting when it ends.
func (c *cache) ask(ctx context.Context, k key, now time.Time, ask func() (*decision, time.Time, error)) (*decision,
	error) {
	c.mu.Lock()
	f, found := c.flights[k]
	if !found {
		f = &flight{done: make(chan struct{}), err: errNoResult}
		c.flights[k] = f
	}
	c.mu.Unlock()
	if !found {
		return c.fly(f, k, now, ask)
	}
	select {
	case <-f.done:
		return f.decision, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errNoResult is returned to requests that wait for a read whose goroutine has panicked.
var errNoResult = errors.New("reading a session ended without a result")

func (c *cache) fly(f *flight, k key, now time.Time, ask func() (*decision, time.Time, error)) (*decision, error) {
	var until time.Time
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(f.done)
		if f.dropped {
			return
		}
		delete(c.flights, k)
		if f.err == nil {
			c.keep(k, entry{f.decision, until}, now)
		}
	}()
	var err error
	f.decision, until, err = ask()
	f.err = err
	return f.decision, f.err
}

// keep stores an entry. A full cache drops an expired entry among a few random ones, else any of
// them.
func (c *cache) keep(k key, e entry, now time.Time) {
	if _, found := c.entries[k]; !found && len(c.entries) >= maxEntries {
		looked := 0
		for old, at := range c.entries {
			if looked++; looked > 16 {
				break
			}
			if looked == 16 || !now.Before(at.until) {
				delete(c.entries, old)
			}
		}
	}
	c.entries[k] = e
}

// drop removes a session that has ended here.
func (c *cache) drop(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, k)
	if f := c.flights[k]; f != nil {
		f.dropped = true
		delete(c.flights, k)
	}
}

// put stores a decision that was made without the cache.
func (c *cache) put(k key, e entry, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(k, e, now)
}

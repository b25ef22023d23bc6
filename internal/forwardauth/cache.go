package forwardauth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxEntries limits the cache; an entry has about two kilobytes. Only decisions for cookies that
// the gateway issued are cached, so that an anonymous client cannot fill it.
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

// cache stores decisions. Of concurrent requests with the same cookie, only one reads the store.
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
	dropped  bool // the session was ended meanwhile, so the decision is not stored
}

func newCache() *cache { return &cache{entries: map[key]entry{}, flights: map[key]*flight{}} }

// get returns a cached decision, or nil; valid reports whether it has not expired. An expired
// decision is returned too, since its assertion may be reused.
func (c *cache) get(k key, now time.Time) (v *decision, valid bool) {
	c.mu.Lock()
	e, found := c.entries[k]
	c.mu.Unlock()
	if !found {
		return nil, false
	}
	return e.decision, now.Before(e.until)
}

// load calls read once for all requests that wait for the same key, and stores the decision until
// the time that read returns. An error is not stored. A waiting request returns early when its
// context ends.
func (c *cache) load(ctx context.Context, k key, now time.Time, read func() (*decision, time.Time, error)) (*decision,
	error) {
	c.mu.Lock()
	f, found := c.flights[k]
	if !found {
		f = &flight{done: make(chan struct{}), err: errNoResult}
		c.flights[k] = f
	}
	c.mu.Unlock()
	if !found {
		return c.run(f, k, now, read)
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

func (c *cache) run(f *flight, k key, now time.Time, read func() (*decision, time.Time, error)) (*decision, error) {
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
	f.decision, until, err = read()
	f.err = err
	return f.decision, f.err
}

// keep stores an entry. When the cache is full, it removes expired entries among 16 random ones, or
// one of these if none has expired.
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

// drop removes the entry of a session that was ended by this process.
func (c *cache) drop(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, k)
	if f := c.flights[k]; f != nil {
		f.dropped = true
		delete(c.flights, k)
	}
}

// put stores a decision that was made without load.
func (c *cache) put(k key, e entry, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(k, e, now)
}

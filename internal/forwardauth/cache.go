package forwardauth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxEntries bounds the cache, at about two kilobytes each. Only cookies that the gateway has made get in, so that a stranger cannot fill it.
const maxEntries = 16_384

// key is a host session: a site and the SHA-256 of the cookie.
type key struct {
	site *site
	hash [32]byte
}

type entry struct {
	decision *decision
	until    time.Time
}

// cache keeps verdicts, and sees to it that of many requests with one cookie a single one asks the store.
type cache struct {
	mu      sync.Mutex
	entries map[key]entry
	flights map[key]*flight
}

// flight is a question to the store that is under way.
type flight struct {
	done     chan struct{}
	decision *decision
	err      error
	dropped  bool // the session was ended meanwhile: the answer is not kept
}

func newCache() *cache { return &cache{entries: map[key]entry{}, flights: map[key]*flight{}} }

// fresh returns a verdict that still holds, or what was known before and must be asked anew; nil = nothing.
func (c *cache) fresh(k key, now time.Time) (v *decision, holds bool) {
	c.mu.Lock()
	e, found := c.entries[k]
	c.mu.Unlock()
	if !found {
		return nil, false
	}
	return e.decision, now.Before(e.until)
}

// ask asks once for all who want to know, and keeps the answer for as long as it says. An error is not kept. Whoever only waits stops with their own
// request.
func (c *cache) ask(ctx context.Context, k key, now time.Time, ask func() (*decision, time.Time, error)) (*decision, error) {
	c.mu.Lock()
	f, found := c.flights[k]
	if !found {
		f = &flight{done: make(chan struct{}), err: errNoAnswer}
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

// errNoAnswer is what those who wait are told when the one who asked has panicked.
var errNoAnswer = errors.New("the question about a session came to nothing")

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

// keep makes room where there is none: what is over first, of a few that chance picks, else any.
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

// drop forgets a session that has ended here.
func (c *cache) drop(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, k)
	if f := c.flights[k]; f != nil {
		f.dropped = true
		delete(c.flights, k)
	}
}

// put keeps an answer that somebody asked for without the cache.
func (c *cache) put(k key, e entry, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(k, e, now)
}

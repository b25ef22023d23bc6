package oidc

import (
	"sync"

	"github.com/weigate/weigate/internal/gateway"
)

// recentSize is how many codes are cached: those of some seconds under high load. Apps redeem a
// code within that time.
const recentSize = 1024

// recent caches the codes that this process issued until they are redeemed, which saves a read of
// the store for each redemption. The cache makes no decision: the store checks at redemption
// whether the code is valid. A code that is not cached, because another process issued it or
// because it was sent before, is read from the store. The zero value is ready to use; it is safe
// for concurrent use.
type recent struct {
	mu    sync.Mutex
	codes map[[32]byte]gateway.Code
	order [recentSize][32]byte // the order of insertion, a circular buffer
	next  int
}

func (r *recent) put(c gateway.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.codes == nil {
		r.codes = map[[32]byte]gateway.Code{}
	}
	delete(r.codes, r.order[r.next])
	r.codes[c.Hash], r.order[r.next] = c, c.Hash
	r.next = (r.next + 1) % recentSize
}

// take removes and returns a code.
func (r *recent) take(hash [32]byte) (gateway.Code, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.codes[hash]
	delete(r.codes, hash)
	return c, ok
}

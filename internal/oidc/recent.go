package oidc

import (
	"sync"

	"github.com/weigate/weigate/internal/gateway"
)

// recentSize is how many codes are remembered: those of some seconds of a very busy gateway, which
// is when it matters. An app brings its code back at once.
const recentSize = 1024

// recent holds the codes that this process made, until each is redeemed: then what must be checked
// before the redemption needs no read from the store. It decides nothing: the store checks at the
// redemption whether a code is still valid, and a code that is not held here, because another
// process made it or it was presented before, is read from the store. The zero value is ready; it
// is safe for concurrent use.
type recent struct {
	mu    sync.Mutex
	codes map[[32]byte]gateway.Code
	order [recentSize][32]byte // a ring
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

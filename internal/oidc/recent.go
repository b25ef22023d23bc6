package oidc

import (
	"sync"

	"github.com/weigate/weigate/internal/gateway"
)

// recentSize is how many codes are remembered: those of some seconds of a very busy gateway, which is when it matters. An app brings its code back at once.
const recentSize = 1024

// recent remembers the codes that this process made, each until it comes back: then what must be checked before it is taken needs no question to the
// store. It decides nothing. Whether a code is still good the store says when it is taken, and a code that is not remembered, because another replica
// made it or it came before, is read there. The zero value is ready; it is safe for concurrent use.
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

// take returns the code, once.
func (r *recent) take(hash [32]byte) (gateway.Code, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.codes[hash]
	delete(r.codes, hash)
	return c, ok
}

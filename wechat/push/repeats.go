package push

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Repeats recognizes messages that WeChat pushes again: because no answer came in time, and
// sometimes without a reason. It is safe for concurrent use.
type Repeats interface {
	// Do calls handle for the first push with this key, and returns its reply. For a later push with
	// the key it returns the reply of the first, and repeated is true; while the first is running, it
	// waits. When handle returns an error, the key is forgotten, so the next push calls handle again.
	//
	// Do returns ctx.Err() when ctx ends first. handle then continues, for a later push. A panic in
	// handle is an error. The key contains an openid: do not log it.
	//
	// A reply should be remembered for [RepeatWindow]: within this time a copy of a push has a valid
	// signature. The memory of a Handler forgets its oldest replies earlier when it has 20,000.
	Do(ctx context.Context, key string, handle func() (Reply, error)) (r Reply, repeated bool, err error)
}

// RepeatWindow is how long a push can be sent again: the time in a push may be ten minutes in the
// past or in the future.
const RepeatWindow = 2 * maxAge

// maxAge is how far the time of a push may be away. Pushes were seen with the time of the message,
// and one second later; repeats follow within seconds. The rest is for clocks that are wrong.
const maxAge = 10 * time.Minute

// maxRemembered limits the memory of a Handler: the oldest keys are forgotten.
const maxRemembered = 20_000

// memory is the Repeats of one process.
type memory struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[[16]byte]*entry
	order   []*entry // the oldest first; forgotten entries stay until they are the oldest
}

// entry is one message and its reply.
type entry struct {
	key   [16]byte
	at    time.Time
	done  chan struct{} // closed when reply and err are set
	reply Reply
	err   error
}

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, entries: map[[16]byte]*entry{}}
}

// Do implements Repeats.
func (m *memory) Do(ctx context.Context, key string, handle func() (Reply, error)) (Reply, bool, error) {
	e, repeated := m.entryOf(key)
	if !repeated {
		go m.run(e, handle)
	}
	select {
	case <-e.done:
		return e.reply, repeated, e.err
	case <-ctx.Done():
		return Reply{}, repeated, ctx.Err()
	}
}

// entryOf returns the entry of a key. If there is none, entryOf creates it, and repeated is false.
func (m *memory) entryOf(key string) (e *entry, repeated bool) {
	sum := sha256.Sum256([]byte(key))
	hash, now := [16]byte(sum[:]), m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.order) > 0 && (len(m.order) >= maxRemembered || now.Sub(m.order[0].at) > RepeatWindow) {
		oldest := m.order[0]
		if m.entries[oldest.key] == oldest {
			delete(m.entries, oldest.key)
		}
		m.order[0] = nil
		m.order = m.order[1:]
	}
	if e, repeated = m.entries[hash]; repeated {
		return e, true
	}
	e = &entry{key: hash, at: now, done: make(chan struct{})}
	m.entries[hash] = e
	m.order = append(m.order, e)
	return e, false
}

// run calls handle for an entry.
func (m *memory) run(e *entry, handle func() (Reply, error)) {
	defer close(e.done)
	e.reply, e.err = safely(handle)
	if e.err == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[e.key] == e {
		delete(m.entries, e.key)
	}
}

// safely calls handle and returns a panic as an error. Without it, a panic in a goroutine would end
// the program. The error does not have the value of the panic, which may contain what a person
// wrote.
func safely(handle func() (Reply, error)) (r Reply, err error) {
	defer func() {
		if value := recover(); value != nil {
			r, err = Reply{}, fmt.Errorf("%w (%T)", errPanic, value)
		}
	}()
	return handle()
}

var errPanic = errors.New("a panic in Handle")

package gateway

import (
	"context"
	"time"
)

// Store is everything that the gateway remembers. Features take the small
// contracts; only the composition root names this one.
type Store interface {
	Users
	Subjects
	Sessions
	Attempts
	Grants
	Tickets
	Keys
	Events
	Maintenance
}

// Upkeep is what the composition root does with a store.
type Maintenance interface {
	// Sweep removes rows whose time is over at now, and events older than
	// eventsBefore (zero = none), at most batch of each table (0 = 500), and
	// says how many. A caller repeats it while the answer is not 0. Each call
	// is short, so that writers hardly wait; several processes may sweep at
	// once. Grants go when the whole family is over.
	Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (int, error)

	// Ping answers whether the store can read and write: nil, or an error that
	// wraps ErrUnavailable or the context's.
	Ping(ctx context.Context) error

	// Close waits for what is in flight and lets go of the database. The store
	// answers ErrUnavailable afterwards. A second Close does nothing.
	Close() error
}

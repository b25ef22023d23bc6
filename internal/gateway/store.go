package gateway

import (
	"context"
	"time"
)

// Store is everything that the gateway stores. Features take the contracts that they need; only the
// composition root uses Store.
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

// Maintenance is what the composition root does with a store.
type Maintenance interface {
	// Sweep deletes rows that have expired at now and events older than eventsBefore (zero = none),
	// at most batch of each table (0 = 500), and returns their number. Callers repeat it until it
	// returns 0. Each call is short, so that writers hardly wait; several processes may sweep at
	// once. A grant is deleted when it has expired with all its tokens.
	Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (int, error)

	// Ping returns nil when the store can read and write. Otherwise the error wraps ErrUnavailable
	// or the context's error.
	Ping(ctx context.Context) error

	// Close waits for operations in progress and closes the database. The store returns
	// ErrUnavailable afterwards. A second Close does nothing.
	Close() error
}

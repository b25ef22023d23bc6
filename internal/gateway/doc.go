// Package gateway defines the data and the contracts of the login gateway: users, identities, apps,
// sessions, grants, tickets, keys and events, the errors that callers decide on, and what a store
// guarantees.
//
// The contracts are [Users], [Subjects], [Sessions], [Attempts], [Grants], [Tickets], [Keys] and
// [Events]. A feature takes the one or two that it needs. [Store] combines them for the composition
// root. [Join] decides, as a pure function, which user a sign-in belongs to.
//
// The package does no I/O and imports only the standard library.
//
// # Guarantees of every contract
//
//   - The caller passes the time, so that tests can control it. Stores keep times in UTC, truncated to
//     the microsecond; a zero time stays zero.
//   - A hash is the SHA-256 of a random secret that only its bearer knows, so that a copy of the
//     database opens no session and redeems no code.
//   - Methods are safe for concurrent use, also by several processes on one database. Each method is
//     one transaction.
//   - When a context ends while a method waits, the error wraps the context's error. The work may have
//     been done if it had begun.
//   - When the store itself fails (connection lost, disk full, file read-only), the error wraps
//     [ErrUnavailable]. This is the only error class that does not describe the data: respond with 503,
//     never with "no such session".
//   - Slices that go in or come out belong to the caller. A store keeps no reference to them.
package gateway

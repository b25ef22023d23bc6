// Package gateway is the vocabulary of the login gateway: what an account, an
// identity, an app, a session, a grant, a key and an event are, which errors a
// caller decides on, and what a store promises.
//
// The names to know are the contracts, each at most seven methods: [Accounts],
// [Subjects], [Sessions], [Claims], [Grants], [Tickets], [Keys] and [Events]. A
// feature takes the one or two that it needs. [Store] is all of them together; only the
// composition root names it. [Join] decides, as a pure function, which account
// an arriving person belongs to.
//
// The package does no I/O, knows no database, no HTTP and no WeChat call, and
// imports only the standard library.
//
// # What holds for every contract
//
//   - Time is passed in, so that tests can move it. Stores keep times to the
//     microsecond, in UTC; a zero time stays zero.
//   - Hashes are SHA-256 of a random value that only its holder knows. A stolen
//     database opens no session and redeems no code.
//   - Methods are safe for concurrent use, also by several processes on one
//     database, and each is one transaction: all of it happened or none.
//   - A context that ends while a method waits gives an error that wraps the
//     context's error. The work may still have been done if it had begun.
//   - What the store itself could not do (connection lost, disk full, file
//     read-only) is an error that wraps [ErrUnavailable]. It is the only class
//     that says nothing about the data: answer 503, never "no such session".
//   - Slices and byte slices that go in or come out are the caller's own; a
//     store keeps no reference to them.
package gateway

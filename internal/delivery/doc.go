// Package delivery sends what the store has queued for other servers: notices to administrators, and
// logout tokens to apps.
//
// A delivery is stored in the transaction that causes it. A [Worker] claims deliveries when they
// are due: it reserves them for itself. It passes them to the [Sender] of their kind. It repeats
// failed deliveries with growing pauses, and gives up after the last pause. No request of a user
// waits for a delivery.
//
// Any number of processes with one store can run workers: only one of them claims a delivery. A
// claim ends after a time (the lease). If a process crashes while it sends, another process claims
// the delivery after the lease. A delivery is therefore sent more than once in rare cases.
package delivery

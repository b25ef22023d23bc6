// Package delivery sends what the store has queued for other servers: notices to administrators, and
// logout tokens to apps.
//
// The duty to send something is stored in the transaction that causes it; see gateway.Deliveries. A
// [Worker] claims deliveries when they are due and passes them to the [Sender] of their kind. It
// repeats failed ones with growing pauses, and gives up after the last pause. No request of a user
// waits for it.
//
// Any number of processes with one store may run workers: each delivery is claimed by one. A process
// that ends while it sends loses nothing: another one claims the delivery after the lease. A delivery
// may therefore be sent more than once.
package delivery

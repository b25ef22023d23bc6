package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weigate/weigate/internal/gateway"
)

// writer is the connection that writes, and the goroutine that owns it.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts statements
	batch int

	onCommit func() // called after a commit that changed a row; nil = none

	mu     sync.RWMutex // held for reading while sending, so that close cannot close ops under a sender
	closed bool
	ops    chan *op
	done   chan struct{} // closed when the goroutine has ended; nil before start
}

// op is one write that a caller waits for.
type op struct {
	run   func(tx) error
	alone bool // needs the connection outside a transaction
	state atomic.Int32

	changed bool // a statement of it changed a row
	err     error
	panic   any
	done    chan struct{}
}

// The states of an op. It leaves waiting once: for running, or for given up.
const (
	waiting = iota
	running
	givenUp
)

func newWriter(db *sql.DB, conn *sql.Conn, o Options) *writer {
	batch := cmp.Or(o.batch, 128)
	return &writer{
		db: db, conn: conn, batch: batch, onCommit: o.OnCommit, stmts: statements{on: conn, onPrepare: o.onPrepare},
		ops: make(chan *op, batch),
	}
}

func (w *writer) start() {
	w.done = make(chan struct{})
	go w.loop()
}

// do runs f in a transaction and returns when it is on the disk. When ctx ends before the write has
// begun, it is withdrawn. A write that has begun is waited for, so that the returned error is
// definite.
func (w *writer) do(ctx context.Context, f func(tx) error) error {
	return w.wait(ctx, &op{run: f, done: make(chan struct{})})
}

// outside runs f with the connection, outside a transaction.
func (w *writer) outside(ctx context.Context, f func(*sql.Conn) error) error {
	return w.wait(ctx, &op{alone: true, run: func(tx) error { return f(w.conn) }, done: make(chan struct{})})
}

func (w *writer) wait(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.send(ctx, o); err != nil {
		return err
	}
	select {
	case <-o.done:
	case <-ctx.Done():
		if o.state.CompareAndSwap(waiting, givenUp) {
			return ctx.Err()
		}
		<-o.done
	}
	if o.panic != nil {
		panic(o.panic)
	}
	return o.err
}

func (w *writer) send(ctx context.Context, o *op) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return fmt.Errorf("%w: it is closed", gateway.ErrUnavailable)
	}
	select {
	case w.ops <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close runs what was sent, ends the goroutine and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	was := w.closed
	w.closed = true
	w.mu.Unlock()
	if was {
		return nil
	}
	close(w.ops)
	if w.done != nil {
		<-w.done
	}
	return errors.Join(w.stmts.close(), w.conn.Close(), w.db.Close())
}

// loop commits the waiting writes together. While a commit waits for the disk, the next batch
// accumulates.
func (w *writer) loop() {
	defer close(w.done)
	var batch []*op
	for o := range w.ops {
		batch = append(batch[:0], o)
	gather:
		for len(batch) < w.batch {
			select {
			case next, ok := <-w.ops:
				if !ok {
					break gather
				}
				batch = append(batch, next)
			default:
				break gather
			}
		}
		w.commit(batch)
		clear(batch)
	}
}

// commit runs a batch and releases its callers.
func (w *writer) commit(batch []*op) {
	live := batch[:0]
	for _, o := range batch {
		switch {
		case !o.state.CompareAndSwap(waiting, running):
		case o.alone:
			o.err = w.guard(o)
			close(o.done)
		default:
			live = append(live, o)
		}
	}
	if len(live) == 0 {
		return
	}
	if err := w.transact(live); err != nil {
		for _, o := range live {
			if o.err == nil {
				o.err = err
			}
		}
	}
	for _, o := range live {
		close(o.done)
	}
}

// transact runs the ops in one transaction. Its error is an error of all of them. An op that fails
// has its error in itself, and its statements are undone.
func (w *writer) transact(ops []*op) error {
	t := w.tx()
	if _, err := t.Exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := w.runAll(t, ops)
	if err == nil && len(ops) == 1 && ops[0].err != nil {
		_, _ = t.Exec(`ROLLBACK`) // fails when a full disk has ended the transaction already
		return nil
	}
	if err == nil {
		_, err = t.Exec(`COMMIT`)
	}
	if err == nil && w.onCommit != nil && slices.ContainsFunc(ops, func(o *op) bool { return o.err == nil && o.changed }) {
		w.onCommit()
	}
	if err != nil {
		// A full disk or an interrupt may have ended the transaction already;
		// then this fails, and that is fine.
		_, _ = t.Exec(`ROLLBACK`)
	}
	return err
}

// runAll runs each op in a savepoint, so that its statements can be undone alone. The only op of a
// transaction needs none: a savepoint keeps a copy of each page that changes.
func (w *writer) runAll(t tx, ops []*op) error {
	if len(ops) == 1 {
		ops[0].err = w.guard(ops[0])
		return nil
	}
	for _, o := range ops {
		if _, err := t.Exec(`SAVEPOINT op`); err != nil {
			return err
		}
		o.err = w.guard(o)
		if o.err != nil {
			if _, err := t.Exec(`ROLLBACK TO op`); err != nil {
				return errors.Join(o.err, err) // the database undid the whole transaction
			}
		}
		if _, err := t.Exec(`RELEASE op`); err != nil {
			return err
		}
	}
	return nil
}

// guard runs an op. A panic in it is passed to its caller, and the writer continues.
func (w *writer) guard(o *op) (err error) {
	defer func() {
		if p := recover(); p != nil {
			o.panic, err = p, fmt.Errorf("panic in a write: %v", p)
		}
	}()
	t := w.tx()
	t.changed = &o.changed
	return o.run(t)
}

// tx returns a querier of the writer's transaction. Its context never ends, because an interrupt
// would undo the whole batch.
func (w *writer) tx() tx {
	return tx{ctx: context.Background(), prepare: w.stmts.prepare}
}

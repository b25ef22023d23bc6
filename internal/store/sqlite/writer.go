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

// writer is the only connection that writes, and the goroutine that uses it. A caller sends a write
// as an op to the goroutine and waits. The goroutine runs all waiting ops in one transaction, so
// that they wait for the disk once.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts statements
	batch int // maximum number of ops in one transaction

	onCommit func() // called after a commit that changed a row; nil = none

	mu     sync.RWMutex // send holds it for reading, so that close cannot close the channel ops during a send
	closed bool
	ops    chan *op
	done   chan struct{} // closed when the goroutine has ended; nil before start
}

// op is one write, for which its caller waits.
type op struct {
	run   func(tx) error
	alone bool         // runs outside a transaction
	state atomic.Int32 // waiting, running or givenUp

	// Results, valid when done is closed.
	changed bool // a statement changed a row
	err     error
	panic   any // value of a panic in run; nil = none
	done    chan struct{}
}

// The states of an op. Either the goroutine starts a waiting op, or its caller gives up, never
// both.
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

// do runs f in a transaction and returns after the commit. When ctx ends before f has begun, f does
// not run. Once f has begun, do waits for the commit even if ctx ends, so that its result shows
// whether the write took effect.
func (w *writer) do(ctx context.Context, f func(tx) error) error {
	return w.wait(ctx, &op{run: f, done: make(chan struct{})})
}

// outside runs f with the connection, outside a transaction, as some statements require.
func (w *writer) outside(ctx context.Context, f func(*sql.Conn) error) error {
	return w.wait(ctx, &op{alone: true, run: func(tx) error { return f(w.conn) }, done: make(chan struct{})})
}

// wait sends an op and waits until the op is done. It returns the error of the op.
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
		<-o.done // it is running already
	}
	if o.panic != nil {
		panic(o.panic)
	}
	return o.err
}

// send sends an op to the goroutine.
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

// close waits for the ops that were sent, ends the goroutine and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	alreadyClosed := w.closed
	w.closed = true
	w.mu.Unlock()
	if alreadyClosed {
		return nil
	}
	close(w.ops)
	if w.done != nil {
		<-w.done
	}
	return errors.Join(w.stmts.close(), w.conn.Close(), w.db.Close())
}

// loop is the goroutine. It waits for an op and commits it together with all others that are
// waiting. While a commit waits for the disk, ops for the next one arrive.
func (w *writer) loop() {
	defer close(w.done)
	for first := range w.ops {
		w.commit(w.addWaiting([]*op{first}))
	}
}

// addWaiting adds the ops that are waiting to a batch, up to its maximum.
func (w *writer) addWaiting(batch []*op) []*op {
	for len(batch) < w.batch {
		select {
		case next, open := <-w.ops:
			if !open {
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// commit runs the ops of a batch, and then closes done of each op, for which the caller waits. It
// skips ops whose callers have given up.
func (w *writer) commit(batch []*op) {
	var together []*op // the ops that run in one transaction
	for _, o := range batch {
		switch {
		case !o.state.CompareAndSwap(waiting, running):
			// Its caller has given up.
		case o.alone:
			o.err = w.guard(o)
			close(o.done)
		default:
			together = append(together, o)
		}
	}
	if len(together) == 0 {
		return
	}
	if err := w.transact(together); err != nil {
		for _, o := range together {
			if o.err == nil {
				o.err = err
			}
		}
	}
	for _, o := range together {
		close(o.done)
	}
}

// transact runs the ops in one transaction. When one op fails, transact sets its err, and undoes
// the statements of this op only. When the transaction fails, transact returns the error, and the
// statements of all ops are undone.
func (w *writer) transact(ops []*op) error {
	t := w.querier()
	if _, err := t.Exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := w.runAll(t, ops)
	if err == nil && len(ops) == 1 && ops[0].err != nil { // a single op has no savepoint: undo the transaction
		_, _ = t.Exec(`ROLLBACK`) // fails when a full disk has ended the transaction already
		return nil
	}
	if err == nil {
		_, err = t.Exec(`COMMIT`)
	}
	if err != nil {
		_, _ = t.Exec(`ROLLBACK`) // fails when a full disk has ended the transaction already
		return err
	}
	changed := slices.ContainsFunc(ops, func(o *op) bool { return o.err == nil && o.changed })
	if changed && w.onCommit != nil {
		w.onCommit()
	}
	return nil
}

// runAll runs each op in a savepoint, so that its statements can be undone without the others. A
// single op runs without a savepoint. A savepoint would cost a copy of each page that changes.
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

// guard runs an op. If it panics, wait repeats the panic in the caller's goroutine, and the writer
// continues.
func (w *writer) guard(o *op) (err error) {
	defer func() {
		if p := recover(); p != nil {
			o.panic, err = p, fmt.Errorf("panic in a write: %v", p)
		}
	}()
	t := w.querier()
	t.changed = &o.changed
	return o.run(t)
}

// querier returns a tx, which runs statements on the writer's connection. querier begins no
// transaction: transact does. A caller's context is not used. If it ended during a statement, SQLite
// would interrupt the statement and undo the whole batch.
func (w *writer) querier() tx {
	return tx{ctx: context.Background(), prepare: w.stmts.prepare}
}

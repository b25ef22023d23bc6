// Package sqlite is the gateway's default store: one file, nothing to install.
//
// The names to know are [Open], [Options] and [Store], which implements
// gateway.Store; [Store.Backup] copies a database that is in use. The path
// ":memory:" gives a store that is gone when it is closed.
//
// One goroutine writes. It takes whatever writes are waiting, runs each in a
// savepoint of one transaction, and commits them together, so that a commit
// that waits for the disk (synchronous FULL: what was answered survives a power
// cut) serves all who came meanwhile; BenchmarkCommit measures what it brings.
// Reads have connections of their own and, thanks to the write-ahead log, never
// wait for a writer.
//
// Several processes may open one file: `weigate user approve` works while the
// gateway serves. Only one may serve from it (Options.Serve), since a second
// gateway with another configuration would surely be a mistake.
//
// The package does not run on network file systems (SQLite's locks do not work
// there), and it does not share a database between machines: that is what
// package postgres is for.
package sqlite

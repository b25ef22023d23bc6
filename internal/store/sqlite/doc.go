// Package sqlite is the default store of the gateway: a SQLite database in one file.
//
// [Open] returns a [Store], which implements gateway.Store; [Store.Backup] copies a database that
// is in use. The path ":memory:" opens a database that ends with its store.
//
// One goroutine writes. It takes the writes that are waiting, runs each in a savepoint of one
// transaction, and commits them together, so that one wait for the disk serves them all. Commits
// are durable (synchronous FULL). BenchmarkCommit measures the difference. Reads have connections
// of their own and, thanks to the write-ahead log, never wait for the writer.
//
// Several processes may open one file: `weigate user approve` works beside a running gateway. Only
// one may serve from it (Options.Serve), since two gateways on one file are a configuration
// mistake.
//
// Network file systems are not supported, because SQLite's locks do not work there. For several
// machines use package postgres.
package sqlite

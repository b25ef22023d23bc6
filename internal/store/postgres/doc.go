// Package postgres is the gateway's store for many replicas on one database.
//
// The names to know are [Open], [Options] and [Store], which implements
// gateway.Store.
//
// It asks little of the server: READ COMMITTED, row locks, and statements that
// change and return rows. What must happen once is decided by the row that a
// statement changes, not by a check before it, so that replicas need no
// agreement among themselves; where a rule needs several rows, they are locked
// in one order first. It uses no LISTEN, no SERIALIZABLE, and an advisory lock
// only while migrating, so that an engine that speaks PostgreSQL's protocol can
// serve too (then with one replica starting first).
//
// The package does not create databases or users, and does no backup: pg_dump
// does.
package postgres

// Package postgres is the store for many replicas on one PostgreSQL database.
//
// [Open] returns a [Store], which implements gateway.Store.
//
// The package requires READ COMMITTED, row locks, and statements that change and return rows. What
// must happen once is decided by the row that a statement changes, not by a check before it. Where
// a rule needs several rows, they are locked in one order first. There is no LISTEN and no
// SERIALIZABLE, and an advisory lock only during migrations, so that an engine that speaks the
// PostgreSQL protocol can serve too, if one replica starts first.
//
// The package creates no databases or users, and makes no backups; use pg_dump.
package postgres

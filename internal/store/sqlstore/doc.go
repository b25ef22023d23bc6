// Package sqlstore holds what the SQL stores share: the methods of gateway.Store whose statements
// SQLite and PostgreSQL both run.
//
// [Base] implements those methods. A store embeds it and provides a [DB], which runs statements,
// and a [Dialect], which names the few differences in syntax. Statements use the placeholders $1,
// $2 and so on, which both databases read. Times are microseconds since 1970 in UTC, 0 for none;
// lists are JSON arrays in a text; a hash that is absent is NULL.
//
// Locking follows one rule. A row that a transaction decides about is locked when it is read (the
// clauses of Dialect), so that it stays as it was until the transaction ends. SQLite runs one write
// transaction at a time, so there the clauses are empty.
package sqlstore

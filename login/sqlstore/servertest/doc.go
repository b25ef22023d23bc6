// Package servertest tests package sqlstore with SQLite and with real servers of PostgreSQL and
// MariaDB, which the tests start. It is a module of its own, so that the driver of MySQL is not a
// dependency of Weigate.
package servertest

// Package sqlstore stores the sessions and attempts of package login in the SQL database of a
// program: SQLite, PostgreSQL, or MySQL and MariaDB. Users then stay signed in when the program
// restarts, and several processes can serve them.
//
// The names to know are [Open] and a [Dialect]. The package uses database/sql and the standard
// library only. The program chooses and imports the driver.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // with import _ "github.com/jackc/pgx/v5/stdlib"
//	if err != nil {
//		log.Fatal(err)
//	}
//	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL)
//	if err != nil {
//		log.Fatal(err)
//	}
//	handler, err := login.New(login.Config{Store: store, …})
//
// # Tables
//
// Open creates the tables login_sessions and login_attempts if they do not exist. If the program's
// database user may not create tables, first execute the statements of [Schema] as another user.
// The program then needs SELECT, INSERT, UPDATE and DELETE. Times are microseconds since 1970, so
// the time zones of server and driver do not matter. A session is a JSON object in the column data.
// Its other columns are those that statements search or change.
//
// Two programs that share a database need a schema or a database each. In the same tables, two
// users with equal Session.Subject would be one user.
//
// # Expired rows
//
// The store deletes expired rows in small batches of at most 200 rows of each table. A process
// deletes a batch at every hundredth row that it inserts, and at the first insert after a minute
// without a batch. It needs no goroutine and no cron job. [Store.Sweep] deletes all expired rows at
// once.
//
// An attempt is the record of one callback. Everyone can cause failed attempts with made-up codes.
// So an attempt that ended without a session is deleted after two minutes instead of twenty.
//
// # Drivers
//
// The package is tested with modernc.org/sqlite, github.com/jackc/pgx/v5/stdlib and
// github.com/go-sql-driver/mysql.
//
//   - SQLite: use a file on a local disk. The store waits up to five seconds for the lock of another
//     connection, so no busy_timeout is needed. "_pragma=journal_mode(WAL)" makes it faster. Each
//     connection to ":memory:" is a database of its own: call SetMaxOpenConns(1) and
//     SetConnMaxLifetime(0).
//   - PostgreSQL: PgBouncer needs no special setting beyond those of the driver.
//   - MySQL and MariaDB: parseTime, loc, charset and clientFoundRows make no difference.
//     "interpolateParams=true" saves a round trip for each statement.
//
// # Limits
//
// The package does not limit the number of sessions, as [login.MemoryStore] does: only users whom
// WeChat has confirmed create sessions. It does not encrypt rows. A copy of the tables contains
// openids and nicknames, but nobody can sign in with it, because ids are hashes.
package sqlstore

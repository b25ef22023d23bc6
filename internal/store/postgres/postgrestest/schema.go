package postgrestest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

// shared returns the cluster of this process, and starts it at the first call. The server runs
// without fsync (-F), which makes tests faster. That is safe: a test may kill a process, but the
// operating system keeps what the process has written. The other settings save work and memory that
// no test needs: full pages in the log (for a crash of the machine), the log for other servers,
// vacuum and statistics, compiled queries, and a large buffer.
var shared = sync.OnceValues(func() (*Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return start(ctx, "-F", "-c", "full_page_writes=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0",
		"-c", "autovacuum=off", "-c", "jit=off", "-c", "shared_buffers=32MB")
})

// Main runs the tests of a package and stops the shared cluster if it was started. TestMain passes
// the result to os.Exit.
func Main(m *testing.M) int {
	code := m.Run()
	if !sharedStarted.Load() {
		return code
	}
	c, err := shared()
	if err != nil {
		return code // the test that started it has failed
	}
	if err := c.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "postgrestest:", err)
		return 1
	}
	return code
}

// sharedStarted is true after a test has called shared. Only then may Main call shared, because the
// first call starts the cluster.
var sharedStarted atomic.Bool

// URL creates an empty schema and returns its address. If WEIGATE_TEST_POSTGRES names a server, the
// schema is created there, and dropped after the test. Otherwise it is in the shared cluster, which
// is deleted as a whole.
func URL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("WEIGATE_TEST_POSTGRES")
	own := server == ""
	if own {
		sharedStarted.Store(true)
		c, err := shared()
		if err != nil {
			t.Fatalf("start PostgreSQL: %v", err)
		}
		server = c.URL()
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("WEIGATE_TEST_POSTGRES: invalid URL")
	}
	name := "t_" + gateway.NewID()
	if err := execute(t.Context(), server, "CREATE SCHEMA "+name); err != nil {
		t.Fatalf("make a schema: %v", err)
	}
	if !own {
		t.Cleanup(func() {
			if err := execute(context.Background(), server, "DROP SCHEMA "+name+" CASCADE"); err != nil {
				t.Logf("drop the schema: %v", err)
			}
		})
	}
	q := u.Query()
	q.Set("search_path", name)
	q.Set("application_name", name) // the function empty finds the connections to the schema by this name
	u.RawQuery = q.Encode()
	return u.String()
}

// reusable has the addresses of schemas that no test uses any more. They have tables without rows.
var reusable struct {
	mu        sync.Mutex
	addresses []string
}

// Reused is like URL, but the schema may have the tables of an earlier test of this process,
// without that test's rows. Creating the tables costs more than most tests do with them. Sequences
// are not reset: generated numbers continue after those of the earlier test. The function is not for
// tests of migrations.
func Reused(t testing.TB) string {
	t.Helper()
	if os.Getenv("WEIGATE_TEST_POSTGRES") != "" {
		return URL(t)
	}
	reusable.mu.Lock()
	address := ""
	if n := len(reusable.addresses); n > 0 {
		address, reusable.addresses = reusable.addresses[n-1], reusable.addresses[:n-1]
	}
	reusable.mu.Unlock()
	if address == "" {
		address = URL(t)
	}
	t.Cleanup(func() { // after the test has closed its stores
		if t.Failed() {
			return
		}
		if err := empty(context.Background(), address); err != nil {
			t.Logf("the schema is not used again: %v", err)
			return
		}
		reusable.mu.Lock()
		defer reusable.mu.Unlock()
		reusable.addresses = append(reusable.addresses, address)
	})
	return address
}

// empty waits until no connection to the schema is open, and deletes the rows of the schema. A
// process that a test has killed may have left a statement that still runs. The rows of the
// migrations stay.
func empty(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for open := 1; open > 0; {
		err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE application_name = current_schema() AND pid <> pg_backend_pid()`).Scan(&open)
		if err != nil {
			return err
		}
		if open > 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	// The role replica does not check foreign keys, so the order of the tables does not matter.
	_, err = conn.Exec(ctx, `DO $$ DECLARE name text; BEGIN
		SET LOCAL session_replication_role = replica;
		FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
			AND tablename NOT IN ('migrations', 'sign_in_locks', 'ticket_lock', 'admin_lock')
		LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
	END $$`)
	return err
}

// execute connects to server and runs one statement.
func execute(ctx context.Context, server, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

// Vacuum does what PostgreSQL does in the background after a database was filled: it removes dead
// rows and counts values, for the planner.
func Vacuum(ctx context.Context, address string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, `VACUUM ANALYZE`)
	return err
}

// Insert inserts rows into a table. columns has the names of the columns, separated by a comma and
// a space.
type Insert = func(table, columns string, rows [][]any) error

// Filler returns a function that fills a database in which a store has created its tables. The
// returned function takes a callback, fill, and passes an Insert to it. fill calls Insert for all
// rows. To be fast, the returned function drops the indexes before it calls fill, and creates them
// again afterwards.
func Filler(ctx context.Context, address string) func(fill func(Insert) error) error {
	return func(fill func(Insert) error) error {
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			// The names of indexes that are not constraints contain "_by_".
			const indexes = `SELECT 'DROP INDEX ' || indexname, indexdef FROM pg_indexes
				WHERE schemaname = current_schema() AND indexname LIKE '%\_by\_%'`
			rows, err := tx.Query(ctx, indexes)
			if err != nil {
				return err
			}
			type index struct{ Drop, Create string }
			dropped, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
			if err != nil {
				return err
			}
			for _, i := range dropped {
				if _, err := tx.Exec(ctx, i.Drop); err != nil {
					return err
				}
			}
			err = fill(func(table, columns string, rows [][]any) error {
				_, err := tx.CopyFrom(ctx, pgx.Identifier{table}, strings.Split(columns, ", "), pgx.CopyFromRows(rows))
				return err
			})
			for _, i := range dropped {
				if err == nil {
					_, err = tx.Exec(ctx, i.Create)
				}
			}
			return err
		})
	}
}

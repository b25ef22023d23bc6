package postgrestest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

// shared returns the cluster of this process, and starts it at the first call. The server runs
// without fsync (-F), which makes tests faster. That is safe: a test may kill a process, but the
// operating system keeps what the process has written. The other settings save work that no test
// needs: copies of the log for other servers, statistics, and compiled queries.
var shared = sync.OnceValues(func() (*Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return start(ctx, "-F", "-c", "full_page_writes=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0",
		"-c", "autovacuum=off", "-c", "jit=off", "-c", "shared_buffers=32MB")
})

// Main runs the tests of a package and stops the shared cluster if it was
// started. TestMain passes the result to os.Exit.
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

// URL creates an empty schema and returns its address. The schema is in the server that
// WEIGATE_TEST_POSTGRES names, where it is dropped after the test, or else in the shared cluster,
// which is deleted as a whole.
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
	u.RawQuery = q.Encode()
	return u.String()
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

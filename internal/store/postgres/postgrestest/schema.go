package postgrestest

import (
	"context"
	"errors"
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
// operating system keeps what the process has written.
var shared = sync.OnceValues(func() (*Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return start(ctx, "-F", "-c", "full_page_writes=off")
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
// WEIGATE_TEST_POSTGRES names, or else in the shared cluster. It is dropped after the test.
func URL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("WEIGATE_TEST_POSTGRES")
	if server == "" {
		sharedStarted.Store(true)
		c, err := shared()
		if err != nil {
			t.Fatalf("start PostgreSQL: %v", err)
		}
		server = c.URL()
	}
	address, err := Schema(t, server)
	if err != nil {
		t.Fatalf("make a schema: %v", err)
	}
	return address
}

// Schema creates an empty schema at server and returns its address; it is dropped
// after the test.
func Schema(t testing.TB, server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", errors.New("WEIGATE_TEST_POSTGRES: invalid URL")
	}
	name := "t_" + gateway.NewID()
	if err := execute(t.Context(), server, "CREATE SCHEMA "+name); err != nil {
		return "", err
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), server, "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Logf("drop the schema: %v", err)
		}
	})
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String(), nil
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

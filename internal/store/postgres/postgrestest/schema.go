package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

// shared is the one cluster of this process, which is started when a test first
// asks for it. It does not wait for the disk (-F): tests kill processes, and
// what a process wrote outlives it; nobody cuts the power.
var shared = sync.OnceValues(func() (*Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return start(ctx, "-F", "-c", "full_page_writes=off")
})

// Main runs a package's tests and stops the cluster, if one was started. A
// TestMain passes its result to os.Exit, or just returns.
func Main(m *testing.M) int {
	code := m.Run()
	if os.Getenv("WEIGATE_TEST_POSTGRES") == "" {
		if c, err := peek(); err == nil && c != nil {
			if err := c.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, "postgrestest:", err)
				return 1
			}
		}
	}
	return code
}

// asked tells Main whether shared was started, without starting it.
var asked sync.Map

func peek() (*Cluster, error) {
	if _, ok := asked.Load("shared"); !ok {
		return nil, nil
	}
	return shared()
}

// URL returns the address of an empty schema, which is dropped after the test.
func URL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("WEIGATE_TEST_POSTGRES")
	if server == "" {
		asked.Store("shared", true)
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

// Schema makes an empty schema at server and returns its address; it is dropped
// after the test.
func Schema(t testing.TB, server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", errors.New("WEIGATE_TEST_POSTGRES is no address")
	}
	name := "t_" + gateway.NewID()
	if err := do(t.Context(), server, "CREATE SCHEMA "+name); err != nil {
		return "", err
	}
	t.Cleanup(func() {
		if err := do(context.Background(), server, "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Logf("drop the schema: %v", err)
		}
	})
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func do(ctx context.Context, server, sql string) error {
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

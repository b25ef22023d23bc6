package cli_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
)

// cluster starts a PostgreSQL server for the test, which may kill it.
func cluster(t *testing.T) *postgrestest.Cluster {
	t.Helper()
	c, err := postgrestest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func tell(t *testing.T, c *postgrestest.Cluster, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// clusterBytes returns the contents of all files of the server: tables, write-ahead log and log.
func clusterBytes(t *testing.T, c *postgrestest.Cluster) string {
	t.Helper()
	tell(t, c, `CHECKPOINT`)
	var all strings.Builder
	all.Grow(96 << 20) // an empty cluster has 60 MB
	// The server is still running, and removes files meanwhile.
	there := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	err := filepath.WalkDir(c.Folder(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return there(err)
		}
		raw, err := os.ReadFile(path)
		all.Write(raw)
		return there(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

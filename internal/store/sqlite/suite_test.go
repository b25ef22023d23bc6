package sqlite_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Worker(func(ctx context.Context, address string) (gateway.Store, error) {
		return sqlite.Open(ctx, address, sqlite.Options{})
	})
	if path := os.Getenv(openEnv); path != "" {
		openAndPrint(path)
		return
	}
	if path := os.Getenv(upgradeEnv); path != "" {
		upgradeAndStop(path)
		return
	}
	m.Run()
}

// openEnv names a database. A child process in which it is set opens that database and prints
// the result.
const openEnv = "WEIGATE_SQLITE_TEST_OPEN"

// openAndPrint opens a database, writes a row and prints the error.
func openAndPrint(path string) {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlite.Options{Serve: true})
	if err == nil {
		_, _, err = s.RecordSignIn(ctx, arrival("child"))
		err = errors.Join(err, s.Close())
	}
	fmt.Printf("unavailable=%v %v\n", errors.Is(err, gateway.ErrUnavailable), err)
}

func open(t *testing.T, path string, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestFile runs the suite on files, and then explains every statement that it ran.
func TestFile(t *testing.T) {
	t.Parallel()
	short := race && testing.Short() // build/test.sh says why
	var statements storetest.Statements
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, storetest.Subject{Race: race, ConcurrentOnly: short, New: func(t *testing.T) storetest.Database {
			path := filepath.Join(t.TempDir(), "weigate ?#%.db") // characters with a meaning in URLs
			return storetest.Database{
				Address: path,
				Open:    func(t *testing.T) gateway.Store { return open(t, path, sqlite.Options{}.WithOnPrepare(statements.Add)) },
			}
		}})
	})
	if short {
		return // the other cases run the statements that are explained
	}
	t.Run("plans", func(t *testing.T) { checkPlans(t, statements.Sorted()) })
}

func TestMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Subject{Race: race, SingleHandle: true, New: func(t *testing.T) storetest.Database {
		return storetest.Database{Open: func(t *testing.T) gateway.Store { return open(t, ":memory:", sqlite.Options{}) }}
	}})
}

func TestCommitsOfOneSignIn(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"file": filepath.Join(t.TempDir(), "w.db"), "memory": ":memory:"} {
		t.Run(name, func(t *testing.T) {
			storetest.CheckCommits(t, func(onCommit func()) gateway.Store {
				return open(t, path, sqlite.Options{OnCommit: onCommit})
			})
		})
	}
}

func TestFailedRedemptionUsesNoInvitation(t *testing.T) {
	t.Parallel()
	s := open(t, ":memory:", sqlite.Options{})
	storetest.CheckFailedRedemption(t, s, func(statement string) {
		if err := s.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDeletedUserIsInNoTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	s := open(t, path, sqlite.Options{})
	storetest.CheckDeletion(t, s, func() map[string][]string {
		all := map[string][]string{}
		for _, table := range rows(t, path, `SELECT name FROM sqlite_master WHERE type = 'table'`) {
			all[table] = rows(t, path, `SELECT * FROM "`+table+`"`)
		}
		return all
	})
}

// rows returns the rows of a query as texts, with bytes in hexadecimal.
func rows(t *testing.T, path, query string) (all []string) {
	t.Helper()
	db, err := sqlite.Raw(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for result.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := result.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = fmt.Sprint(v)
			if bytes, ok := v.([]byte); ok {
				row[i] = hex.EncodeToString(bytes)
			}
		}
		all = append(all, strings.Join(row, "|"))
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

package sqlite

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	driver "modernc.org/sqlite"
)

// busyTimeout is how long a write waits for another process, in milliseconds.
const busyTimeout = 5000

// dsn returns the driver's name of the database. Pragmas stand in it, since the
// pool opens connections whenever it likes: what was set on one would be
// missing on the next.
func dsn(path string, readOnly bool) (string, error) {
	q := url.Values{}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout))
	q.Add("_pragma", "foreign_keys(1)")
	q.Set("_dqs", "0")
	q.Set("_error_rc", "1")
	if path == memory {
		return "file::memory:?" + q.Encode(), nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
		q.Add("_pragma", "synchronous(FULL)")
		q.Add("_pragma", "journal_size_limit(67108864)")
	}
	slashed := filepath.ToSlash(abs)
	if slashed[0] != '/' { // a drive letter
		slashed = "/" + slashed
	}
	u := url.URL{Scheme: "file", Path: slashed, RawQuery: q.Encode()}
	return u.String(), nil
}

// pool opens the database with at most n connections, which stay open.
func pool(path string, readOnly bool, n int) (*sql.DB, error) {
	name, err := dsn(path, readOnly)
	if err != nil {
		return nil, err
	}
	c, err := driver.NewConnector(name)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

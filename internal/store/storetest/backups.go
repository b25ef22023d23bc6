package storetest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/store/archive"
)

// BackupKey authenticates the archives of tests.
var BackupKey = archive.Key{ID: "test", Key: []byte("a key of 32 bytes for test backup")}

// WriteArchive returns the archive that backup writes.
func WriteArchive(t testing.TB, backup func(*archive.Writer) error) []byte {
	t.Helper()
	var file bytes.Buffer
	w := archive.NewWriter(&file, BackupKey, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	if err := backup(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// ReadArchive returns a reader of an archive.
func ReadArchive(t testing.TB, file []byte) *archive.Reader {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(file), []archive.Key{BackupKey})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ArchiveLines returns the tables and rows of an archive. Tables are sorted by name and rows by
// text, because two databases may keep them in different orders. The first line (the header) and
// the last line (the HMAC) are left out.
func ArchiveLines(t testing.TB, file []byte) []string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	table := ""
	for i, line := range lines {
		if strings.HasPrefix(line, `{"table"`) {
			table = line
		}
		lines[i] = table + " " + line
	}
	lines = lines[1 : len(lines)-1]
	slices.Sort(lines)
	return lines
}

// CompareArchives fails the test unless both archives have the same tables and rows.
func CompareArchives(t testing.TB, what string, want, got []byte) {
	t.Helper()
	a, b := ArchiveLines(t, want), ArchiveLines(t, got)
	for _, line := range a {
		if !slices.Contains(b, line) {
			t.Errorf("%s: missing %.300s", what, line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			t.Errorf("%s: changed or added %.300s", what, line)
		}
	}
}

// Column is a column of a table, for [Extremes].
type Column struct {
	Table string
	Name  string
	Type  string // INTEGER, TEXT or BLOB, or a type of PostgreSQL
	Null  bool   // can be null
}

// allowed has the values for columns in which the schema allows only certain values.
var allowed = map[string][]any{
	"users.status":          {"active", "pending", "blocked"},
	"tickets.state":         {"open", "refused", "wrong_number"},
	"chat_sign_ins.state":   {"waiting", "answered", "wrong_code"},
	"access_requests.state": {"waiting", "approved", "refused"},
	"invitations.kind":      {"user", "admin", "move"},
	"deliveries.state":      {"waiting", "sent", "failed"},
}

// extremeRows is how many rows Extremes returns for a table.
const extremeRows = 3

// Extremes returns rows for a table in which each column has its extreme values: the largest and
// the smallest number, empty and long texts with unusual characters, bytes of every value, and
// null. Keys differ from row to row.
func Extremes(columns []Column) (rows [][]any) {
	for n := range extremeRows {
		row := make([]any, len(columns))
		for i, c := range columns {
			row[i] = extreme(c, n)
		}
		rows = append(rows, row)
	}
	return rows
}

func extreme(c Column, n int) any {
	if values := allowed[c.Table+"."+c.Name]; values != nil {
		return values[n]
	}
	if c.Name == "user_id" {
		return fmt.Sprintf("id-%d", n) // the key of a row of table users
	}
	key := c.Name == "id" || c.Name == "slot" || c.Name == "key" || strings.HasSuffix(c.Name, "hash")
	switch strings.ToLower(c.Type) {
	case "boolean":
		return n%2 == 0
	case "integer", "bigint":
		switch {
		case c.Name == "admin":
			return int64((n + 1) % 2)
		case c.Name == "seq" || c.Name == "id":
			return []int64{1, 1 << 53, 1<<62 + 1}[n]
		case strings.ToLower(c.Type) == "integer" || c.Name == "counter":
			return []int64{0, -1 << 31, 1<<31 - 1}[n]
		}
		return []int64{-1 << 63, 1<<63 - 1, 1<<53 + 1}[n] // a JSON number of 53 bits would round these
	case "text":
		if key || n == 1 {
			return fmt.Sprintf("%s-%d", c.Name, n)
		}
		return []string{"", "", "张三 😀\u2028\u2029<b>&amp;'\"\\\r\n\t\x01\x7f{\"a\":[1]} ١ e\u0301"}[n]
	}
	if key || !c.Null && n == 0 { // instead of null
		return []byte{byte(n), 0, 0xff}
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return [][]byte{nil, {}, all}[n]
}

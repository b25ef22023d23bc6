package archive_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/storetest"
)

// small returns an archive with two tables.
func small(t *testing.T) []byte {
	t.Helper()
	return storetest.WriteArchive(t, func(w *archive.Writer) error {
		return errors.Join(w.Begin("sqlite", 1, "schema"),
			w.Table(archive.Table{Name: "users", Columns: []string{"id", "admin"}}),
			w.Row([]any{"a", true}), w.Row([]any{"b\xff", false}),
			w.Table(archive.Table{Name: "keys", Columns: []string{"sealed"}, Last: 3}),
			w.Row([]any{[]byte{}}), w.Row([]any{nil}))
	})
}

func unzip(t *testing.T, file []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func zip(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func TestAnArchiveIsReadBack(t *testing.T) {
	t.Parallel()
	var rows [][]any
	summary, err := archive.Verify(bytes.NewReader(small(t)), []archive.Key{{ID: "new"}, storetest.BackupKey},
		func(_ archive.Table, row []any) error { rows = append(rows, row); return nil })
	if err != nil || summary.Total() != 4 || summary.Header.Migration != "schema" ||
		!slices.Equal(summary.Header.Lacks, []string{"configuration", "master key"}) {
		t.Fatalf("%+v, %v", summary, err)
	}
	if rows[0][1] != int64(1) || rows[1][0] != "b\xff" || rows[1][1] != int64(0) || rows[3][0] != nil {
		t.Errorf("rows: %v", rows)
	}
	if b, ok := rows[2][0].([]byte); !ok || len(b) != 0 {
		t.Errorf("empty bytes became %v", rows[2][0])
	}
}

// A changed archive was accepted by nginx-ui (CVE-2026-33026), so that a restore could add an
// administrator.
func TestAChangedArchiveIsRejected(t *testing.T) {
	t.Parallel()
	file := small(t)
	text := unzip(t, file)
	lines := strings.SplitAfter(text, "\n")
	swapped := slices.Clone(lines)
	swapped[2], swapped[3] = swapped[3], swapped[2]
	otherKey := strings.Replace(text, `"master_key":"test"`, `"master_key":"other"`, 1)
	noLast := strings.Join(lines[:len(lines)-2], "")
	for name, tt := range map[string]struct {
		file []byte
		want error
	}{
		"another value":      {zip(strings.Replace(text, `["a",1]`, `["a",0]`, 1)), archive.ErrDamaged},
		"another user":       {zip(strings.Replace(text, `["a",1]`, `["a",1]`+"\n"+`["c",1]`, 1)), archive.ErrDamaged},
		"a row less":         {zip(strings.Join(slices.Delete(slices.Clone(lines), 2, 3), "")), archive.ErrDamaged},
		"rows swapped":       {zip(strings.Join(swapped, "")), archive.ErrDamaged},
		"another header":     {zip(strings.Replace(text, `"schema":1`, `"schema":2`, 1)), archive.ErrDamaged},
		"no last line":       {zip(noLast), archive.ErrDamaged},
		"empty HMAC":         {zip(noLast + `{"hmac_sha256":""}` + "\n"), archive.ErrDamaged},
		"more lines":         {zip(text + "[1]\n"), archive.ErrDamaged},
		"a second gzip":      {append(bytes.Clone(file), zip("[1]\n")...), archive.ErrDamaged},
		"a table twice":      {zip(strings.Replace(text, `{"table":"keys"`, `{"table":"users"`, 1)), archive.ErrDamaged},
		"a line too long":    {zip(lines[0] + "[\"" + strings.Repeat("a", 17<<20)), archive.ErrDamaged},
		"only a header":      {zip(lines[0]), archive.ErrDamaged},
		"another format":     {zip(`{"format":"tar"}` + "\n"), archive.ErrFormat},
		"a later format":     {zip(strings.Replace(text, `"version":1`, `"version":2`, 1)), archive.ErrFormat},
		"a SQLite file":      {[]byte("SQLite format 3\x00"), archive.ErrFormat},
		"an empty file":      {nil, archive.ErrFormat},
		"another master key": {zip(otherKey), archive.ErrMasterKey},
	} {
		_, err := archive.Verify(bytes.NewReader(tt.file), []archive.Key{storetest.BackupKey}, nil)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	for n := range file { // cut off anywhere
		if _, err := archive.Verify(bytes.NewReader(file[:n]), []archive.Key{storetest.BackupKey}, nil); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(file))
		}
	}
	same := []archive.Key{{ID: storetest.BackupKey.ID, Key: []byte("the key of another gateway")}}
	if _, err := archive.Verify(bytes.NewReader(file), same, nil); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("with a wrong key of the same id: %v", err)
	}
}

func TestTablesFollowThoseTheyReferTo(t *testing.T) {
	t.Parallel()
	got := archive.Order([]string{"grants", "events", "users"}, map[string][]string{
		"grants": {"users", "apps"}, "users": {"users"},
	})
	if !slices.Equal(got, []string{"users", "grants", "events"}) {
		t.Error(got)
	}
}

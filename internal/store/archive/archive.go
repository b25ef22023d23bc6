// Package archive defines the file format of backups: a [Writer] writes an archive, and a [Reader]
// reads it.
//
// An archive is a gzip file of JSON lines, so that "zcat FILE" shows it. It does not depend on the
// database program: a backup of SQLite can be restored into PostgreSQL, and the reverse. The lines
// are:
//
//   - the header, see [Header];
//   - for each table one line with its name and columns, see [Table], then one line for each row: a
//     JSON array with the values of the columns;
//   - the number of rows of each table;
//   - an HMAC-SHA256 of all lines before it. Its key is derived from the master key. So a changed or
//     incomplete archive is rejected, and an archive is rejected by a gateway with another master key.
//
// The archive contains neither the master key nor the configuration. It is not encrypted: the
// signing keys in it are sealed with the master key, but names and openids of users are readable.
//
// The values are integers, texts, bytes and null. A truth value is the integer 0 or 1, as in
// SQLite.
package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
	"unicode/utf8"
)

// format and version are the first fields of each archive.
const (
	format  = "weigate-backup"
	version = 1
)

// Errors of a [Reader], to test for with errors.Is.
var (
	// ErrFormat: the file is not a backup, or a backup in an unknown format.
	ErrFormat = errors.New("the file is not a backup of weigate")

	// ErrDamaged: the file was cut off or changed.
	ErrDamaged = errors.New("the backup is incomplete or was changed")

	// ErrMasterKey: the archive was written with a master key that the reader does not have.
	ErrMasterKey = errors.New("the backup belongs to another master key")
)

// Key authenticates archives. It is derived from a master key.
type Key struct {
	ID  string // public id of the master key
	Key []byte
}

// Header is the first line of an archive.
type Header struct {
	Format    string    `json:"format"`  // always "weigate-backup"
	Version   int       `json:"version"` // of the format
	CreatedAt time.Time `json:"created_at"`
	Store     string    `json:"store"`      // kind of database that the archive was made from: "sqlite" or "postgres"
	Schema    int       `json:"schema"`     // number of the database's last migration
	Migration string    `json:"migration"`  // name of that migration
	MasterKey string    `json:"master_key"` // id of the master key
	Lacks     []string  `json:"lacks"`      // what a restore needs besides the archive
}

// lacks is the value of Header.Lacks.
var lacks = []string{"configuration", "master key"}

// Table is the line before the rows of a table.
type Table struct {
	Name    string   `json:"table"`
	Columns []string `json:"columns"`

	// Last is the last number that the database generated for a row of the table; 0 = none. A
	// restored database continues with the next number, because apps that follow the events must not
	// see a number again.
	Last int64 `json:"last,omitempty"`
}

// counts is the line after the last row.
type counts struct {
	Rows map[string]int64 `json:"rows"`
}

// signature is the last line.
type signature struct {
	HMAC string `json:"hmac_sha256"`
}

// encodedBytes is a value that JSON cannot contain as it is: bytes (Bytes, or Empty for 0 bytes),
// or a text that is not valid UTF-8 (Text). JSON contains Bytes and Text in base64.
type encodedBytes struct {
	Bytes []byte  `json:"bytes,omitempty"`
	Empty bool    `json:"empty,omitempty"`
	Text  *string `json:"text,omitempty"` // nil = bytes
}

// Writer writes an archive. Its methods must be called in the order Begin, then Table and Row, then
// Close.
type Writer struct {
	// Progress is called after each row with the number of rows so far; nil = none.
	Progress func(rows int64)

	key    Key
	now    time.Time
	zip    *gzip.Writer
	buffer *bufio.Writer
	mac    hash.Hash
	table  string
	rows   map[string]int64
	total  int64
	line   bytes.Buffer
	encode *json.Encoder // to line
	err    error         // of the last write to the file; nil = none
}

// NewWriter returns a Writer to w. now is the time in the header.
func NewWriter(w io.Writer, key Key, now time.Time) *Writer {
	zip := gzip.NewWriter(w)
	a := &Writer{
		key: key, now: now, zip: zip, buffer: bufio.NewWriterSize(zip, 1<<16), mac: hmac.New(sha256.New, key.Key),
		rows: map[string]int64{},
	}
	a.encode = json.NewEncoder(&a.line)
	a.encode.SetEscapeHTML(false)
	return a
}

// Begin writes the header. The stores call it with their name and the last migration of the
// database.
func (w *Writer) Begin(store string, schema int, migration string) error {
	return w.write(Header{
		Format: format, Version: version, CreatedAt: w.now.UTC().Truncate(time.Second), Store: store, Schema: schema,
		Migration: migration, MasterKey: w.key.ID, Lacks: lacks,
	})
}

// Table begins a table.
func (w *Writer) Table(t Table) error {
	w.table = t.Name
	w.rows[t.Name] = 0
	return w.write(t)
}

// Row writes a row of the current table. It overwrites elements of values. A value is nil, a bool,
// an integer, a string or a []byte.
func (w *Writer) Row(values []any) error {
	for i, v := range values {
		switch v := v.(type) {
		case nil, int64, int32:
		case bool:
			values[i] = 0
			if v {
				values[i] = 1
			}
		case []byte:
			// For 0 bytes, the driver of SQLite returns a nil []byte, which JSON would write as null. Empty
			// tells them from NULL, which is an untyped nil (see above).
			values[i] = encodedBytes{Bytes: v, Empty: len(v) == 0}
		case string:
			if !utf8.ValidString(v) { // JSON would replace the invalid bytes
				text := base64.StdEncoding.EncodeToString([]byte(v))
				values[i] = encodedBytes{Text: &text}
			}
		default:
			return fmt.Errorf("backup: table %s: value of type %T", w.table, v)
		}
	}
	if err := w.write(values); err != nil {
		return err
	}
	w.rows[w.table]++
	w.total++
	if w.Progress != nil {
		w.Progress(w.total)
	}
	return nil
}

// Close writes the end of the archive. It does not close the file.
func (w *Writer) Close() error {
	if err := w.write(counts{Rows: w.rows}); err != nil {
		return err
	}
	sum := w.mac.Sum(nil)
	if err := w.write(signature{HMAC: hex.EncodeToString(sum)}); err != nil {
		return err
	}
	w.err = errors.Join(w.buffer.Flush(), w.zip.Close())
	return w.err
}

// write writes a value as one line.
func (w *Writer) write(v any) error {
	w.line.Reset()
	if err := w.encode.Encode(v); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	w.mac.Write(w.line.Bytes())
	_, w.err = w.buffer.Write(w.line.Bytes())
	return w.err
}

// Err returns the error of the file, such as a full disk, if the last write failed. It is not an
// error of the database.
func (w *Writer) Err() error { return w.err }

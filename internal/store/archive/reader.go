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
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// maxLine is the maximum length of a line. A row of the gateway is a few kilobytes.
const maxLine = 16 << 20

// Reader reads an archive. Next begins the next table, and Row returns its rows.
//
// The rows are authentic only after Next has returned io.EOF. Until then a caller must not make
// them visible: a store inserts them in a transaction, or in a temporary file.
type Reader struct {
	Header Header

	lines *bufio.Scanner
	mac   hash.Hash
	ahead []byte // a line that was read but is not a row of the current table: Next uses it; nil = none
	table Table
	rows  map[string]int64
	total int64

	// Progress is called after each row with the number of rows so far; nil = none.
	Progress func(rows int64)
}

// NewReader reads the header of an archive. keys are derived from the master keys of this gateway.
func NewReader(r io.Reader, keys []Key) (*Reader, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, lang.Errorf("%w: %w", ErrFormat, err)
	}
	a := &Reader{lines: bufio.NewScanner(zip), rows: map[string]int64{}}
	a.lines.Buffer(make([]byte, 1<<16), maxLine)
	if !a.lines.Scan() {
		return nil, lang.Errorf("%w: no header", ErrFormat)
	}
	first := a.lines.Bytes()
	if err := json.Unmarshal(first, &a.Header); err != nil || a.Header.Format != format {
		return nil, ErrFormat
	}
	if a.Header.Version != version {
		return nil, lang.Errorf("%w: its format is version %d, and this version of weigate reads version %d",
			ErrFormat, a.Header.Version, version)
	}
	i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == a.Header.MasterKey })
	if i < 0 {
		ids := make([]string, 0, len(keys))
		for _, k := range keys {
			ids = append(ids, k.ID)
		}
		return nil, lang.Errorf("%w: it was made with %s, and this gateway has %s", ErrMasterKey,
			a.Header.MasterKey, strings.Join(ids, ", "))
	}
	a.mac = hmac.New(sha256.New, keys[i].Key)
	a.add(first)
	return a, nil
}

// Next returns the next table. It skips the rest of the current one. At the end it checks the
// number of rows and the HMAC, and returns io.EOF.
func (r *Reader) Next() (Table, error) {
	for r.ahead == nil {
		line, err := r.read()
		if err != nil {
			return Table{}, err
		}
		if line[0] != '[' {
			r.ahead = bytes.Clone(line)
			break
		}
		r.count()
	}
	line := r.ahead
	r.ahead = nil
	if bytes.HasPrefix(line, []byte(`{"rows"`)) {
		if err := r.end(line); err != nil {
			return Table{}, err
		}
		return Table{}, io.EOF
	}
	r.table = Table{}
	if err := json.Unmarshal(line, &r.table); err != nil || r.table.Name == "" || len(r.table.Columns) == 0 {
		return Table{}, lang.Errorf("%w: a line is not a table", ErrDamaged)
	}
	if _, twice := r.rows[r.table.Name]; twice {
		return Table{}, lang.Errorf("%w: table %s is in it twice", ErrDamaged, r.table.Name)
	}
	r.rows[r.table.Name] = 0
	return r.table, nil
}

// Row returns the next row of the table: nil, int64, string or []byte for each column. It returns
// io.EOF after the last row.
func (r *Reader) Row() ([]any, error) {
	if r.ahead != nil {
		return nil, io.EOF
	}
	line, err := r.read()
	if err != nil {
		return nil, err
	}
	if line[0] != '[' {
		r.ahead = bytes.Clone(line)
		return nil, io.EOF
	}
	r.count()
	var fields []json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil || len(fields) != len(r.table.Columns) {
		return nil, lang.Errorf("%w: a row of %s", ErrDamaged, r.table.Name)
	}
	row := make([]any, len(fields))
	for i, f := range fields {
		if row[i], err = decode(f); err != nil {
			return nil, lang.Errorf("%w: column %s of %s", ErrDamaged, r.table.Columns[i], r.table.Name)
		}
	}
	return row, nil
}

// Rows returns how many rows of each table were read.
func (r *Reader) Rows() map[string]int64 { return maps.Clone(r.rows) }

// count counts a row.
func (r *Reader) count() {
	r.rows[r.table.Name]++
	r.total++
	if r.Progress != nil {
		r.Progress(r.total)
	}
}

// decode decodes a value of a row: null, an integer, a text or an encodedBytes. A text that is not
// valid UTF-8 is an encodedBytes with base64, because JSON would replace its invalid bytes.
func decode(f json.RawMessage) (any, error) {
	switch f[0] {
	case 'n': // null
		return nil, nil
	case '"':
		var text string
		err := json.Unmarshal(f, &text)
		return text, err
	case '{':
		var b encodedBytes
		if err := json.Unmarshal(f, &b); err != nil {
			return nil, err
		}
		switch {
		case b.Text != nil:
			text, err := base64.StdEncoding.DecodeString(*b.Text)
			return string(text), err
		case b.Empty:
			return []byte{}, nil
		}
		return b.Bytes, nil
	}
	var n int64
	err := json.Unmarshal(f, &n)
	return n, err
}

// end checks the line with the numbers of rows, and the last line, which has the HMAC.
func (r *Reader) end(line []byte) error {
	var c counts
	if err := json.Unmarshal(line, &c); err != nil || !maps.Equal(c.Rows, r.rows) {
		return lang.Errorf("%w: the number of rows differs", ErrDamaged)
	}
	if !r.lines.Scan() {
		return r.broken("the last line is missing")
	}
	var s signature
	sum := r.mac.Sum(nil)
	if err := json.Unmarshal(r.lines.Bytes(), &s); err != nil {
		return lang.Errorf("%w: the last line", ErrDamaged)
	}
	if got, err := hex.DecodeString(s.HMAC); err != nil || !hmac.Equal(got, sum) {
		return lang.Errorf("%w: its HMAC differs", ErrDamaged)
	}
	if r.lines.Scan() || r.lines.Err() != nil { // the gzip reader checks its checksum at the end of the file
		return r.broken("text after the last line")
	}
	return nil
}

// read returns the next line, which is valid until the next call, and adds it to the HMAC. It reads
// all lines between the header and the last line, which contains the HMAC (see end).
func (r *Reader) read() ([]byte, error) {
	if !r.lines.Scan() {
		return nil, r.broken("it ends too early")
	}
	line := r.lines.Bytes()
	if len(line) == 0 {
		return nil, lang.Errorf("%w: an empty line", ErrDamaged)
	}
	r.add(line)
	return line, nil
}

// add adds a line to the HMAC.
func (r *Reader) add(line []byte) {
	r.mac.Write(line)
	r.mac.Write([]byte{'\n'})
}

// broken returns the error what, for a missing line or a line too many. If the file could not be
// read, it returns that error instead.
func (r *Reader) broken(what string) error {
	if err := r.lines.Err(); err != nil {
		return lang.Errorf("%w: %w", ErrDamaged, err)
	}
	return lang.Errorf("%w: %s", ErrDamaged, what)
}

// Summary describes an archive.
type Summary struct {
	Header Header
	Rows   map[string]int64 // by table
}

// Total returns the number of rows of all tables.
func (s Summary) Total() (n int64) {
	for _, rows := range s.Rows {
		n += rows
	}
	return n
}

// Verify reads a whole archive and checks it. visit is called with each row; nil = none.
func Verify(from io.Reader, keys []Key, visit func(Table, []any) error) (Summary, error) {
	r, err := NewReader(from, keys)
	if err != nil {
		return Summary{}, err
	}
	for {
		t, err := r.Next()
		if err == io.EOF {
			return Summary{Header: r.Header, Rows: r.Rows()}, nil
		}
		if err != nil {
			return Summary{}, err
		}
		for {
			row, err := r.Row()
			if err == io.EOF {
				break
			}
			if err == nil && visit != nil {
				err = visit(t, row)
			}
			if err != nil {
				return Summary{}, err
			}
		}
	}
}

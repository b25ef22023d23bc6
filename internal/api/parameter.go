package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var timeType = reflect.TypeFor[time.Time]()

// kind is the type of the value of a parameter.
type kind int

// The kinds of parameters. The zero value is a text.
const (
	textKind kind = iota
	wordKind      // one of parameter.words
	numberKind
	boolKind
	timeKind
	cursorKind // "next" of the previous page
)

// parameter is a parameter in the query of an operation.
type parameter struct {
	name  string
	kind  kind
	words []string // of wordKind: the valid values
	most  int      // of numberKind: the largest number; the smallest is 1
	doc   string   // for the OpenAPI document
	like  any      // example for the OpenAPI document

	required bool
}

// maxText is how many characters a text in the query has at most. Every id and name that can be
// searched for is shorter.
const maxText = 200

// parse returns the value of a parameter as a string, int, bool, time.Time or cursor. message is
// not empty if the value is invalid.
func (p parameter) parse(text string) (value any, message string) {
	switch p.kind {
	case wordKind:
		if !slices.Contains(p.words, text) {
			return nil, "must be one of " + strings.Join(p.words, ", ")
		}
	case numberKind:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > p.most || strconv.Itoa(n) != text { // 05 and +5 are invalid
			return nil, fmt.Sprintf("must be a whole number from 1 to %d", p.most)
		}
		return n, ""
	case boolKind:
		if text != "true" && text != "false" {
			return nil, "must be true or false"
		}
		return text == "true", ""
	case timeKind:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil || t.Year() < 1970 || t.Year() > 9000 {
			return nil, "must be a time such as 2026-11-29T08:00:00Z; + is %2B in a query"
		}
		return t, ""
	case cursorKind:
		c, err := parseCursor(text)
		if err != nil {
			return nil, "must be \"next\" of the previous page"
		}
		return c, ""
	case textKind:
		if utf8.RuneCountInString(text) > maxText {
			return nil, fmt.Sprintf("must not be longer than %d characters", maxText)
		}
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return nil, "must be UTF-8 without zero bytes"
		}
	}
	return text, ""
}

// cursor is the position after the last row of a page, for keyset paging. Each list uses the fields
// that it sorts by.
type cursor struct {
	ID   string    `json:"i,omitzero"` // id of the row, or of its user
	App  string    `json:"a,omitzero"`
	Seq  int64     `json:"n,omitzero"` // id of an event or a delivery
	Time time.Time `json:"t,omitzero"`
}

// String returns the cursor as callers send it back: opaque, so that they do not make their own.
func (c cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil { // a time with a year of five digits
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// parseCursor is the inverse of String. A cursor that a caller has made up does no harm: the key
// may read all rows of the list.
func parseCursor(text string) (cursor, error) {
	var c cursor
	if len(text) > 400 { // longer than every cursor
		return c, fmt.Errorf("api: cursor of %d bytes", len(text))
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, err
	}
	valid := func(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
	if !valid(c.ID) || !valid(c.App) || c.Seq < 0 || c == (cursor{}) {
		return c, fmt.Errorf("api: invalid cursor")
	}
	return c, nil
}

// pageOf returns the first limit rows, and the cursor of the last of them if more rows follow. The
// caller has read limit+1 rows, to know whether more follow.
func pageOf[T any](rows []T, limit int, at func(T) cursor) (page []T, next string) {
	if len(rows) <= limit {
		return rows, ""
	}
	rows = rows[:limit]
	return rows, at(rows[limit-1]).String()
}

package administration

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/gateway"
)

// Format is the format of an export.
type Format string

// The formats of exports.
const (
	CSV       Format = "csv"   // for spreadsheet programs: UTF-8 with a byte order mark, without formulas
	JSONLines Format = "jsonl" // one JSON object on each line, with exact values
)

// exportPage is how many rows an export reads at a time.
const exportPage = 500

// ExportedEvent is an event in JSON. The names of its fields are stable. Times are in UTC.
type ExportedEvent struct {
	ID        int64     `json:"id"`
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`
	Outcome   string    `json:"outcome"`
	UserID    string    `json:"user_id"`
	Actor     string    `json:"actor"`
	App       string    `json:"app"`
	Connector string    `json:"connector"`
	Method    string    `json:"method"`
	Address   string    `json:"address"`
	RequestID string    `json:"request_id"`
	Detail    string    `json:"detail"`
}

// ExportEvent returns an event for JSON.
func ExportEvent(e gateway.Event) ExportedEvent {
	return ExportedEvent{
		ID: e.ID, At: e.At.UTC(), Kind: e.Kind, Outcome: e.Outcome, UserID: e.UserID, Actor: e.Actor, App: e.App,
		Connector: e.Connector, Method: e.Method, Address: e.Address, RequestID: e.RequestID, Detail: e.Detail,
	}
}

// ExportedUser is a user in JSON. The names of its fields are stable. Times are in UTC.
type ExportedUser struct {
	ID          string   `json:"id"`
	Status      string   `json:"status"`
	Admin       bool     `json:"admin"`
	Nickname    string   `json:"nickname"`
	RealName    string   `json:"real_name"`
	Note        string   `json:"note"`
	Groups      []string `json:"groups"`
	AllowedApps []string `json:"allowed_apps"`
	RefusedApps []string `json:"refused_apps"`
	OldID       string   `json:"old_id"`
	// Agreement is what the user agreed to last. nil = nothing.
	Agreement *gateway.Agreement `json:"agreement,omitempty"`
	CreatedAt time.Time          `json:"created_at"`
	UpdatedAt time.Time          `json:"updated_at"`
}

// ExportUser returns a user for JSON. A list without elements is [] and not null.
func ExportUser(u gateway.User) ExportedUser {
	list := func(l []string) []string { return append([]string{}, l...) }
	var agreed *gateway.Agreement
	if !u.Agreement.IsZero() {
		agreed = &u.Agreement
	}
	return ExportedUser{
		Agreement: agreed,
		ID:        u.ID, Status: string(u.Status), Admin: u.Admin, Nickname: u.Nickname, RealName: u.RealName, Note: u.Note,
		Groups: list(u.Groups), AllowedApps: list(u.AllowedApps), RefusedApps: list(u.RefusedApps), OldID: u.OldID,
		CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	}
}

// ExportEvents writes events to w, newest first, at most maxRows (0 = all), and returns their
// number. It also appends an event about the export.
func (s *Service) ExportEvents(
	ctx context.Context, by Actor, w io.Writer, f Format, q gateway.EventQuery, maxRows int,
) (int, error) {
	if err := s.beginExport(ctx, by, f, "events"); err != nil {
		return 0, err
	}
	out := newExporter(w, f, s.cfg.Zone)
	out.head("id", "at", "kind", "outcome", "user_id", "actor", "app", "connector", "method", "address", "request_id",
		"detail")
	n, err := s.eachEvent(ctx, q, maxRows, func(e gateway.Event) error {
		return out.row(ExportEvent(e), strconv.FormatInt(e.ID, 10), out.time(e.At), e.Kind, e.Outcome, e.UserID, e.Actor,
			e.App, e.Connector, e.Method, e.Address, e.RequestID, e.Detail)
	})
	return n, errors.Join(err, out.finish())
}

// ExportUsers writes users to w, newest first, at most maxRows (0 = all), and returns their number.
// It writes no openid and no unionid. It also appends an event about the export.
func (s *Service) ExportUsers(
	ctx context.Context, by Actor, w io.Writer, f Format, q gateway.UserSearch, maxRows int,
) (int, error) {
	if err := s.beginExport(ctx, by, f, "users"); err != nil {
		return 0, err
	}
	out := newExporter(w, f, s.cfg.Zone)
	out.head("id", "status", "admin", "nickname", "real_name", "note", "groups", "allowed_apps", "refused_apps", "old_id",
		"created_at", "updated_at")
	join := func(l []string) string { return strings.Join(l, " ") }
	n, err := s.eachUser(ctx, q, maxRows, func(u gateway.User) error {
		return out.row(ExportUser(u), u.ID, string(u.Status), strconv.FormatBool(u.Admin), u.Nickname, u.RealName, u.Note,
			join(u.Groups), join(u.AllowedApps), join(u.RefusedApps), u.OldID, out.time(u.CreatedAt), out.time(u.UpdatedAt))
	})
	return n, errors.Join(err, out.finish())
}

// beginExport checks the actor and the format, and appends the event of the export.
func (s *Service) beginExport(ctx context.Context, by Actor, f Format, what string) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	if f != CSV && f != JSONLines {
		return &FieldError{Field: "format", Key: Invalid, Value: gateway.CleanLine(string(f))}
	}
	return s.store.AppendEvents(ctx, s.event(by, EventExported, fmt.Sprintf("exported %s; format %s", what, f)))
}

// exporter writes rows in a format.
type exporter struct {
	to   io.Writer
	csv  *csv.Writer    // nil = JSON lines
	json *json.Encoder  // nil = CSV
	zone *time.Location // of times in CSV
	err  error          // of head; row and finish return it
}

func newExporter(w io.Writer, f Format, zone *time.Location) *exporter {
	out := &exporter{to: w, zone: zone}
	if f == CSV {
		out.csv = csv.NewWriter(w)
		out.csv.UseCRLF = true // RFC 4180
		return out
	}
	out.json = json.NewEncoder(w)
	out.json.SetEscapeHTML(false)
	return out
}

// head writes the names of the columns of a CSV file. Without the byte order mark, Excel reads
// Chinese text in the wrong encoding.
func (o *exporter) head(columns ...string) {
	if o.csv == nil {
		return
	}
	if _, o.err = io.WriteString(o.to, "\ufeff"); o.err == nil {
		o.err = o.csv.Write(columns)
	}
}

// row writes a row: the object in JSON lines, the cells in CSV.
func (o *exporter) row(object any, cells ...string) error {
	switch {
	case o.err != nil:
		return o.err
	case o.csv == nil:
		return o.json.Encode(object)
	}
	for i, cell := range cells {
		cells[i] = DefuseCell(cell)
	}
	return o.csv.Write(cells)
}

func (o *exporter) finish() error {
	if o.csv != nil {
		o.csv.Flush()
		return errors.Join(o.err, o.csv.Error())
	}
	return o.err
}

// time formats a time for a person: in the administrator's time zone, with the UTC offset.
func (o *exporter) time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(o.zone).Format("2006-01-02 15:04:05 -07:00")
}

// formulaStarts are the characters that begin a formula, also in full-width form. It includes tab,
// line breaks and NUL, because some spreadsheet programs ignore them before a formula.
const formulaStarts = "=+-@|\t\r\n\x00＝＋－＠｜"

// DefuseCell puts an apostrophe before a cell that a spreadsheet program would run as a formula.
// Quotation marks would not help: programs remove them first.
func DefuseCell(cell string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \u00a0\u3000"))
	if strings.ContainsRune(formulaStarts, first) {
		return "'" + cell
	}
	return cell
}

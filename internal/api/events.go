package api

import (
	"bufio"
	"io"
	"net/http"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/limit"
)

var appOperations = []operation{
	{
		id: "listApps", method: http.MethodGet, path: "/apps", scope: administration.ScopeAppsRead,
		answer: Apps{}, serve: (*Handler).listApps,
		summary: "List the apps of the configuration",
	},
	{
		id: "getApp", method: http.MethodGet, path: "/apps/{app}", scope: administration.ScopeAppsRead,
		answer: AppDetails{}, codes: []string{"not_found"}, serve: (*Handler).getApp,
		summary: "Return an app with its latest events",
		text:    "The answer contains the app's events even if the API key lacks the scope events:read.",
	},
}

var eventOperations = []operation{
	{
		id: "listEvents", method: http.MethodGet, path: "/events", scope: administration.ScopeEventsRead,
		query: join(eventParameters, timeParameters, pageParameters), answer: EventPage{}, serve: (*Handler).listEvents,
		summary: "List the events of the audit log",
		text:    "The newest first. " + searchLimitText,
	},
	{
		id: "exportEvents", method: http.MethodGet, path: "/events/export", scope: administration.ScopeEventsRead,
		query: join(exportParameters, eventParameters, timeParameters), media: exportMedia,
		serve:   (*Handler).exportEvents,
		summary: "Export events as CSV or JSON lines",
		text:    "The newest first. An export is an event too.",
	},
}

var (
	// JSON lines are text: generated clients read a type with "json" in its name as one JSON value.
	exportMedia      = []string{"text/csv", "text/plain"}
	exportParameters = []parameter{
		{
			name: "format", kind: wordKind, words: []string{"csv", "jsonl"}, like: "jsonl", required: true,
			doc: "csv for spreadsheet programs, with formulas disarmed; jsonl for programs: one object on each line",
		},
		{name: "rows", kind: numberKind, most: limit.APIExport.Max, doc: "rows at most; the default is 1000000", like: 1000},
	}
)

func (h *Handler) listApps(*call) (any, error) {
	return Apps{Apps: convert(h.cfg.Service.Apps(), appOf)}, nil
}

func (h *Handler) getApp(c *call) (any, error) {
	d, err := h.cfg.Service.App(c.ctx, c.path("app"))
	if err != nil {
		return nil, err
	}
	return AppDetails{
		App: appOf(d.App), Snippet: d.Snippets[lang.English], // configuration to copy into the app or its proxy
		Events: convert(d.Events, eventOf), Failures: convert(d.Failures, eventOf),
	}, nil
}

// eventQuery returns the query of listEvents and exportEvents.
func (c *call) eventQuery() gateway.EventQuery {
	return gateway.EventQuery{
		UserID: c.text("user"), Kind: c.text("kind"), App: c.text("app"), Actor: c.text("actor"),
		Outcome: c.text("outcome"), RequestID: c.text("request_id"), Since: c.time("since"), Until: c.time("until"),
	}
}

func (h *Handler) listEvents(c *call) (any, error) {
	q := c.eventQuery()
	q.Before, q.Limit = c.after().Seq, c.limit()+1
	found, err := h.cfg.Service.Events(c.ctx, q)
	if err != nil {
		return nil, err
	}
	events, next := pageOf(found.Events, c.limit(), func(e gateway.Event) cursor { return cursor{Seq: e.ID} })
	if found.Cut != 0 { // the search stopped early; the next one continues there
		next = cursor{Seq: found.Cut}.String()
	}
	return EventPage{Events: convert(events, eventOf), Next: next, Cut: found.Cut != 0}, nil
}

func (h *Handler) exportEvents(c *call) (any, error) {
	return nil, h.export(c, "events", func(w io.Writer, f administration.Format, rows int) error {
		_, err := h.cfg.Service.ExportEvents(c.ctx, c.by, w, f, c.eventQuery(), rows)
		return err
	})
}

func (h *Handler) exportUsers(c *call) (any, error) {
	return nil, h.export(c, "users", func(w io.Writer, f administration.Format, rows int) error {
		_, err := h.cfg.Service.ExportUsers(c.ctx, c.by, w, f, gateway.UserSearch{}, rows)
		return err
	})
}

// export sends what write writes. If an error occurs before the response has begun, the response is
// a problem document (RFC 9457), as in every operation. A later error closes the connection, so that
// the client sees that the export is incomplete.
func (h *Handler) export(c *call, name string, write func(io.Writer, administration.Format, int) error) error {
	format, rows := administration.Format(c.text("format")), limit.APIExport.Max
	if n, sent := c.query["rows"].(int); sent {
		rows = n
	}
	media := exportMedia[0]
	if format == administration.JSONLines {
		media = exportMedia[1]
	}
	header := c.w.Header()
	late := &lateWriter{w: c.w, begin: func() {
		header.Set("Content-Type", media+"; charset=utf-8")
		header.Set("Content-Disposition", `attachment; filename="weigate-`+name+`.`+string(format)+`"`)
		header.Set("Cache-Control", "no-store")
	}}
	out := bufio.NewWriterSize(late, exportBuffer)
	// The struct hides the type: encoding/csv would use this buffer as its own, and flush it.
	err := write(struct{ io.Writer }{out}, format, rows)
	switch {
	case err != nil && late.begun:
		_ = h.problem(c.request, err) // logs the error
		panic(http.ErrAbortHandler)
	case err != nil:
		return err
	case out.Buffered() == 0 && !late.begun:
		late.begin() // no rows
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	return out.Flush()
}

// exportBuffer is how many bytes are buffered before the response begins. It is larger than any row,
// so that an error at the first row can still be answered as a problem.
const exportBuffer = 16 << 10

// lateWriter calls begin before the first byte.
type lateWriter struct {
	w     io.Writer
	begin func()
	begun bool
}

// Write writes to the response.
func (l *lateWriter) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.begin()
	}
	return l.w.Write(b)
}

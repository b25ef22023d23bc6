package admin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/internal/web"
)

// This file has the exports. An export is a form and not a link, because a GET request changes
// nothing, and each export records an event.

// exportPage asks for the format of an export.
type exportPage struct {
	*screen
	What   string // users or events
	Max    int    // greatest number of rows
	Inside bool   // the browser is WeChat's or WeCom's, which cannot save files
	Copy   string // address of the page, for another browser
	Fields []exportField
}

// exportField is a field of the list's filter. The form of the export sends it too.
type exportField struct{ Name, Value string }

// askExport serves the page of an export. The filter of the list is in the address.
func (h *Handler) askExport(v *visit, what string, names []string) error {
	p := exportPage{screen: h.screen(v), What: what, Max: limit.ExportedRows.Max}
	client := useragent.Of(v.r).Client
	p.Inside = client != useragent.Other
	// The URL of the gateway and the request URI both contain the gateway's path. h.root is this path plus
	// "/admin".
	gatewayPath := strings.TrimSuffix(h.root, "/admin")
	p.Copy = h.cfg.URL + strings.TrimPrefix(v.r.URL.RequestURI(), gatewayPath)
	for _, name := range names {
		if value := gateway.CleanLine(v.r.URL.Query().Get(name)); value != "" {
			p.Fields = append(p.Fields, exportField{Name: name, Value: value})
		}
	}
	return h.write(v, web.Document{
		View: "export", Title: h.text(v, "export."+what+".title"), Data: p, Trail: h.trail(v, what),
	})
}

// The parameters of the filters. The address of a list has them, and the address of its export too.
var (
	userFilterNames  = []string{"q", "status", "group", "admin", "no_unionid"}
	eventFilterNames = []string{"user", "kind", "app", "actor", "outcome", "request_id", "since", "until"}
)

func (h *Handler) askExportUsers(v *visit) error  { return h.askExport(v, "users", userFilterNames) }
func (h *Handler) askExportEvents(v *visit) error { return h.askExport(v, "events", eventFilterNames) }

func (h *Handler) exportUsers(v *visit) error {
	q := userSearch(v.r.PostForm.Get)
	return h.export(v, "users", func(ctx context.Context, w io.Writer, f administration.Format) (int, error) {
		return h.cfg.Service.ExportUsers(ctx, h.by(v), w, f, q, limit.ExportedRows.Max)
	})
}

func (h *Handler) exportEvents(v *visit) error {
	q := readEventFilter(v.r.PostForm.Get).query(h.cfg.TimeZone)
	return h.export(v, "events", func(ctx context.Context, w io.Writer, f administration.Format) (int, error) {
		return h.cfg.Service.ExportEvents(ctx, h.by(v), w, f, q, limit.ExportedRows.Max)
	})
}

// export sends a file. An error before the first byte is sent becomes a page. A later error closes
// the connection, so that nobody takes a part of the rows for all rows.
func (h *Handler) export(
	v *visit, what string, write func(context.Context, io.Writer, administration.Format) (int, error),
) error {
	format := administration.Format(v.r.PostForm.Get("format"))
	types := map[administration.Format]string{
		administration.CSV: "text/csv; charset=utf-8", administration.JSONLines: "application/jsonl; charset=utf-8",
	}
	if types[format] == "" {
		return errInput
	}
	out := &exportWriter{w: v.w, start: func() {
		name := fmt.Sprintf("weigate-%s-%s.%s", what, v.now.In(h.cfg.TimeZone).Format("20060102-1504"), format)
		v.w.Header().Set("Content-Type", types[format])
		v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		v.w.Header().Set("X-Content-Type-Options", "nosniff")
	}}
	_, err := write(v.r.Context(), out, format)
	switch {
	case err != nil && out.started:
		h.cfg.Logger.ErrorContext(v.r.Context(), "export aborted", "error", err,
			"request_id", h.cfg.RequestID(v.r.Context()))
		panic(http.ErrAbortHandler)
	case err != nil:
		return err
	}
	return out.finish()
}

// exportWriter keeps the beginning of an export, so that an early error can still become a page. It
// sends the beginning when it has exportBuffer bytes, and then passes on what follows.
type exportWriter struct {
	w       http.ResponseWriter
	start   func() // sets the headers
	started bool
	first   bytes.Buffer // the beginning
}

// exportBuffer is how many bytes of an export are kept before they are sent.
const exportBuffer = 64 << 10

// Write implements io.Writer.
func (e *exportWriter) Write(b []byte) (int, error) {
	if e.started {
		return e.w.Write(b)
	}
	e.first.Write(b)
	if e.first.Len() < exportBuffer {
		return len(b), nil
	}
	return len(b), e.finish()
}

// finish sends the beginning, if it is not sent yet.
func (e *exportWriter) finish() error {
	if e.started {
		return nil
	}
	e.started = true
	e.start()
	_, err := e.first.WriteTo(e.w)
	return err
}

package login

import (
	"log/slog"
	"net/http"
)

// log writes the one line of a sign-in that ended here. The address of the
// request is left out: it holds the code.
func (h *Handler) log(r *http.Request, f *flow, outcome string, err error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("outcome", outcome), slog.String("request", h.requestID(r))}
	if f != nil {
		attrs = append(attrs, slog.String("door", string(f.door)), slog.String("scope", string(f.scope)),
			slog.Int("restarts", restartsOf(f.state)))
	}
	if err != nil {
		level = slog.LevelWarn
		if outcome == string(OutcomeFault) {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.Any("error", err))
	}
	h.cfg.Logger.LogAttrs(r.Context(), level, "sign-in", attrs...)
}

// fail answers an error on our side: the cause goes to the log, the visitor gets
// a sentence and the name of the request.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := Page{Kind: PageFault, RequestID: h.requestID(r)}
	h.cfg.Logger.ErrorContext(r.Context(), "sign-in: failed", "error", err, "request", p.RequestID)
	h.show(w, r, p)
}

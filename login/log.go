package login

import (
	"log/slog"
	"net/http"
	"strings"
)

// Observation is one step of a sign-in, for metrics. It names nobody, and its
// values come from small sets.
type Event struct {
	// Outcome is "begun" when the browser was sent to WeChat; else what came of a
	// callback: the text of an OutcomeKind, "denied", "repeat" (it was answered
	// from the outcome of an earlier one), "lost" (it belongs to no flow of the
	// browser), "gave_up", "store_full" or "unavailable".
	Outcome string
	Method  Method // "" when the flow is not known
}

func (h *Handler) observe(r *http.Request, f *flow, outcome string) {
	o := Event{Outcome: outcome}
	if strings.HasPrefix(outcome, "repeat of ") {
		o.Outcome = "repeat"
	}
	if f != nil {
		o.Method = f.method
	}
	h.cfg.OnEvent(r.Context(), o)
}

// log writes the one line of a sign-in that ended here. The address of the
// request is left out: it holds the code.
func (h *Handler) log(r *http.Request, f *flow, outcome string, err error, more ...slog.Attr) {
	h.observe(r, f, outcome)
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("outcome", outcome), slog.String("request", h.requestID(r))}
	if f != nil {
		attrs = append(attrs, slog.String("method", string(f.method)), slog.String("scope", string(f.scope)),
			slog.Int("restarts", restartsOf(f.state)))
	}
	attrs = append(attrs, more...)
	if err != nil {
		level = slog.LevelWarn
		if outcome == string(OutcomeFault) || outcome == "unavailable" {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.Any("error", err))
	}
	h.cfg.Logger.LogAttrs(r.Context(), level, "sign-in", attrs...)
}

// who names a person in a log, well enough to find them and too little to be
// them: the openid is cut.
func who(appID, openID string) []slog.Attr {
	if len(openID) > 8 {
		openID = openID[:8] + "…"
	}
	return []slog.Attr{slog.String("appid", appID), slog.String("openid", openID)}
}

// pageFor is the page of an error on our side.
func pageFor(err error) PageKind {
	if isPassing(err) {
		return PageBusy
	}
	return PageFault
}

// fail answers an error on our side: the cause goes to the log, the visitor gets
// a sentence and the name of the request.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := Page{Kind: pageFor(err), RequestID: h.requestID(r)}
	h.cfg.Logger.ErrorContext(r.Context(), "sign-in: failed", "error", err, "request", p.RequestID)
	h.show(w, r, p)
}

package flow

import (
	"log/slog"
	"strings"
)

// Event is one step of a sign-in, for metrics. It identifies no user, and its values come from
// small sets.
type Event struct {
	Outcome string // one of the constants below, or an outcome of a redemption
	Method  Method // "" when the flow is not known
}

// The steps that are not the outcome of a redemption.
const (
	EventStarted     = "begun"       // the browser was sent to WeChat
	EventDenied      = "denied"      // the user declined at WeChat
	EventRepeat      = "repeat"      // a callback was answered from the outcome of an earlier one
	EventLost        = "lost"        // a callback belongs to no flow of the browser
	EventGaveUp      = "gave_up"     // WeChat refused codes several times in a row
	EventStoreFull   = "store_full"  // the store has reached a limit
	EventUnavailable = "unavailable" // the store cannot be reached
)

const repeatOf = "repeat of "

func (e *Engine) event(b Browser, f *Flow, outcome string) {
	if strings.HasPrefix(outcome, repeatOf) {
		outcome = EventRepeat
	}
	v := Event{Outcome: outcome}
	if f != nil {
		v.Method = f.Method
	}
	e.cfg.OnEvent(b.Request.Context(), v)
}

// log calls OnEvent and logs the one line of a callback. The line does not contain the address of
// the request, which has the code.
func (e *Engine) log(b Browser, f *Flow, outcome string, err error, more ...slog.Attr) {
	e.event(b, f, outcome)
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("outcome", outcome), slog.String("request_id", b.RequestID)}
	if f != nil {
		attrs = append(attrs, slog.String("method", string(f.Method)), slog.String("scope", string(f.Scope)),
			slog.Int("restarts", restartsOf(f.state)))
	}
	attrs = append(attrs, more...)
	if err != nil {
		level = slog.LevelWarn
		if outcome == OutcomeFault || outcome == EventUnavailable {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.Any("error", err))
	}
	e.cfg.Logger.LogAttrs(b.Request.Context(), level, "sign-in callback answered", attrs...)
}

// userAttrs returns log attributes that identify a user. The openid is shortened: it is enough to
// find the user, and not the whole identity.
func userAttrs(appID, openID string) []slog.Attr {
	if len(openID) > 8 {
		openID = openID[:8] + "…"
	}
	return []slog.Attr{slog.String("appid", appID), slog.String("openid", openID)}
}

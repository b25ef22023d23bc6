package web

import (
	"cmp"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"
)

// This file writes the log line of a request that was rejected, so that an administrator sees why.

// Refusal is what the log says about a rejected request.
type Refusal struct {
	Request  string      // what was rejected, such as "authorize"; a constant, "" = any request
	App      string      // id of the app; "" = the request identified none
	Reason   string      // a constant word; of a page, "" = its kind
	Compared []slog.Attr // the values that were compared; never a secret, a code or a token
}

// LogRefusal writes the log line of a rejected request. The line has the request id that the page
// and the header X-Request-Id have. It has the pattern of the route instead of the path, which may
// contain a secret.
func (s *Site) LogRefusal(r *http.Request, f Refusal) {
	s.logRefusal(r, f, s.cfg.RequestID(r.Context()))
}

func (s *Site) logRefusal(r *http.Request, f Refusal, requestID string) {
	attrs := []slog.Attr{
		slog.String("route", r.Pattern), slog.String("app", f.App), slog.String("reason", f.Reason),
	}
	attrs = append(attrs, f.Compared...)
	attrs = append(attrs, slog.String("request_id", requestID))
	s.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, strings.TrimSpace(f.Request+" request rejected"), attrs...)
}

// logPage writes the log line of a page, or of the same error for a program, if the page rejects the
// request and the caller has not logged that. Failures of the server (5xx) are logged where they
// occur. Package route logs requests over a rate limit and forms of other sites. An address that does
// not exist is not logged.
func (s *Site) logPage(r *http.Request, p Page, status int) {
	switch {
	case p.Logged, status < http.StatusBadRequest, status >= http.StatusInternalServerError,
		p.Kind == TooMany, p.Kind == ForeignForm, p.Kind == NotFound, r.Context().Err() != nil:
		return
	}
	f := p.Refusal
	f.Reason = cmp.Or(f.Reason, string(p.Kind))
	s.logRefusal(r, f, cmp.Or(p.RequestID, s.cfg.RequestID(r.Context())))
}

// maxLogged is how many bytes of a value that a client has sent are logged.
const maxLogged = 200

// LoggedText returns a value that a client has sent as the log has it: cut to maxLogged bytes.
func LoggedText(value string) string {
	if len(value) <= maxLogged {
		return value
	}
	cut := maxLogged
	for cut > 0 && !utf8.RuneStart(value[cut]) {
		cut--
	}
	return value[:cut] + "…"
}

var (
	userInfo   = regexp.MustCompile(`^((?:[^/\\:@]*:)?[/\\]*)[^/\\]*@`)
	queryStart = regexp.MustCompile(`\?|%3[Ff]`) // %3F: some programs encode their address twice
	parameter  = regexp.MustCompile(`[^&;]+`)
)

// LoggedURL returns an address that a client has sent as the log has it: without user name, values
// of the query and fragment, which may be codes or tokens, and cut to maxLogged bytes. A parameter
// without "=" may be a token as well.
func LoggedURL(address string) string {
	address, _, _ = strings.Cut(address, "#")
	path, query := address, ""
	if at := queryStart.FindStringIndex(address); at != nil {
		path = address[:at[0]]
		query = address[at[0]:at[1]] + parameter.ReplaceAllStringFunc(address[at[1]:], func(text string) string {
			name, _, hasValue := strings.Cut(text, "=")
			if !hasValue {
				return "…"
			}
			return name + "=…"
		})
	}
	return LoggedText(userInfo.ReplaceAllString(path, "$1…@") + query)
}

// LoggedURLs returns addresses of the configuration as the log has them. An app may have registered
// an address with a secret in its query.
func LoggedURLs(addresses []string) []string {
	var out []string
	for _, address := range addresses {
		out = append(out, LoggedURL(address))
	}
	return out
}

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

// Rejection is the content of the log line of a rejected request.
type Rejection struct {
	Request string // what was rejected, such as "authorize"; a constant, "" = any request
	App     string // id of the app; "" = the request identified none
	Reason  string // a constant word; on a page, "" = the kind of the page

	// Attrs are further attributes of the line: the values that led to the rejection, such as the
	// sent and the registered redirect URI. They contain no secret, code or token.
	Attrs []slog.Attr
}

// LogRejection writes the log line of a rejected request. The request id in the line is also on the
// page and in the header X-Request-Id. The line has the pattern of the route, not the path: the
// path may contain a secret.
func (s *Site) LogRejection(r *http.Request, rejection Rejection) {
	s.logRejection(r, rejection, s.cfg.RequestID(r.Context()))
}

func (s *Site) logRejection(r *http.Request, rejection Rejection, requestID string) {
	attrs := []slog.Attr{
		slog.String("route", r.Pattern), slog.String("app", rejection.App), slog.String("reason", rejection.Reason),
	}
	attrs = append(attrs, rejection.Attrs...)
	attrs = append(attrs, slog.String("request_id", requestID))
	s.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, strings.TrimSpace(rejection.Request+" request rejected"), attrs...)
}

// logPage writes the log line of a rejected request, whether the response is a page or JSON. It
// writes nothing when
//
//   - the caller has written the line (Page.AlreadyLogged);
//   - the status is 5xx: failures of the server are logged where they occur;
//   - the kind is TooMany or ForeignForm: package route logs these rejections;
//   - the address does not exist; or
//   - the client has disconnected.
func (s *Site) logPage(r *http.Request, p Page, status int) {
	switch {
	case p.AlreadyLogged, status < http.StatusBadRequest, status >= http.StatusInternalServerError,
		p.Kind == TooMany, p.Kind == ForeignForm, p.Kind == NotFound, r.Context().Err() != nil:
		return
	}
	rejection := p.Rejection
	rejection.Reason = cmp.Or(rejection.Reason, string(p.Kind))
	s.logRejection(r, rejection, cmp.Or(p.RequestID, s.cfg.RequestID(r.Context())))
}

// maxLogged is how many bytes of a value that a client has sent are logged.
const maxLogged = 200

// LoggedText cuts a value from a client to maxLogged bytes, for the log.
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
	// userInfo matches "https://user:password@"; its group is "https://".
	userInfo   = regexp.MustCompile(`^((?:[^/\\:@]*:)?[/\\]*)[^/\\]*@`)
	queryStart = regexp.MustCompile(`\?|%3[Ff]`) // %3F: some programs encode their address twice
	parameter  = regexp.MustCompile(`[^&;]+`)
)

// LoggedURL prepares an address from a client for the log. It hides the parts that may be codes or
// tokens: the user name and password, the values in the query, and the fragment. It also hides a
// parameter without "=", since the whole parameter may be a token. The result is cut to maxLogged
// bytes.
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

// LoggedURLs applies LoggedURL to addresses of the configuration, for the log. A registered address
// of an app may have a secret in its query.
func LoggedURLs(addresses []string) []string {
	var out []string
	for _, address := range addresses {
		out = append(out, LoggedURL(address))
	}
	return out
}

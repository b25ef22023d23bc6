package forwardauth

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// This file reads and writes return paths. A return path is a path with its query: the browser
// continues there on the site after sign-in.
//
// Each step of a sign-in carries the return path in its address. The steps are start, serveHandoff
// and finish. By default nginx accepts request lines of 8 kB. Percent-encoding would triple a path
// with many escapes. So a long path is written in a compact form, whose length is about that of the
// path.

const (
	// maxReturn is the greatest length of a return path in its compact form, in bytes. The addresses
	// that carry it are about 150 bytes longer at most.
	maxReturn = 8000

	// maxEscapedReturn is the greatest length of a percent-encoded return path in the parameter
	// paramReturn. A longer path is sent in compact form, in the parameter paramCompactReturn.
	maxEscapedReturn = 1000

	// maxVerifyLocation is the greatest length of the header Location in a response of /verify: a
	// proxy may not accept longer headers. The gateway's other redirects can be longer.
	maxVerifyLocation = 3000
)

// returnParameter returns the query parameter with a return path.
func returnParameter(path string) string {
	if escaped := url.QueryEscape(path); len(escaped) <= maxEscapedReturn {
		return paramReturn + "=" + escaped
	}
	return paramCompactReturn + "=" + compactReturn.Replace(path)
}

// The compact form of a return path exchanges "%" for "*" and "&" for "!", because many paths
// contain "%" and "&", which have a meaning in a query. Other characters with a meaning are
// percent-encoded, and need three bytes: "*", "!", ";", "#" and the apostrophe. They are rare in
// paths. Browsers encode an apostrophe in a query, but not in a path.
var (
	compactReturn = strings.NewReplacer("%", "*", "&", "!", "*", "%2A", "!", "%21", ";", "%3B", "'", "%27", "#", "%23")
	expandReturn  = strings.NewReplacer("*", "%", "!", "&", "%2A", "*", "%21", "!", "%3B", ";", "%27", "'", "%23", "#")
)

// tooLongToReturn reports whether a return path is too long for a sign-in, which must carry it.
func tooLongToReturn(path string) bool {
	return len(path) > maxReturn || len(compactReturn.Replace(path)) > maxReturn
}

// readReturn returns the return path in a query, as cleanReturn returns it. It returns "/" if the
// query has no return path.
func readReturn(rawQuery string) string {
	for parameter := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		switch name {
		case paramCompactReturn:
			return cleanReturn(expandReturn.Replace(value))
		case paramReturn:
			if text, err := url.QueryUnescape(value); err == nil {
				return cleanReturn(text)
			}
			return "/"
		}
	}
	return "/"
}

// cleanReturn returns a return path in a form that every browser parses as a path of the same host.
// If browsers parse the path differently, or if it is too long, cleanReturn returns "/".
func cleanReturn(target string) string {
	target, _, _ = strings.Cut(target, "#")
	if !strings.HasPrefix(target, "/") || tooLongToReturn(target) {
		return "/"
	}
	var out strings.Builder
	for _, c := range []byte(target) {
		switch {
		case c <= ' ' || c == 0x7f || c == '\\':
			return "/"
		case c > 0x7f || c == '"' || c == '<' || c == '>':
			escape(&out, c)
		default:
			out.WriteByte(c)
		}
	}
	clean := "/" + strings.TrimLeft(out.String(), "/") // never "//host"
	u, err := url.ParseRequestURI(clean)
	if err != nil || tooLongToReturn(clean) || strings.ContainsAny(u.Path, "\\\x00\r\n") {
		return "/"
	}
	if at := path.Clean(u.Path) + "/"; strings.HasPrefix(at, hostPrefix) {
		return "/" // not a path of the app: the gateway serves it on the host
	}
	return clean
}

// escape writes a byte percent-encoded.
func escape(out *strings.Builder, c byte) { fmt.Fprintf(out, "%%%02X", c) }

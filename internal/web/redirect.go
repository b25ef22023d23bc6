package web

import (
	"net/http"
	"time"
)

// maxRedirectHeaders is the greatest size of the headers of a redirect, in bytes. By default nginx
// reads the headers of a response into a buffer of one memory page (proxy_buffer_size), which is 4
// kB on most machines. If the headers do not fit, nginx responds with 502. The limit is below 4 kB,
// because the server adds a few headers after Redirect.
const maxRedirectHeaders = 3 << 10

// continueAtOnce is the ContinueAfter of a page that continues immediately (0 = never).
const continueAtOnce = time.Millisecond

// Redirect redirects the browser to an address with a status, such as http.StatusSeeOther. If the
// headers of the response become too large for a proxy, Redirect shows a page instead. The page
// continues at the address automatically, and has a link to it. Set all cookies before the call.
// registered are the redirect URIs of the app, if the address belongs to an app; see [ToApp].
//
// The address may contain a code. The page keeps the code as secret as a redirect does: the page is
// not cached, and the browser sends no Referer to the address.
//
// A program and a frame always get the redirect. A program does not read the page, and a browser
// does not show a page of the gateway in a frame.
func (s *Site) Redirect(w http.ResponseWriter, r *http.Request, status int, address string, registered ...string) {
	size := headerSize("Location", address)
	for name, values := range w.Header() {
		for _, value := range values {
			size += headerSize(name, value)
		}
	}
	if to := ToApp(address, registered); size > maxRedirectHeaders && !isProgram(r) && !isFrame(r) {
		page := Page{Kind: Continue, Go: address, ContinueAfter: continueAtOnce}
		if to != (AppLink{}) {
			page.Go, page.GoToApp = "", to
		}
		s.Show(w, r, page)
		return
	}
	header := w.Header()
	header.Set("Location", address)
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
}

// headerSize returns the bytes of one header line.
func headerSize(name, value string) int { return len(name) + len(": ") + len(value) + len("\r\n") }

// isFrame reports whether the response is for a frame of another page, and not for a whole window.
// It returns false for older browsers, which do not send Sec-Fetch-Dest.
func isFrame(r *http.Request) bool {
	destination := r.Header.Get("Sec-Fetch-Dest")
	return destination != "" && destination != "document"
}

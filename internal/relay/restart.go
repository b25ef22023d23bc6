package relay

import (
	"net/http"
	"net/url"
)

// RestartURL returns the address at which an authorize request starts from the beginning, given an
// address of it that was on its way through sign-in; ok is false for any other address. What was
// done for the request so far does not count any more.
func (h *Handler) RestartURL(address string) (restart string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" {
		return "", false
	}
	website := u.EscapedPath() == h.path+pathQRConnect
	if !website && u.EscapedPath() != h.path+pathAuthorize {
		return "", false
	}
	req, err := h.parse(&http.Request{URL: u}, website)
	if err != nil {
		return "", false
	}
	return h.requestURL(req), true
}

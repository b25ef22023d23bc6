package forwardauth

import (
	"net/url"
	"strings"
)

// RestartURL returns the address at which a handoff starts from the beginning, given the return
// address of its sign-in: on the host, since a handoff works only with the nonce that the browser
// has there. ok is false for any other address.
func (h *Handler) RestartURL(returnTo string) (address string, ok bool) {
	rest, ok := strings.CutPrefix(returnTo, h.path+pathHandoff+"?")
	if !ok {
		return "", false
	}
	q, err := url.ParseQuery(rest)
	s := h.origins[q.Get(paramTo)]
	if err != nil || s == nil {
		return "", false
	}
	return s.start(cleanReturn(q.Get(paramReturn))), true
}

package oidc

import "net/url"

// RestartURL returns the address at which an authorize request starts from the beginning, given an
// address of it that was on its way through sign-in; ok is false for any other address. What was
// done for the request so far does not count any more, except that the user has confirmed it.
func (h *Handler) RestartURL(address string) (restart string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" || u.EscapedPath() != h.path+pathAuthorize {
		return "", false
	}
	q := u.Query()
	for _, own := range []string{paramLoginRequest, paramCancel} {
		q.Del(own)
	}
	return h.path + pathAuthorize + "?" + q.Encode(), true
}

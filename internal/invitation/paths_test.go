package invitation_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/weigate/weigate/internal/invitation"
	"github.com/weigate/weigate/internal/route"
)

// TestNoPathOfALinkIsLogged: chats add a slash to links, and scanners send other methods. The log had
// the secret of such a link, which still works.
func TestNoPathOfALinkIsLogged(t *testing.T) {
	t.Parallel()
	mux := route.NewMux()
	new(invitation.Handler).Mount(mux)
	mux.HandleFunc("/", http.NotFound, route.LimitedOther)
	for _, path := range []string{"/invite/secret", "/invite/secret/", "/invite/secret/x", "/invite//secret"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodOptions} {
			if mux.Policy(httptest.NewRequest(method, path, nil))&route.Private == 0 {
				t.Errorf("%s %s is logged with its secret", method, path)
			}
		}
	}
}

package app_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// Pages of the gateway lead back to a native app with its own scheme: from an error page, and after
// a sign-out.
func TestPagesLeadBackToANativeApp(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(w *gatewayFixture) {
		native := w.client("native", gateway.AccessListed)
		native.Access.Groups = []string{"staff"}
		native.Public, native.Secrets = true, nil
		native.RedirectURIs, native.PostLogoutRedirectURIs = []string{"com.example.app:/callback"},
			[]string{"com.example.app:/bye"}
		w.config.Apps = append([]config.App{native}, w.config.Apps...)
	})
	alice := w.phone("alice")
	page := alice.WantPage(
		alice.Must(alice.Open(t.Context(), w.authorize("native", "redirect_uri", "com.example.app:/callback"))), "refused",
		403)
	if !strings.Contains(page.Body, `id="back" href="com.example.app:/callback?error=access_denied&amp;`) {
		t.Errorf("no way back: %s", page.Body)
	}
	alice.WantPage(alice.Must(
		alice.Open(t.Context(),
			w.url+"/oauth2/logout?client_id=native&post_logout_redirect_uri=com.example.app%3A%2Fbye&state=s")), "app_sign_out",
		200)
	page = alice.WantPage(alice.Must(alice.Submit(t.Context(), "", nil)), "app_signed_out", 200)
	if !strings.Contains(page.Body, `id="go" href="com.example.app:/bye?state=s"`) {
		t.Errorf("no way on: %s", page.Body)
	}
}

package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

// formPostApp is an app that receives the response of the sign-in as a form. Then it redirects to
// its home page, which has another host, as an app does whose API and pages have different hosts.
type formPostApp struct {
	*httptest.Server
	home string
}

func newFormPostApp(t *testing.T) *formPostApp {
	t.Helper()
	a := &formPostApp{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /signin-oidc", func(w http.ResponseWriter, r *http.Request) {
		if len(r.PostFormValue("code")) < 20 || r.URL.RawQuery != "" || r.Header.Get("Origin") == "null" {
			http.Error(w, "no response of a sign-in", http.StatusBadRequest)
			return
		}
		to := fmt.Sprintf("%s?state=%d", a.home, len(r.PostFormValue("state")))
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
	mux.HandleFunc("GET /home", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><title>App</title><p id="home">%s</p>`, r.URL.Query().Get("state"))
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	a.home = strings.Replace(a.URL, "127.0.0.1", "localhost", 1) + "/home"
	return a
}

// config is the app in the configuration of the gateway.
func (a *formPostApp) config() config.App {
	return config.App{
		App: gateway.App{ID: "aspnet", Kind: gateway.AppOIDC, Name: "Example App",
			Access: gateway.AccessRule{Rule: gateway.AccessSignedIn}},
		Secrets: []wechat.Secret{leaktest.Secret}, RedirectURIs: []string{a.URL + "/signin-oidc"},
		PostLogoutRedirectURIs: []string{a.home},
	}
}

// The browser sends the response to the app as a form, by the script of the page or by its button.
// The Content-Security-Policy must also allow the redirect that follows.
func TestFormPostReachesTheApp(t *testing.T) {
	t.Parallel()
	for l := range auditedLooks {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			client := newFormPostApp(t)
			g := startInProcess(t, func(c *config.Config) { c.Apps = append(c.Apps, client.config()) })
			w := open(t, &g.addresses, l)
			w.isBrowser(wechatAgent)
			authorize := func(state int) string {
				return g.gateway + "/oauth2/authorize?" + url.Values{"client_id": {"aspnet"}, "response_type": {"code"},
					"response_mode": {"form_post"}, "redirect_uri": {client.URL + "/signin-oidc"}, "scope": {"openid"},
					"state": {strings.Repeat("s", state)}}.Encode()
			}
			w.visit(authorize(100))
			w.signsIn("alice")
			w.waits("#home")
			if got := w.text("#home"); got != "100" {
				t.Errorf("the app received %s bytes of state", got)
			}
			w.visit(authorize(7000))
			w.waits("#home")
			if got := w.text("#home"); got != "7000" {
				t.Errorf("the app received %s bytes of state", got)
			}
			scripts := func(on bool) {
				command(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
			}
			scripts(false)
			w.visit(authorize(200))
			w.waits("main#form_post")
			scripts(true) // the page was loaded without its script, and axe-core needs scripts
			w.see("form-post")
			w.press("#to-app button")
			w.waits("#home")
			if got := w.text("#home"); got != "200" {
				t.Errorf("without JavaScript the app received %s bytes of state", got)
			}
		})
	}
}

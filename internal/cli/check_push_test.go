package cli_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/cli"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/push"
)

// TestCheckPush runs "weigate check" for each answer of the address to which WeChat pushes messages.
func TestCheckPush(t *testing.T) {
	t.Parallel()
	receiver := func(token wechat.Secret) http.HandlerFunc {
		h, err := push.New(push.Config{AppID: "wx0123456789abcdef", Token: token,
			AESKey: wechat.Secret(strings.Repeat("a", 43)),
			Handle: func(context.Context, push.Message) (push.Reply, error) { return push.Reply{}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		return h.ServeHTTP
	}
	for _, tt := range []struct {
		name   string
		serve  http.HandlerFunc // nil = nothing answers
		url    string           // of the gateway; "" = the server that serves
		want   string           // on stdout
		failed string           // on stderr
	}{
		{name: "right", serve: receiver("pushtoken1"), want: "it answers the check with this token"},
		{name: "another token", serve: receiver("pushtoken2"), failed: "refuses the token"},
		{name: "not started", want: "does not answer from here"},
		{name: "a redirect", serve: http.RedirectHandler("https://x.example", 301).ServeHTTP,
			failed: "redirects: WeChat does not"},
		{name: "another server", serve: http.NotFound, failed: "answers with status 404"},
		{name: "quotes around echostr", failed: "answers with status 200, and not with the echostr",
			serve: func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte(`"` +
					r.FormValue("echostr") + `"`))
			}},
		{name: "another port", url: "https://login.example.com:8443",
			failed: "to the ports 80 and 443 only, not to 8443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.serve == nil {
					panic(http.ErrAbortHandler)
				}
				if strings.HasPrefix(r.URL.Path, "/.well-known/") { // TestCheckURL has other answers
					fmt.Fprintf(w, `{"issuer": "http://%s"}`, r.Host)
					return
				}
				asked = r.URL.Path
				tt.serve(w, r)
			}))
			defer server.Close()
			file := filepath.Join(t.TempDir(), "weigate.yaml")
			text := "url: " + cmp.Or(tt.url, server.URL) + "\nlisten: 127.0.0.1:0\nmetrics: \"\"\n" +
				"store: \"sqlite::memory:\"\nmaster_key_file: " +
				file + ".key\n" +
				"wechat: [{name: main, kind: subscription_account, appid: wx0123456789abcdef,\n" +
				" push: {token: pushtoken1, aes_key: " + strings.Repeat("a", 43) + ", account_name: Example}}]\n" +
				"apps: [{id: open, kind: oidc, public: true, access: approved, redirect_uris: [http://127.0.0.1/cb]}]\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, told bytes.Buffer
			err := cli.Run(t.Context(), []string{"check", "-c", file}, nil, &out, &told,
				func(string) string { return "" })
			if (err == nil) != (tt.failed == "") || !strings.Contains(out.String(), tt.want) ||
				!strings.Contains(told.String(), tt.failed) {
				t.Errorf("%v\n%s%s", err, &out, &told)
			}
			if tt.serve != nil && asked != "/wechat/push/main" {
				t.Errorf("asked %q", asked)
			}
			if strings.Contains(out.String()+told.String(), "pushtoken1") {
				t.Error("the token is printed")
			}
			leaktest.Check(t, "what the check prints", out.String(), told.String())
		})
	}
}

package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
)

// writeFile writes a private configuration file and returns its path.
func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weigate.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReportShowsNoSecrets(t *testing.T) {
	t.Parallel()
	path := writeFile(t, `# a comment with LEAK
url: https://login.example.com
store: postgres://weigate:LEAK@db.example.com/weigate?sslpassword=LEAK
session: {idle: 24h}
trusted_proxies: [127.0.0.1, 10.0.0.0/8]
site: {title: "true", contact: "LEAK", icp_hosts: {wiki.example.com: 京ICP备12345678号-2}}
tls: {acme: {email: ""}}
access: {openids: [LEAK, LEAK2]}
notify:
  - name: ops
    kind: wecom
    url: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=LEAK"
    events: [waiting]
    mention: [LEAK]
wechat:
  - name: main
    kind: official_account
    appid: wx0123456789abcdef
    secret: &secret LEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAK
    push:
      token: LEAKLEAK
      aes_key: LEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAKLEAKLEA
      account_name: Example
      original_id: gh_0123456789ab
      forward: "https://push.example.com/LEAK?token=LEAK"
apps:
  - id: wiki
    kind: oidc
    name: Wiki
    secret: [*secret, LEAK-and-more]
    redirect_uris: ["https://wiki.example.com/callback?state=LEAK", "com.example:/cb?key=LEAK"]
    access: {users: [LEAK]}
  - {id: docs, kind: forward_auth, hosts: [docs.example.com], access: approved}
`)
	getenv := func(name string) string {
		return map[string]string{"WEIGATE_LOG_LEVEL": "debug", "WEIGATE_APPS_WIKI_SECRET": "LEAK", "HOME": "/root"}[name]
	}
	text, variables, err := config.Redacted(path, getenv)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "LEAK") {
		t.Errorf("a secret is shown:\n%s", text)
	}
	for _, want := range []string{
		"url: https://login.example.com\n", "store: postgres://db.example.com/weigate [redacted in part]\n", "idle: 24h\n",
		"- 10.0.0.0/8\n", "    email: \"\"\n", "title: \"true\"\n", "access: approved\n", "appid: wx0123456789abcdef\n",
		"original_id: gh_0123456789ab\n", "- waiting\n", "- docs.example.com\n", "secret: '[redacted: 2]'\n",
		"openids: '[redacted: 2]'\n", "icp_hosts: '[not shown: 1]'\n",
		"forward: https://push.example.com [redacted in part]\n", "- com.example:/cb? [redacted in part]\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	slices.Sort(variables)
	if want := []string{"WEIGATE_APPS_WIKI_SECRET", "WEIGATE_LOG_LEVEL"}; !slices.Equal(variables, want) {
		t.Errorf("variables %v, want %v", variables, want)
	}
}

// A value with a problem may be a secret in the wrong key.
func TestReportShowsNoMisplacedSecrets(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]string{
		"an unknown key":                "secrt: LEAK",
		"a key that is a secret":        "LEAK: 1",
		"an unknown key with a mapping": "sekret:\n  key: LEAK",
		"a wrong value":                 "listen: LEAK",
		"a wrong type":                  "session: LEAK",
		"a wrong item":                  "trusted_proxies: [127.0.0.1, LEAK]",
		"a wrong item on its own line":  "trusted_proxies:\n  - 127.0.0.1\n  - LEAK",
		"a list for a text":             "log:\n  level: [LEAK]",
		"a mapping for a text":          "listen: {LEAK: LEAK}",
		"a mapping in a list":           "verify_files:\n  - {LEAK: LEAK}",
		"a list in a list":              "verify_files: [[LEAK]]",
		"a secret as a file name":       "store_file: LEAK",
		"a secret as an address":        "store: LEAK",
		"an address without a host":     "store: postgres:LEAK",
		"a broken address":              `url: "http://u:LEAK@[::1"`,
		"a secret of the wrong type":    "wechat: [{name: a, kind: website, appid: LEAK, secret: {LEAK: LEAK}}]",
		"an app without a kind":         "apps:\n  - id: a\n    secret: LEAK",
		"a merge key":                   "session: {<<: {idle: LEAK}}",
		"a duplicate key":               "listen: 127.0.0.1:8080\nlisten: LEAK",
		"a master key":                  "master_key: LEAK",
		"a master key as a file name":   "master_key_file: LEAK",
		"a private key as a file name":  "tls: {key: LEAK}",
		"a query of a native app":       "apps: [{id: a, kind: oidc, redirect_uris: ['com.example:/cb?key=LEAK']}]",
	} {
		t.Run(name, func(t *testing.T) {
			text, _, err := config.Redacted(writeFile(t, "insecure: true\n"+wrong+"\n"), nil)
			if err != nil || strings.Contains(text, "LEAK") || !strings.Contains(text, "insecure: true\n") {
				t.Errorf("%v:\n%s", err, text)
			}
		})
	}
	for _, wrong := range []string{"LEAK", "- LEAK", "LEAK: [", "", "a: &a [*a]\nb: LEAK"} {
		if text, _, err := config.Redacted(writeFile(t, wrong), nil); err != nil && strings.Contains(err.Error(), "LEAK") ||
			strings.Contains(text, "LEAK") {
			t.Errorf("%q: %q, %v", wrong, text, err)
		}
	}
}

// A variable overrides a value, which may nevertheless be a secret in the wrong key.
func TestReportShowsNoOverriddenSecrets(t *testing.T) {
	t.Parallel()
	getenv := func(name string) string {
		return map[string]string{
			"WEIGATE_LOG_LEVEL": "debug", "WEIGATE_WECHAT_MAIN_SECRET": "0123456789abcdef0123456789abcdef",
			"WEIGATE_LISTEN": "127.0.0.1:8080", "WEIGATE_STORE": "sqlite:weigate.db",
		}[name]
	}
	text, _, err := config.Redacted(writeFile(t, `url: https://login.example.com
listen: LEAK
log: {level: LEAK, format: text}
store_file: LEAK
wechat:
  - name: main
    kind: website
    appid: wx0123456789abcdef
    secret_file: LEAK
`), getenv)
	if err != nil || strings.Contains(text, "LEAK") {
		t.Errorf("%v:\n%s", err, text)
	}
	for _, want := range []string{"url: https://login.example.com\n", "appid: wx0123456789abcdef\n", "name: main\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
}

// TestReportShowsTheExample redacts the example file. What it shows is a valid configuration, except
// for the secrets.
func TestReportShowsTheExample(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../weigate.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := config.Redacted(writeFile(t, string(example)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"verify_cache: 5s\n", "kind: wecom\n", "return_urls:\n", "refresh: 720h\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
}

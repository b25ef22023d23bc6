package cli_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cli"
	"github.com/weigate/weigate/internal/config"
	fixtures "github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

// object is a mapping of a configuration.
type object = map[string]any

// everyKind returns a valid configuration with a connector, a receiver of notices, and an app of each
// kind.
func everyKind() object {
	return object{
		"url": "https://login.example.com", "trusted_proxies": []string{"127.0.0.1"},
		"notify": []object{
			{"name": "ops", "kind": "wecom", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k"},
			{"name": "hook", "kind": "json", "url": "https://hook.example.com/", "secret": leaktest.Secret},
		},
		"wechat": []object{{"name": "main", "kind": "official_account", "appid": "wx0123456789abcdef",
			"secret": leaktest.Secret,
			"push": object{"token": "pushtoken1", "aes_key": strings.Repeat("a", 43), "account_name": "A",
				"replies": object{"keywords": []object{{"words": []string{"hours"}, "text": "9 to 17"}}}}}},
		"apps": []object{
			{"id": "wiki", "kind": "oidc", "secret": leaktest.Secret, "access": "signed_in",
				"redirect_uris": []string{"https://wiki.example.com/cb"}},
			{"id": "site", "kind": "forward_auth", "access": "signed_in", "hosts": []string{"site.example.com"}},
			{"id": "shop", "kind": "relay", "appid": "wx00000000000000aa", "secret": leaktest.Secret,
				"connector": "main", "access": "signed_in", "return_urls": []string{"https://shop.example.com"}},
		},
	}
}

// set sets a key of a configuration. The key is a path such as wechat[].push.token, in which [] is the
// item with the given index, or the first one if there is only one.
func set(in object, key string, index int, value any) {
	name, rest, more := strings.Cut(key, ".")
	name, list := strings.CutSuffix(name, "[]")
	switch {
	case !more:
		in[name] = value
		return
	case list:
		items := in[name].([]object)
		set(items[min(index, len(items)-1)], rest, index, value)
		return
	}
	inner, ok := in[name].(object)
	if !ok {
		inner = object{}
		in[name] = inner
	}
	set(inner, rest, index, value)
}

// checkOf runs "weigate check" on a configuration, and returns its output.
func checkOf(t *testing.T, dir string, conf object, flags ...string) (out, errs string) {
	t.Helper()
	text, err := json.Marshal(conf) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "weigate.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	_ = cli.Run(t.Context(), append([]string{"check", "-c", file}, flags...), nil, &stdout, &stderr,
		func(string) string { return "" }) // the output has the errors
	leaktest.Check(t, "what the check prints", stdout.String(), stderr.String())
	return stdout.String(), stderr.String()
}

// No key of the configuration is read without a rule: check rejects a value that has the wrong form for
// each of them, and names the key.
func TestCheckRejectsAWrongValueOfEveryKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, errs := checkOf(t, dir, everyKind(), "--offline"); strings.Contains(errs, "error") {
		t.Fatalf("the configuration itself: %s", errs)
	}
	for _, key := range config.Keys() {
		if !rejectsWrongValue(t, dir, key) {
			t.Errorf("a value of the wrong form for %s is not rejected", key)
		}
	}
}

// rejectsWrongValue sets a key to values of the wrong form, in an item of each kind.
func rejectsWrongValue(t *testing.T, dir, key string) bool {
	t.Helper()
	items := 1
	if strings.HasPrefix(key, "apps[]") || strings.HasPrefix(key, "notify[]") {
		items = 3
	}
	name := key[strings.LastIndexByte(key, '.')+1:]
	for _, wrong := range []any{object{"not": []string{"a", "value"}}, [][]int{{1}}} {
		for item := range items {
			conf := everyKind()
			set(conf, key, item, wrong)
			_, errs := checkOf(t, dir, conf, "--offline")
			for line := range strings.Lines(errs) {
				if strings.Contains(line, "error: ") && strings.Contains(line, name) &&
					!strings.Contains(line, "only valid for kind") {
					return true
				}
			}
		}
	}
	return false
}

// checksOfKeys are the keys that name something outside the configuration, with the check that looks at
// it. A file that only the configuration reads, such as a logo, is checked when it is read.
var checksOfKeys = map[string][]string{
	"url":           {"url"},
	"listen":        {"listen"},
	"metrics":       {"metrics"},
	"certificate":   {"tls.certificate", "tls.key"},
	"tls.acme":      {"tls.acme.directory", "tls.acme.ca_file"},
	"store":         {"store", "store_file"},
	"master key":    {"master_key_file"},
	"wechat.main":   {"wechat[].kind", "wechat[].appid", "wechat[].secret", "wechat[].secret_file", "wechat[].api"},
	"notify.ops":    {"notify[].url", "notify[].url_file", "notify[].private_addresses", "outgoing.proxy"},
	"apps.wiki":     {"apps[].backchannel_logout_uri", "outgoing.private_apps"},
	"apps.shop":     {"apps[].connector", "apps[].website_connector", "apps[].appid", "apps[].return_urls"},
	"apps.site":     {"apps[].hosts"},
	"verify file":   {"verify_files"},
	"configuration": {"apps[].id", "apps[].kind", "wechat[].name"},

	"tls.acme.listen_http": {"tls.acme.listen_http"},
	"outgoing.ca_file":     {"outgoing.ca_file"},

	"wechat.main.push": {"wechat[].push.token", "wechat[].push.token_file", "wechat[].push.aes_key",
		"wechat[].push.aes_key_file"},
	"wechat.main.push.forward": {"wechat[].push.forward"},
}

// valuesAlone are the keys (or the beginnings of keys) whose values mean nothing outside the
// configuration, so that the rules of their values are all that can be checked: TestCheckRejectsA…
var valuesAlone = []string{
	"insecure", "trusted_proxies", "session.", "profile_max_age", "verify_cache", "verified_email_domains", "limits.",
	"events.", "log.", "admin.", "access", "tls.acme.email",
	"site.", // texts, colors, and pictures, which are read with the configuration; addresses for browsers
	"notify[].name", "notify[].kind", "notify[].secret", "notify[].events", "notify[].keyword", "notify[].mention",
	"notify[].language", // a test message shows them: weigate notify test
	"wechat[].open_platform", "wechat[].any_browser", "wechat[].control",
	"wechat[].open", // browsers open it, this machine need not reach it
	// The previous secrets, and what the pages and the replies show.
	"wechat[].push.previous_", "wechat[].push.mode", "wechat[].push.plaintext_without_protection",
	"wechat[].push.original_id", "wechat[].push.account_", "wechat[].push.qr_code", "wechat[].push.language",
	"wechat[].push.replies.",
	// Addresses for browsers, secrets that the app has too, and what the gateway answers to the app.
	"apps[].name", "apps[].secret", "apps[].public", "apps[].require_pkce", "apps[].redirect_uris",
	"apps[].post_logout_redirect_uris", "apps[].response_modes", "apps[].omit_iss", "apps[].origins", "apps[].access",
	"apps[].methods", "apps[].ask_profile", "apps[].home_url", "apps[].icon", "apps[].description", "apps[].hidden",
	"apps[].subject", "apps[].email", "apps[].id_token_", "apps[].old_id_claim", "apps[].claims", "apps[].lifetimes.",
	"apps[].preflight",
}

// Every key is covered by a check, or listed as one whose value is all that can be checked. The checks
// exist: a configuration that has everything gets a result of each.
func TestCheckCoversEveryKey(t *testing.T) {
	t.Parallel()
	checked := map[string]bool{}
	for _, keys := range checksOfKeys {
		for _, key := range keys {
			checked[key] = true
		}
	}
	all := config.Keys()
	for _, key := range all {
		alone := slices.ContainsFunc(valuesAlone, func(prefix string) bool {
			return key == prefix || strings.HasPrefix(key, prefix) && !checked[key]
		})
		if alone == checked[key] {
			t.Errorf("%s: covered by a check: %v, listed as a value alone: %v", key, checked[key], alone)
		}
	}
	for key := range checked {
		if !slices.Contains(all, key) {
			t.Errorf("%s is not a key", key)
		}
	}
	results := map[string]bool{}
	for _, acme := range []bool{false, true} {
		out, errs := checkOf(t, t.TempDir(), everything(t, acme), "--json")
		if out == "" {
			t.Fatal(errs)
		}
		for line := range strings.Lines(out) {
			var result struct{ Check string }
			if err := json.Unmarshal([]byte(line), &result); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			results[result.Check] = true
		}
	}
	for check := range checksOfKeys {
		if !results[check] {
			t.Errorf("no result of the check %s", check)
		}
	}
}

// everything returns a configuration with a value for each key that a check looks at, and with a
// certificate from files or by ACME.
func everything(t *testing.T, acme bool) object {
	t.Helper()
	wx, err := wechattest.New(wechattest.Config{Apps: []wechattest.App{{Kind: wechattest.OfficialAccount,
		AppID: "wx0123456789abcdef", Secret: leaktest.Secret, Name: "A", Domains: []string{"login.example.com"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wx.Close)
	server := httptest.NewServer(wx)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	fixtures.WriteCertificate(t, cert, key, "login.example.com", time.Now().Add(60*24*time.Hour))
	conf := everyKind()
	tls := object{"certificate": cert, "key": key}
	if acme {
		tls = object{"acme": object{"directory": "https://127.0.0.1:1/directory", "ca_file": cert,
			"listen_http": "127.0.0.1:0"}}
	}
	for key, value := range map[string]any{
		"listen": "127.0.0.1:0", "metrics": "127.0.0.1:0", "tls": tls, "wechat[].api": server.URL,
		"wechat[].push.forward": server.URL, "apps[].backchannel_logout_uri": server.URL,
		"verify_files": []string{"MP_verify_0123456789abcdef.txt"}, "outgoing.ca_file": cert,
		"outgoing.private_apps": true,
	} {
		set(conf, key, 0, value)
	}
	return conf
}

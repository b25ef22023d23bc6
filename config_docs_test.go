package weigate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/cli"
)

// foreignYAML are the first keys of YAML that is not the gateway's, and where it is tested.
var foreignYAML = map[string]string{
	"apiVersion":   "Argo CD: its page says what was run and what was read",
	"unclassified": "Jenkins: internal/relyingparty compares the keys with those of the plugin",
	"spring":       "Spring: its page says what was run and what was read",
	"http":         "Traefik, which nothing here can run",
	"rule_files":   "Prometheus: internal/monitoring runs promtool",
}

// TestConfigurationInDocs runs "weigate check" on every block of YAML in the documents that configures the
// gateway. A block may be a whole configuration, some of its keys, or keys of one app or connector; the
// test adds what is missing. The Chinese pages have the same blocks.
func TestConfigurationInDocs(t *testing.T) {
	t.Parallel()
	found := 0
	for _, b := range allBlocks(t) {
		if b.language != "yaml" {
			continue
		}
		found++
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(dedent(b.text)), &node); err != nil || len(node.Content) != 1 {
			t.Errorf("%s: %v\n%s", b.page, err, b.text)
			continue
		}
		top := node.Content[0]
		if top.Kind == yaml.MappingNode && foreignYAML[top.Content[0].Value] != "" {
			continue
		}
		var problems []error
		for _, complete := range []func(any) map[string]any{wholeConfiguration, oneApp, oneConnector} {
			var block any
			if err := node.Decode(&block); err != nil {
				t.Fatal(err)
			}
			err := checkConfiguration(t, complete(block))
			if err == nil {
				problems = nil
				break
			}
			problems = append(problems, err)
		}
		if problems != nil {
			t.Errorf("%s: %v\n%s", b.page, errors.Join(problems...), b.text)
		}
	}
	if found < 40 {
		t.Errorf("found %d blocks", found)
	}
}

func dedent(text string) string {
	indent := len(text) - len(strings.TrimLeft(text, " "))
	return strings.ReplaceAll("\n"+text, "\n"+text[:indent], "\n")[1:]
}

// wholeConfiguration returns a block that has keys at the top, or is a list of apps.
func wholeConfiguration(block any) map[string]any {
	c := map[string]any{}
	switch block := block.(type) {
	case map[string]any:
		maps.Copy(c, block)
	case []any:
		c["apps"] = block
	}
	for key, value := range map[string]any{
		"url": "https://login.example.com", "trusted_proxies": []any{"127.0.0.1"},
		"wechat": []any{map[string]any{"name": "main", "kind": "official_account", "appid": "wx0123456789abcdef"}},
		"apps":   []any{map[string]any{"id": "app"}},
	} {
		if c[key] == nil {
			c[key] = value
		}
	}
	addMissing(c["wechat"], map[string]any{"secret": "any-secret"}, "subscription_account")
	addMissing(c["apps"], map[string]any{
		"kind": "oidc", "secret": "a-secret-of-16-characters-or-more", "access": "signed_in",
		"redirect_uris": []any{"https://app.example.com/callback"},
	}, "forward_auth")
	return c
}

// addMissing adds keys to each item of a list. An item of the kind without has no secret.
func addMissing(list any, keys map[string]any, without string) {
	items, _ := list.([]any)
	for _, item := range items {
		object, _ := item.(map[string]any)
		for key, value := range keys {
			isSecret := key == "secret" && (object["secret_file"] != nil || object["public"] != nil)
			isAddress := key == "redirect_uris" && object["kind"] == "relay"
			if object != nil && object[key] == nil && !isSecret && !isAddress && object["kind"] != without {
				object[key] = value
			}
		}
	}
}

func oneApp(block any) map[string]any {
	app, _ := block.(map[string]any)
	if app == nil {
		return nil
	}
	app["id"] = "app"
	return wholeConfiguration(map[string]any{"apps": []any{app}})
}

func oneConnector(block any) map[string]any {
	c, _ := block.(map[string]any)
	if c == nil {
		return nil
	}
	delete(c, "id")
	c["name"], c["kind"], c["appid"] = "main", "official_account", "wx0123456789abcdef"
	return wholeConfiguration(map[string]any{"wechat": []any{c}, "url": "http://127.0.0.1:8080"})
}

var privateFile = regexp.MustCompile(`/(?:run/secrets|etc/weigate)/[\w./-]+`)

// checkConfiguration runs "weigate check --offline". Files of the configuration are in a temporary folder.
func checkConfiguration(t *testing.T, configuration map[string]any) error {
	t.Helper()
	dir := t.TempDir()
	if configuration == nil {
		return errors.New("neither an app nor a connector")
	}
	// "weigate init" writes these files beside the configuration.
	for name, text := range map[string]string{
		"wechat.secret": "any-secret", "wechat.token": "pushtoken1", "wechat.aes_key": strings.Repeat("A", 43),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configuration["store"] = "sqlite:" + filepath.Join(dir, "weigate.db")
	configuration["master_key_file"] = filepath.Join(dir, "weigate.key")
	raw, err := yaml.Marshal(configuration)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := selfSigned(t)
	text := privateFile.ReplaceAllStringFunc(string(raw), func(name string) string {
		content := "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" // is a secret, a token and a key of AES
		switch base := filepath.Base(name); {
		case strings.HasSuffix(base, "chain.pem"):
			content = certificate
		case strings.HasSuffix(base, ".pem"):
			content = key
		case strings.HasSuffix(base, "token"):
			content = "pushtoken1"
		case strings.HasSuffix(base, "robot"):
			content = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0123456789abcdef"
		}
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	})
	path := filepath.Join(dir, "weigate.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, told bytes.Buffer
	err = cli.Run(t.Context(), []string{"check", "--offline", "-c", path}, nil, &out, &told,
		func(string) string { return "" })
	if err != nil || told.Len() > 0 {
		return errors.Join(err, errors.New(told.String()))
	}
	return nil
}

// selfSigned returns a certificate of login.example.com and its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"login.example.com"}, NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

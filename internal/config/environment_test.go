package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

const (
	head = "url: https://login.example.com\n"
	good = head + "wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: from-the-file}]\n" +
		"apps: [{id: my-wiki, kind: oidc, secret: from-the-file-too, access: signed_in, " +
		"redirect_uris: [https://wiki.example.com/cb]}]\n"
)

func parse(t *testing.T, text string, env map[string]string) (*config.Config, error) {
	t.Helper()
	c, err := config.Parse("weigate.yaml", []byte(text), func(name string) string { return env[name] })
	leaktest.Check(t, "what the configuration says", fmt.Sprint(err), c)
	return c, err
}

func TestEnvironmentHasPriority(t *testing.T) {
	t.Parallel()
	c, err := parse(t, good, map[string]string{
		"WEIGATE_URL": "https://other.example.com", "WEIGATE_SESSION_IDLE": "1h", "WEIGATE_INSECURE": "true",
		"WEIGATE_LOG_FORMAT":         "json",
		"WEIGATE_STORE":              "postgres://weigate:" + leaktest.Secret + "@db.example.com/weigate",
		"WEIGATE_MASTER_KEY":         leaktest.Secret,
		"WEIGATE_WECHAT_MAIN_SECRET": leaktest.Secret, "WEIGATE_APPS_MY_WIKI_SECRET": leaktest.Secret + "1 " +
			leaktest.Secret + "2",
		"WEIGATE_APPS_MY_WIKI_LIFETIMES_ACCESS": "10m", "WEIGATE_APPS_MY_WIKI_ID_TOKEN_CLAIMS": "true",
		"WEIGATE_LISTEN": "", // not set
		// Kubernetes sets these in every container beside a service named weigate.
		"WEIGATE_SERVICE_HOST": "10.0.0.1", "WEIGATE_PORT": "tcp://10.0.0.1:80", "WEIGATE_PORT_80_TCP": "tcp://10.0.0.1:80",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.URL != "https://other.example.com" || c.Session.Idle != time.Hour || !c.Insecure || c.Log.Format != "json" ||
		c.Listen != "127.0.0.1:8080" {
		t.Errorf("%+v", c)
	}
	if c.StoreName() != "PostgreSQL, db.example.com/weigate" {
		t.Errorf("the store for people: %s", c.StoreName())
	}
	if string(c.WeChat[0].Secret) != leaktest.Secret || string(c.MasterKey) != leaktest.Secret ||
		len(c.Apps[0].Secrets) != 2 || string(c.Apps[0].Secrets[1]) != leaktest.Secret+"2" {
		t.Error("the secrets are not those of the environment")
	}
	if c.Apps[0].Lifetimes.Access != 10*time.Minute || !c.Apps[0].IDTokenClaims {
		t.Errorf("%+v", c.Apps[0])
	}
}

// TestEnvironmentProblems checks that a problem of a variable has its name and no line.
func TestEnvironmentProblems(t *testing.T) {
	t.Parallel()
	_, err := parse(t, good, map[string]string{
		"WEIGATE_SESSION_IDLE": leaktest.Secret, "WEIGATE_INSECURE": "yes", "WEIGATE_WECHAT_MAIN_APPID": leaktest.Secret,
		"WEIGATE_WECHAT_MAIN_SECRET": leaktest.Secret, "WEIGATE_WECHAT_MAIN_SECRET_FILE": "/run/secrets/x",
	})
	want := []string{
		"WEIGATE_INSECURE: must be true or false",
		"WEIGATE_SESSION_IDLE: must be a duration such as 90s, 5m or 24h (there is no unit for days)",
		"WEIGATE_WECHAT_MAIN_APPID: must be wx and 16 hexadecimal digits in lower case",
		"WEIGATE_WECHAT_MAIN_SECRET: only one of secret and secret_file is allowed",
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
}

// TestCommandForASecretFile: the command in the message can be copied into a shell.
func TestCommandForASecretFile(t *testing.T) {
	t.Parallel()
	// A name with folders in lower case looks like a path; those of TMPDIR may have capital letters.
	folder, err := os.MkdirTemp("/tmp", "weigate-secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	file := filepath.Join(folder, "robot.url")
	if err := os.WriteFile(file, []byte(leaktest.Secret), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = parse(t, strings.Replace(good, "secret: from-the-file}", "secret_file: "+file+"}", 1), nil)
	want := "weigate.yaml:2: wechat.main.secret_file: file is readable by other users: chmod o-rwx " + filemode.Quote(file)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestSecretFiles reads secret files with the contents that editors and container platforms write,
// and with typical mistakes.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 20)
	for _, tt := range []struct {
		name, content string
		mode          os.FileMode
		fault         string
	}{
		{"one newline", leaktest.Secret + "\n", 0o600, ""},
		{"no newline", leaktest.Secret, 0o600, ""},
		{"a newline of Windows", leaktest.Secret + "\r\n", 0o400, ""},
		{"two newlines", leaktest.Secret + "\n\n", 0o600, "must not contain spaces, line breaks"},
		{"a second line", leaktest.Secret + "\n" + long, 0o600, "must not contain spaces, line breaks"},
		{"a space at the end", leaktest.Secret + " \n", 0o600, "must not contain spaces, line breaks"},
		{"nothing", "", 0o600, "empty file"},
		{"only a newline", "\n", 0o600, "empty file"},
		{"far too large", strings.Repeat("x", 20<<10), 0o600, "too large for a secret"},
		{"readable by all", leaktest.Secret, 0o644, "file is readable by other users: chmod o-rwx"},
		{"readable by the group", leaktest.Secret, 0o640, ""},
		{"writable by all", leaktest.Secret, 0o666, "file is writable by other users: chmod go-w"},
		{"writable by the group", leaktest.Secret, 0o660, "file is writable by other users: chmod go-w"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := secretFile(t, tt.content, tt.mode)
			c, err := parse(t, strings.Replace(good, "secret: from-the-file}", "secret_file: "+file+"}", 1), nil)
			switch {
			case tt.fault == "" && err != nil:
				t.Fatal(err)
			case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), "weigate.yaml:2: wechat.main.secret_file: ") ||
				!strings.Contains(err.Error(), tt.fault)):
				t.Fatalf("got %v, want %q", err, tt.fault)
			case tt.fault != "":
				return
			}
			if string(c.WeChat[0].Secret) != leaktest.Secret {
				t.Error("the secret is not what the file holds")
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings %v", c.Warnings)
			}
		})
	}
}

// TestNumericSecrets checks that a secret that YAML would read as a number is kept unchanged.
func TestNumericSecrets(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"00123456789012345678901234567890", "0x1F000000000000000000", "1e100", "12_345",
		"1.50"} {
		c, err := parse(t, strings.Replace(good, "from-the-file}", secret+"}", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(c.WeChat[0].Secret) != secret {
			t.Errorf("%q became another", secret)
		}
	}
}

func TestAliasesOfWholeValues(t *testing.T) {
	t.Parallel()
	c, err := parse(t, head+"wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: x}]\n"+
		"apps:\n  - {id: a, kind: oidc, secret: 0123456789abcdef, access: &staff {groups: [staff]}, "+
		"redirect_uris: [https://a.example.com/cb]}\n"+
		"  - {id: b, kind: oidc, secret: 0123456789abcdef, access: *staff, redirect_uris: [https://b.example.com/cb]}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Apps[1].Access.Groups; len(got) != 1 || got[0] != "staff" {
		t.Errorf("%v", got)
	}
}

func TestAllowedValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, from, to string }{
		{"a path", "https://login.example.com", "https://www.example.com/login/wechat"},
		{"a port", "https://login.example.com", "https://login.example.com:8443"},
		{"this machine", "https://login.example.com", "http://127.0.0.1:8080"},
		{"this machine by name", "https://login.example.com", "http://login.localhost:8080"},
		{"this machine in IPv6", "https://login.example.com", "http://[::1]:8080"},
		{"a private address, on purpose", "https://login.example.com", "http://192.168.1.5:8080\ninsecure: true"},
		{"an app on this machine", "https://wiki.example.com/cb", "http://localhost:3000/cb"},
		{"no metrics", "url:", "metrics: ''\nurl:"},
		{"every address", "url:", "listen: ':8080'\nurl:"},
		{"PostgreSQL", "url:", "store: postgres://weigate@/weigate?host=/run/postgresql\nurl:"},
		{"a program's own scheme",
			"secret: from-the-file-too, access: signed_in, redirect_uris: [https://wiki.example.com/cb]",
			"public: true, access: signed_in, redirect_uris: ['com.example.wiki:/cb']"},
		{"a simulator", "secret: from-the-file}",
			"secret: x, any_browser: true, api: 'http://127.0.0.1:8090', open: 'http://localhost:8090'}"},
		{"openids of the entry", "access: signed_in", "access: approved, subject: 'openid:main'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(good, tt.from, tt.to, 1)
			if text == good {
				t.Fatal("nothing was replaced")
			}
			if _, err := parse(t, text, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	running, err := parse(t, good, nil)
	if err != nil {
		t.Fatal(err)
	}
	read, err := parse(t, good, map[string]string{"WEIGATE_LISTEN": "127.0.0.1:1", "WEIGATE_STORE": "sqlite:other.db",
		"WEIGATE_WECHAT_MAIN_SECRET": "new",
		"WEIGATE_MASTER_KEY":         "new", "WEIGATE_LOG_LEVEL": "debug", "WEIGATE_APPS_MY_WIKI_NAME": "New"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(config.NeedsRestart(running, read), " "); got != "listen store master_key_file" {
		t.Errorf("waiting for a restart: %s", got)
	}
	next := config.KeepRunning(running, read)
	if left := config.NeedsRestart(running, next); len(left) > 0 {
		t.Errorf("kept less than it should: %v", left)
	}
	if next.WeChat[0].Secret != wechat.Secret("new") || next.Apps[0].Name != "New" || next.Log.Level != "debug" {
		t.Error("what can be taken up was not")
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load(filepath.Join(t.TempDir(), "weigate.yaml"), nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := config.Load(t.TempDir(), nil); err == nil {
		t.Error("a folder was read")
	}
	big := secretFile(t, strings.Repeat("# a line\n", 200_000), 0o600)
	if _, err := config.Load(big, nil); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("%v", err)
	}
}
